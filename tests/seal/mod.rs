//! The seal of the audit trail: what is done to a store or a file behind the daemon's back is found, and the right event
//! is named.

mod attack;
mod retention;
mod trail;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Daemon, until};
use attack::Attack;
use trail::{Trail, checkpoints, verify};

/// Attacks on each copy: `PATD_TEST_ATTACKS`.
fn attacks() -> usize {
    std::env::var("PATD_TEST_ATTACKS").ok().and_then(|count| count.parse().ok()).unwrap_or(100)
}

/// Attacks the store; each time it is found. The right event is named where the trail is whole: what could tell which one it
/// was may have been let go.
fn attack_the_store(trail: &Trail) {
    let (answer, code) = trail.verify(&[]);
    assert_eq!(
        (code, &answer["ok"], &answer["first_bad"]),
        (Some(0), &json!(true), &Value::Null),
        "{answer}"
    );
    assert_eq!(answer["unsealed"], 0, "{answer}");
    for number in 0..attacks() {
        let attack = Attack::ALL[number % Attack::ALL.len()];
        trail.restore();
        let (at, done) = attack.on_store(trail);
        let (answer, code) = trail.verify(&[]);
        assert_eq!(code, Some(1), "{done}: {answer}");
        let bad = &answer["first_bad"];
        assert_eq!(bad["in"], trail.store_name().as_str(), "{done}: {bad}");
        if !trail.is_whole() {
            continue;
        }
        assert_eq!(bad["id"], trail.rows[at].id.as_str(), "{done} of row {at}: {bad}");
        // A swapped pair has two places, a forged checkpoint its own; where the first one was, nothing before it can tell.
        if at > 0 && matches!(attack, Attack::Drop | Attack::Truncate | Attack::Flip) {
            assert_eq!(bad["position"], trail.rows[at].position, "{done}: {bad}");
        }
    }
}

/// Attacks the audit file; each time it is found, and the right event named where the trail is whole.
fn attack_the_file(trail: &Trail) {
    for number in 0..attacks() {
        let attack = Attack::ALL[number % Attack::ALL.len()];
        trail.restore();
        let (ids, done) = attack.on_file(trail);
        let file = trail.file();
        let path = file.to_str().expect("a plain path");
        // The whole trail, and the file alone.
        let arguments: &[&str] = if number % 2 == 0 { &[] } else { &["--file", path] };
        let (answer, code) = trail.verify(arguments);
        assert_eq!(code, Some(1), "{done}: {answer}");
        let bad = &answer["first_bad"];
        assert_eq!(bad["in"], path, "{done}: {bad}");
        let named = bad["id"].as_str().expect("an id");
        if !trail.is_whole() {
            continue;
        }
        assert!(ids.iter().any(|id| id == named), "{done}: {bad}, not one of {ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_store_is_found_and_the_event_named() {
    attack_the_store(&Trail::make().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_an_audit_file_is_found_and_the_event_named() {
    attack_the_file(&Trail::make().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_trail_whose_beginning_was_let_go_is_found() {
    let trail = Trail::shortened().await;
    attack_the_store(&trail);
    attack_the_file(&trail);
    // Who lets go of more than was signed, and signs that himself, has no key.
    for _ in 0..attacks().div_ceil(Attack::ALL.len()) {
        trail.restore();
        let done = attack::behead(&trail);
        let (answer, code) = trail.verify(&[]);
        let bad = &answer["first_bad"];
        assert_eq!(code, Some(1), "{done}: {answer}");
        assert_eq!(bad["in"], trail.store_name().as_str(), "{done}: {bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_is_good_beside_the_running_daemon_after_a_crash_and_after_a_change_of_keys() {
    let daemon = Daemon::start("").await;
    let mut talker = trail::Talker::new(&daemon).await;
    talker.talk(&daemon, 3).await;
    // Killed before or after the checkpoint, whichever comes first.
    for pause in [0, 300, 760, 900] {
        talker.talk(&daemon, 2).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        daemon.kill();
        daemon.restart().await;
        let (answer, code) = verify(&daemon.config(), &[]);
        assert_eq!(code, Some(0), "killed after {pause} ms: {answer}");
    }
    let rotated = daemon.patd(&["audit", "rotate-key"]);
    assert_ne!(rotated["old"], rotated["new"]);
    let keys = daemon.data_dir().join("audit.keys");
    let listed: Vec<Value> =
        serde_json::from_slice(&std::fs::read(&keys).expect("the public keys")).expect("a list");
    assert_eq!(listed.len(), 2);
    let before = checkpoints(&daemon, &talker.luid);
    talker.talk(&daemon, 2).await;
    until("a checkpoint under the new key", async || checkpoints(&daemon, &talker.luid) > before).await;
    let all_is_sealed = || {
        let (answer, code) = verify(&daemon.config(), &[]);
        assert_eq!(code, Some(0), "{answer}");
        answer["unsealed"] == 0
    };
    until("all is sealed", async || all_is_sealed()).await;

    // An export and the public keys are enough, and the first key alone is not.
    let file = daemon.data_dir().join(format!("audit/{}.jsonl", talker.luid));
    let (file, keys) = (file.to_str().expect("a plain path"), keys.to_str().expect("a plain path"));
    let nowhere = std::path::Path::new("/nonexistent");
    let (answer, code) = verify(nowhere, &["--file", file, "--keys", keys]);
    assert_eq!((code, &answer["ok"]), (Some(0), &json!(true)), "{answer}");
    let first = daemon.folder().join("first.keys");
    std::fs::write(&first, json!([listed[0]]).to_string()).expect("written");
    let (answer, code) = verify(nowhere, &["--file", file, "--keys", first.to_str().expect("a plain path")]);
    assert_eq!((code, &answer["first_bad"]["reason"]), (Some(1), &json!("forged")), "{answer}");
    daemon.restart().await;
    let (answer, code) = verify(&daemon.config(), &["--site", "acme"]);
    assert_eq!(code, Some(0), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_brings_no_further_one() {
    let daemon = Daemon::start("").await;
    let mut talker = trail::Talker::new(&daemon).await;
    talker.talk(&daemon, 2).await;
    let all_is_sealed = || verify(&daemon.config(), &[]).0["unsealed"] == 0;
    until("all is sealed", async || all_is_sealed()).await;
    let before = checkpoints(&daemon, &talker.luid);
    assert!(before > 0);
    // Longer than a sealer ever waits, so that one that woke itself would have written by now.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(checkpoints(&daemon, &talker.luid), before);
}
