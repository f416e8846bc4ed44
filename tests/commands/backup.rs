//! A backup can take the place of the data.

use super::refusals::patd;
use crate::harness::{Daemon, Wire, sample};

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_starts_from_a_backup_taken_while_another_ran() {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    let backup = daemon.folder().join("backup");
    patd(&daemon).json(&["store", "backup", backup.to_str().expect("a plain path")], "");
    let key = daemon.data_dir().join("patd.key");
    daemon.kill();
    std::fs::copy(&key, backup.join("patd.key")).expect("the key is copied");
    // As an operator would: the backup in the place of the data.
    std::fs::rename(daemon.data_dir(), daemon.folder().join("lost")).expect("the data goes");
    std::fs::rename(&backup, daemon.data_dir()).expect("the backup comes");
    daemon.restart().await;
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    for owner in ["member", "acme-admin"] {
        let secret = facts.text(&format!("/tokens/{owner}/secret"));
        let body = serde_json::json!({"site": "acme", "token_secret": secret});
        let opened = wire.call("POST", "/v1/sessions", None, Some(&body)).await.expect("an answer");
        assert_eq!(opened.status, 201, "{}", opened.shown());
    }
    patd(&daemon).json(&["doctor"], "");
}
