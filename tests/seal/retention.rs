//! Old events are removed and the trail stays whole: beside the running daemon, through `kill -9`, and afterwards; and what
//! somebody else removes from its beginning is found.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use patd_service::seal::checkpoint::Checkpoint;
use rand::RngExt as _;
use serde_json::{Value, json};

use super::trail::{delivered, first_kept, id, sql, verify};
use crate::harness::{Person, Stage, Token, client, say, until};

const KILLS: usize = 16;
const KEEP: &str = "[audit]\nkeep = \"10s\"\n";

/// Somebody who signs in at acme, on a daemon that keeps events for a moment.
struct Short {
    stage: Stage,
    person: Person,
    token: Token,
    luid: String,
}

impl Short {
    async fn start(further: &str) -> Self {
        let stage = Stage::start(&format!("{KEEP}{further}")).await;
        let person = stage.person("acme", "Creator").await;
        let token = stage.mint(&person, "acme").await;
        let luid = stage.luid("acme");
        Self { stage, person, token, luid }
    }

    async fn talk(&self, times: usize) {
        for _ in 0..times {
            self.stage.use_token(&self.token, "acme").await.expect(201);
        }
    }

    fn store(&self) -> PathBuf {
        self.stage.daemon.data_dir().join(format!("sites/{}.db", self.luid))
    }

    fn sql(&self, statements: &str) -> String {
        sql(&self.store(), statements).trim().to_owned()
    }

    /// Ids of the events of acme in its store, oldest first.
    fn kept(&self) -> Vec<String> {
        let luid = &self.luid;
        let listed = self.sql(&format!("SELECT id FROM events WHERE site = '{luid}' ORDER BY position;"));
        listed.lines().map(str::to_owned).collect()
    }

    fn file(&self) -> PathBuf {
        self.stage.daemon.data_dir().join(format!("audit/{}.jsonl", self.luid))
    }

    fn delivered(&self) -> Vec<Value> {
        delivered(&self.stage.daemon, &self.luid)
    }

    fn first_kept(&self) -> Option<String> {
        first_kept(&self.delivered())
    }

    fn must_verify(&self, when: &str) {
        let (answer, code) = verify(&self.stage.daemon.config(), &[]);
        assert_eq!((code, &answer["ok"]), (Some(0), &json!(true)), "{when}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_go_through_kills_and_the_trail_verifies_before_during_and_after() {
    let short = Short::start("").await;
    let daemon = &short.stage.daemon;
    short.talk(5).await;
    until("the first checkpoint", async || short.first_kept().is_some()).await;
    short.must_verify("before");
    let oldest = short.kept().first().cloned().expect("an event");
    let listing = "/v1/sites/acme/events?limit=1";
    let listed = async |path: &str| {
        short.stage.call("GET", path, Some(short.stage.admin("acme")), None).await.expect(200).json()
    };
    let cursor_of = async |after: Option<String>| {
        let path = after.map_or_else(|| listing.to_owned(), |after| format!("{listing}&cursor={after}"));
        listed(&path).await["next_cursor"].as_str().map(str::to_owned)
    };
    // To the last page: its cursor is before everything that will be left.
    let (mut early, mut next) = (None, cursor_of(None).await);
    while let Some(cursor) = next {
        next = cursor_of(Some(cursor.clone())).await;
        early = Some(cursor);
    }

    let (mut seen, mut life) = (0, 0);
    while life < KILLS || seen < 3 {
        life += 1;
        assert!(life < 5 * KILLS, "old events do not go");
        short.talk(3).await;
        #[expect(clippy::disallowed_methods, reason = "when to kill is no secret")]
        let pause = Duration::from_millis(rand::rng().random_range(100..3000));
        tokio::time::sleep(pause).await;
        daemon.kill();
        let stopped = verify(&daemon.config(), &[]);
        assert_eq!(stopped.1, Some(0), "killed, life {life}: {}", stopped.0);
        daemon.restart().await;
        short.must_verify(&format!("started again, life {life}"));
        let first = short.kept().first().cloned();
        seen += usize::from(first.as_ref().is_some_and(|first| *first != oldest));
    }
    say(&format!("retention: {life} kills, after {seen} of them old events were gone"));

    // Nobody talks any more: what may go goes, and what was let go goes entirely.
    let in_order = || {
        let (kept, first) = (short.kept(), short.first_kept());
        kept.first() == first.as_ref() && !kept.contains(&oldest)
    };
    until("all that was let go is gone", async || in_order()).await;
    short.must_verify("after");
    let (all, kept) = (short.delivered(), short.kept());
    assert!(all.iter().any(|event| id(event) == oldest), "the file keeps everything");
    assert!(kept.len() < all.len() / 2, "{} of {} are left", kept.len(), all.len());
    let file = short.file();
    let (answer, code) = verify(&daemon.config(), &["--file", file.to_str().expect("a plain path")]);
    assert_eq!((code, &answer["ok"]), (Some(0), &json!(true)), "the file alone: {answer}");
    let keys = daemon.data_dir().join("audit.keys");
    let alone = ["--file", file.to_str().expect("plain"), "--keys", keys.to_str().expect("plain")];
    let (answer, code) = verify(Path::new("/nonexistent"), &alone);
    assert_eq!((code, &answer["ok"]), (Some(0), &json!(true)), "the file and the keys: {answer}");

    // Those who come with something older are told, or get what there is.
    let request = client().get(format!("{}/v1/sites/acme/events", daemon.base_url));
    let request = request.header("last-event-id", &oldest).header("accept", "text/event-stream");
    let refused = request.bearer_auth(short.stage.admin("acme")).send().await.expect("an answer");
    assert_eq!(refused.status(), 410);
    let problem: Value = refused.json().await.expect("a problem");
    assert!(problem["type"].as_str().is_some_and(|kind| kind.ends_with("unknown-event")), "{problem}");
    let early = early.expect("there was more than one page");
    let page = listed(&format!("{listing}&cursor={early}")).await;
    let items = page["items"].as_array().expect("items");
    assert!(items.is_empty() && page["next_cursor"] == Value::Null, "{page}");

    // Time passes, and further events are let go: stopped between a new beginning and the removal of what is before it, the
    // store begins earlier than it must.
    let (kept, first) = loop {
        daemon.stop().await;
        short.must_verify("stopped");
        let (kept, first) = (short.kept(), short.first_kept().expect("a beginning"));
        if kept[0] == first {
            break (kept, first);
        }
        assert!(kept.contains(&first), "the store begins after its beginning {first}: {kept:?}");
        daemon.restart().await;
        until("all that was let go is gone", async || in_order()).await;
    };
    // One more, and a whole stretch more.
    let at = |id: &str| format!("(SELECT position FROM events WHERE id = '{id}')");
    let second = short.delivered().into_iter().filter(|event| kept.contains(&id(event)));
    let second = second.filter(|event| Checkpoint::text(event).is_some()).map(|event| id(&event)).nth(1);
    let second = second.expect("two checkpoints");
    let luid = &short.luid;
    for (through, what) in [(first.as_str(), "one event more"), (&second, "a stretch more")] {
        let gone = format!("DELETE FROM events WHERE site = '{luid}' AND position <= {};", at(through));
        short.sql(&gone);
        let (answer, code) = verify(&daemon.config(), &[]);
        assert_eq!(code, Some(1), "{what}: {answer}");
        let bad = &answer["first_bad"];
        assert_eq!(bad["in"], format!("sites/{luid}").as_str(), "{what}: {bad}");
        assert_eq!(bad["id"], first.as_str(), "{what}: {bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_still_waits_for_stays_however_old_it_is() {
    // Nobody listens there.
    let hook = "[sinks.hook]\nplugin = \"audit-webhook\"\nretry = { first = \"100ms\", max = \"500ms\" }\nconfig = { url = \
                \"http://127.0.0.1:9/\", secrets = [\"whsec_YmxhY2sgYm94IGJsYWNrIGJveCBibGFjayBib3g=\"] }\n";
    let short = Short::start(hook).await;
    let daemon = &short.stage.daemon;
    daemon.edit("sinks = [\"file\"]", "sinks = [\"file\", \"hook\"]");
    daemon.restart().await;
    short.talk(5).await;
    let first = short.kept().first().cloned().expect("an event");
    let directory = daemon.data_dir().join("directory.db");
    let oldest_in_directory = || {
        let oldest = "SELECT min(position) FROM events WHERE site IS NULL;";
        let output = Command::new("sqlite3").arg(&directory).arg(oldest).output().expect("sqlite3 runs");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    assert_ne!(oldest_in_directory(), "");
    // Globex is not held up: when its store has let go, there was time enough for acme's.
    daemon.edit("name = \"Globex\"", "name = \"Globex\"\nsinks = [\"file\"]");
    daemon.patd(&["reload"]);
    let person = short.stage.person("globex", "Creator").await;
    let token = short.stage.mint(&person, "globex").await;
    short.stage.use_token(&token, "globex").await.expect(201);
    let globex = short.stage.luid("globex");
    let store = daemon.data_dir().join(format!("sites/{globex}.db"));
    let minted = format!("SELECT count(*) FROM events WHERE token = '{}';", token.id);
    let count = || {
        let output = Command::new("sqlite3").arg(&store).arg(&minted).output().expect("sqlite3 runs");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    assert_ne!(count(), "0");
    until("globex lets go", async || count() == "0").await;
    assert_eq!(short.kept().first(), Some(&first), "the hook has not got it");
    short.must_verify("while it waits");
    daemon.edit("sinks = [\"file\", \"hook\"]", "sinks = [\"file\"]");
    daemon.patd(&["reload"]);
    until("nobody waits for it any more", async || !short.kept().contains(&first)).await;
    short.must_verify("afterwards");
    assert!(short.stage.use_token(&short.token, "acme").await.status == 201, "{} goes on", short.person.luid);
}
