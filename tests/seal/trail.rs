//! A trail of a stopped daemon, of which each attack gets a fresh copy.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use patd_service::seal::checkpoint::{Checkpoint, Content};
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

    /// Signs in a few times and waits until that is sealed.
    async fn stretch(&mut self, daemon: &Daemon) {
        let before = checkpoints(daemon, &self.luid);
        self.talk(daemon, 3).await;
        until("a checkpoint", async || checkpoints(daemon, &self.luid) > before).await;
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
    /// Ids of all events that it has or had: more than there are rows when retention took some.
    pub(super) ids: HashSet<String>,
}

impl Trail {
    pub(super) async fn make() -> Self {
        let daemon = Daemon::start("").await;
        let mut talker = Talker::new(&daemon).await;
        for _ in 0..12 {
            talker.stretch(&daemon).await;
        }
        daemon.stop().await;
        let trail = Self::of(daemon, talker.luid);
        assert!(trail.is_whole(), "something is missing");
        trail
    }

    /// One that lost its beginning to retention.
    pub(super) async fn shortened() -> Self {
        let daemon = Daemon::start("[audit]\nkeep = \"20s\"\n").await;
        let mut talker = Talker::new(&daemon).await;
        let luid = talker.luid.clone();
        let store = daemon.data_dir().join(format!("sites/{luid}.db"));
        let oldest = || sql(&store, "SELECT id FROM events ORDER BY position LIMIT 1;");
        let first = oldest();
        while oldest() == first {
            talker.stretch(&daemon).await;
        }
        daemon.stop().await;
        let kept = first_kept(&delivered(&daemon, &luid)).expect("a beginning");
        // What was let go and is still there would go next.
        sql(
            &store,
            &format!(
                "DELETE FROM events WHERE position < (SELECT position FROM events WHERE id = '{kept}');"
            ),
        );
        let trail = Self::of(daemon, luid);
        assert_eq!(trail.rows[0].id, kept);
        assert!(!trail.is_whole(), "nothing was let go");
        trail
    }

    /// Whether retention took nothing of it.
    pub(super) fn is_whole(&self) -> bool {
        self.rows.len() == self.ids.len()
    }

    /// That of a daemon that is stopped.
    fn of(daemon: Daemon, luid: String) -> Self {
        let copy = tempfile::tempdir().expect("a folder");
        let mut trail = Self { daemon, luid, copy, rows: Vec::new(), ids: HashSet::new() };
        let config = std::fs::read_to_string(trail.daemon.config()).expect("the config");
        let (old, new) = (trail.daemon.data_dir(), trail.data_dir());
        let config = config.replace(old.to_str().expect("plain"), new.to_str().expect("plain"));
        std::fs::write(trail.config(), config).expect("written");
        trail.restore();
        let events = delivered(&trail.daemon, &trail.luid);
        for content in of_store(&events) {
            trail.ids.extend(content.events.iter().map(|leaf| leaf.id.to_string()));
        }
        let events: HashMap<String, Value> = events.into_iter().map(|event| (id(&event), event)).collect();
        let listed = trail.sql("SELECT position, id FROM events ORDER BY position;");
        let row = |line: &str| {
            let (position, id) = line.split_once('|').expect("two columns");
            let event = events.get(id).expect("delivered").clone();
            Row { position: position.parse().expect("a number"), id: id.to_owned(), event }
        };
        trail.rows = listed.lines().map(row).collect();
        assert!(trail.rows.len() > 40, "{listed}");
        trail.ids.extend(trail.rows.iter().map(|row| row.id.clone()));
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
        sql(&self.data_dir().join(format!("sites/{}.db", self.luid)), statements)
    }
}

/// What `sqlite3` says.
pub(super) fn sql(store: &Path, statements: &str) -> String {
    let output = Command::new("sqlite3")
        .args(["-cmd", ".timeout 20000"])
        .arg(store)
        .arg(statements)
        .output()
        .expect("sqlite3 runs");
    assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

pub(super) fn id(event: &Value) -> String {
    event["id"].as_str().expect("an id").to_owned()
}

/// The events in a site's audit file, oldest first, each once.
pub(super) fn delivered(daemon: &Daemon, luid: &str) -> Vec<Value> {
    let file = daemon.data_dir().join(format!("audit/{luid}.jsonl"));
    let text = std::fs::read_to_string(file).expect("the audit file");
    let mut known = HashSet::new();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    events.filter(|event| known.insert(id(event))).collect()
}

/// What the checkpoints of the site's own store say.
fn of_store(events: &[Value]) -> Vec<Content> {
    let read = |event: &Value| {
        let content = Checkpoint::parse(Checkpoint::text(event)?)?.content;
        (!content.chain.directory).then_some(content)
    };
    events.iter().filter_map(read).collect()
}

/// The id of the event that the chain of the site's own store begins with, as the newest checkpoint says.
pub(super) fn first_kept(events: &[Value]) -> Option<String> {
    let checkpoints = of_store(events);
    let begins = checkpoints.iter().map(|content| content.begins).max()?;
    let first = checkpoints.iter().find(|content| content.seq == begins)?;
    first.events.first().map(|leaf| leaf.id.to_string())
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
