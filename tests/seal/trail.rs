//! A trail of a stopped daemon, of which each attack gets a fresh copy.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Daemon, client, path_of, sample, until};

/// The answer and the exit code of `patd audit verify`.
pub(super) fn verify(config: &Path, arguments: &[&str]) -> (Value, Option<i32>) {
    let output = Command::new(path_of("PATD_TEST_PATD"))
        .arg("--config")
        .arg(config)
        .args(["--output", "json", "audit", "verify"])
        .args(arguments)
        .output()
        .expect("patd runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answer = serde_json::from_str(&out).unwrap_or_else(|error| panic!("no JSON ({error}): {out}{err}"));
    (answer, output.status.code())
}

/// Checkpoints in a site's audit file.
pub(super) fn checkpoints(daemon: &Daemon, luid: &str) -> usize {
    let text =
        std::fs::read_to_string(daemon.data_dir().join(format!("audit/{luid}.jsonl"))).unwrap_or_default();
    text.matches("\"patd.audit.checkpoint\"").count()
}

/// Somebody who signs in at acme.
pub(super) struct Talker {
    /// Acme's.
    pub(super) luid: String,
    secret: String,
}

impl Talker {
    pub(super) async fn new(daemon: &Daemon) -> Self {
        let facts = sample(daemon).await;
        let text = |pointer: &str| facts.text(pointer).to_owned();
        Self { luid: text("/sites/acme/luid"), secret: text("/tokens/member/secret") }
    }

    /// Signs in so many times.
    pub(super) async fn talk(&mut self, daemon: &Daemon, times: usize) {
        let (client, url) = (client(), format!("{}/v1/sessions", daemon.base_url));
        for _ in 0..times {
            let body = json!({"site": "acme", "token_secret": self.secret});
            let answer = client.post(&url).json(&body).send().await.expect("an answer");
            assert_eq!(answer.status(), 201);
        }
    }
}

/// A row of acme's store, in order.
pub(super) struct Row {
    pub(super) position: u64,
    pub(super) id: String,
    /// As it was delivered.
    pub(super) event: Value,
}

/// A trail, and the copy that is attacked.
pub(super) struct Trail {
    daemon: Daemon,
    luid: String,
    copy: tempfile::TempDir,
    /// Of acme's own store.
    pub(super) rows: Vec<Row>,
}

impl Trail {
    pub(super) async fn make() -> Self {
        let daemon = Daemon::start("").await;
        let mut talker = Talker::new(&daemon).await;
        for _ in 0..12 {
            let before = checkpoints(&daemon, &talker.luid);
            talker.talk(&daemon, 3).await;
            until("a checkpoint", async || checkpoints(&daemon, &talker.luid) > before).await;
        }
        daemon.stop().await;
        let copy = tempfile::tempdir().expect("a folder");
        let mut trail = Self { daemon, luid: talker.luid, copy, rows: Vec::new() };
        let config = std::fs::read_to_string(trail.daemon.config()).expect("the config");
        let (old, new) = (trail.daemon.data_dir(), trail.data_dir());
        let config = config.replace(old.to_str().expect("plain"), new.to_str().expect("plain"));
        std::fs::write(trail.config(), config).expect("written");
        trail.restore();
        let events: std::collections::HashMap<String, Value> = std::fs::read_to_string(trail.file())
            .expect("the audit file")
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .map(|event| (event["id"].as_str().expect("an id").to_owned(), event))
            .collect();
        let listed = trail.sql("SELECT position, id FROM events ORDER BY position;");
        let row = |line: &str| {
            let (position, id) = line.split_once('|').expect("two columns");
            let event = events.get(id).expect("delivered").clone();
            Row { position: position.parse().expect("a number"), id: id.to_owned(), event }
        };
        trail.rows = listed.lines().map(row).collect();
        assert!(trail.rows.len() > 40, "{listed}");
        trail
    }

    fn config(&self) -> PathBuf {
        self.copy.path().join("patd.toml")
    }

    fn data_dir(&self) -> PathBuf {
        self.copy.path().join("data")
    }

    /// A fresh copy.
    pub(super) fn restore(&self) {
        if self.data_dir().exists() {
            std::fs::remove_dir_all(self.data_dir()).expect("removed");
        }
        copy(&self.daemon.data_dir(), &self.data_dir());
    }

    pub(super) fn verify(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        verify(&self.config(), arguments)
    }

    /// Acme's audit file.
    pub(super) fn file(&self) -> PathBuf {
        self.data_dir().join(format!("audit/{}.jsonl", self.luid))
    }

    pub(super) fn store_name(&self) -> String {
        format!("sites/{}", self.luid)
    }

    /// Changes acme's store behind the daemon's back.
    pub(super) fn sql(&self, statements: &str) -> String {
        let store = self.data_dir().join(format!("sites/{}.db", self.luid));
        let output = Command::new("sqlite3").arg(store).arg(statements).output().expect("sqlite3 runs");
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}
