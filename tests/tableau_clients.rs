//! Real Tableau clients from PyPI against the real daemon: each story is a script in `python/`.
//!
//! Every story has a daemon of its own, since one story's sign-in would end another's session.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Daemon, path_of, sample};

/// Far more than a story needs.
const PATIENCE: Duration = Duration::from_secs(300);

async fn story(python: &str, script: &str, arguments: &[PathBuf]) {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("facts.json");
    std::fs::write(&file, facts.0.to_string()).expect("the facts are written");
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python");
    let run = tokio::process::Command::new(path_of(python))
        .arg(scripts.join(script))
        .arg(&file)
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output =
        tokio::time::timeout(PATIENCE, run).await.expect("the story ends in time").expect("Python runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} failed:\n{out}{err}");
    let log = daemon.log();
    for owner in ["member", "acme-admin"] {
        let secret = facts.text(&format!("/tokens/{owner}/secret"));
        assert!(!log.contains(secret), "a token's secret is in the daemon's log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tableauserverclient_0_41_works_unchanged() {
    story("PATD_TEST_PYTHON_TSC_0_41", "tsc_story.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tableauserverclient_0_42_works_unchanged() {
    story("PATD_TEST_PYTHON_TSC_0_42", "tsc_story.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tableau_api_lib_works_unchanged() {
    story("PATD_TEST_PYTHON_TSC_0_41", "api_lib_story.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tabcmd_works_unchanged() {
    story("PATD_TEST_PYTHON_TSC_0_41", "tabcmd_story.py", &[path_of("PATD_TEST_TABCMD")]).await;
}
