//! R6 and R7 under `kill -9`: what was acknowledged survives, with its event, and nothing that ended lives again.
//!
//! Workers mint, sign in, sign out and revoke, and write down what they were told. The daemon is killed at 50 random
//! moments and started again on its folder. A request that got no answer may have taken effect or not; of it nothing is
//! asked but that the rest stays whole.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::harness::{Daemon, Wire, interactive, sample, say};

const KILLS: usize = 50;
const WORKERS: usize = 6;
/// A life ends so long after its workers begin, in milliseconds.
const LIFE: std::ops::Range<u64> = 5..300;

/// What a daemon has acknowledged.
#[derive(Default)]
struct Book {
    /// Token ids with whether a revocation was acknowledged, or may have happened.
    tokens: HashMap<String, Fate>,
    /// Credentials of sessions that were ended (signed out, superseded, token revoked), acknowledged.
    ended: Vec<Ended>,
    /// `(type, data member, id)` of events that must be in the listing.
    events: HashSet<(&'static str, &'static str, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    /// A revocation was sent and not answered.
    Unknown,
    Revoked,
}

struct Ended {
    session: String,
    credential: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_r7_what_was_acknowledged_survives_50_kills_with_its_events_and_nothing_ended_revives() {
    let seed = std::env::var("PATD_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    #[expect(clippy::disallowed_methods, reason = "a seed that is printed, no secret")]
    let seed: u64 = seed.unwrap_or_else(rand::random);
    say(&format!("crash: PATD_TEST_SEED={seed}"));
    let mut random = StdRng::seed_from_u64(seed);
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    // One person mints all, and most of it stays.
    let config = std::fs::read_to_string(daemon.config()).expect("the config file");
    let config = config.replace("[defaults]\n", "[defaults]\ntokens_per_user = 10000\n");
    std::fs::write(daemon.config(), config).expect("the config is written");
    daemon.restart().await;
    let owner = interactive(&daemon, &facts.0["users"]["member"], "acme").await;
    let admin = interactive(&daemon, &facts.0["users"]["acme-admin"], "acme").await;
    let book = Mutex::new(Book::default());
    for life in 0..KILLS {
        let until = Duration::from_millis(random.random_range(LIFE));
        {
            let workers = (0..WORKERS).map(|worker| work(&daemon, &owner, &book, life * WORKERS + worker));
            let killer = async {
                tokio::time::sleep(until).await;
                daemon.kill();
            };
            // Workers end by themselves: their connections break.
            let _ = futures_util::future::join(join_all(workers), killer).await;
        }
        daemon.restart().await;
        nothing_revives(&daemon, &book, life).await;
    }
    everything_is_there(&daemon, &admin, &book).await;
    daemon.kill();
    stores_are_whole(&daemon.data_dir());
    let book = book.into_inner().expect("the book");
    say(&format!(
        "crash: {KILLS} kills; {} mints, {} ended sessions, {} events acknowledged, none lost",
        book.tokens.len(),
        book.ended.len(),
        book.events.len()
    ));
}

/// Mints, signs in and ends things until the daemon is gone.
async fn work(daemon: &Daemon, owner: &str, book: &Mutex<Book>, number: usize) -> Option<()> {
    let mut wire = Wire::connect(&daemon.base_url).await.ok()?;
    for turn in 0.. {
        let body = json!({"name": format!("{number}/{turn}")});
        let minted = wire.call("POST", "/v1/sites/acme/tokens", Some(owner), Some(&body)).await.ok()?;
        assert_eq!(minted.status, 201, "a mint: {}", minted.shown());
        let minted = minted.json();
        let id = text(&minted, "/id");
        note(book, |book| {
            book.tokens.insert(id.clone(), Fate::Lives);
            book.events.insert(("patd.token.minted", "token_id", id.clone()));
        });
        let mut last = None;
        for site in ["acme", "globex", "acme"] {
            let body = json!({"site": site, "token_secret": text(&minted, "/secret")});
            let opened = wire.call("POST", "/v1/sessions", None, Some(&body)).await.ok()?;
            assert_eq!(opened.status, 201, "a sign-in: {}", opened.shown());
            let opened = opened.json();
            let session =
                Ended { session: text(&opened, "/session/id"), credential: text(&opened, "/credential") };
            note(book, |book| {
                book.events.insert(("patd.session.opened", "session_id", session.session.clone()));
                if let Some(last) = last.replace(session) {
                    book.events.insert(("patd.session.superseded", "session_id", last.session.clone()));
                    book.ended.push(last);
                }
            });
        }
        let last = last?;
        if turn % 2 == 0 {
            let path = "/v1/sessions/current";
            let out = wire.call("DELETE", path, Some(&last.credential), None).await.ok()?;
            assert_eq!(out.status, 204, "a sign-out: {}", out.shown());
            note(book, |book| {
                book.events.insert(("patd.session.signed_out", "session_id", last.session.clone()));
                book.ended.push(last);
            });
        } else {
            note(book, |book| book.tokens.insert(id.clone(), Fate::Unknown));
            let path = format!("/v1/sites/acme/tokens/{id}");
            let revoked = wire.call("DELETE", &path, Some(owner), None).await.ok()?;
            assert_eq!(revoked.status, 204, "a revocation: {}", revoked.shown());
            note(book, |book| {
                book.tokens.insert(id.clone(), Fate::Revoked);
                book.events.insert(("patd.token.revoked", "token_id", id.clone()));
                book.ended.push(last);
            });
        }
    }
    None
}

fn note<T>(book: &Mutex<Book>, write: impl FnOnce(&mut Book) -> T) {
    write(&mut book.lock().expect("the book"));
}

/// Tries credentials of ended sessions: each time all of the last life's would be too many, so a sample of all of them.
async fn nothing_revives(daemon: &Daemon, book: &Mutex<Book>, life: usize) {
    let all = life + 1 == KILLS;
    let tried: Vec<String> = {
        let book = book.lock().expect("the book");
        let step = if all { 1 } else { book.ended.len() / 20 + 1 };
        book.ended.iter().rev().step_by(step).map(|ended| ended.credential.clone()).collect()
    };
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    for credential in tried {
        let answer =
            wire.call("GET", "/v1/sessions/current", Some(&credential), None).await.expect("an answer");
        assert_eq!(answer.status, 401, "an ended session lives again: {}", answer.shown());
    }
}

/// The books against the listings and the delivered log.
async fn everything_is_there(daemon: &Daemon, admin: &str, book: &Mutex<Book>) {
    let tokens = listing(daemon, admin, "/v1/sites/acme/tokens?owner=all&ended=true&limit=1000").await;
    let listed: HashMap<String, bool> =
        tokens.iter().map(|token| (text(token, "/id"), token["ended_at"].is_null())).collect();
    let events = listing(daemon, admin, "/v1/sites/acme/events?limit=1000").await;
    let ids: HashSet<String> = events.iter().map(|event| text(event, "/id")).collect();
    assert_eq!(ids.len(), events.len(), "the listing names an event twice");
    let happened: HashSet<(&str, &str, &str)> = events
        .iter()
        .flat_map(|event| {
            ["token_id", "session_id"]
                .into_iter()
                .filter_map(|member| Some((event["type"].as_str()?, member, event["data"][member].as_str()?)))
        })
        .collect();
    {
        let book = book.lock().expect("the book");
        for (id, fate) in &book.tokens {
            let lives = listed.get(id);
            assert!(lives.is_some(), "an acknowledged mint is lost: {id}");
            match fate {
                Fate::Lives => assert_eq!(lives, Some(&true), "a token ended that nobody revoked: {id}"),
                Fate::Revoked => {
                    assert_eq!(lives, Some(&false), "an acknowledged revocation is undone: {id}")
                }
                Fate::Unknown => {}
            }
        }
        for (kind, member, id) in &book.events {
            assert!(happened.contains(&(*kind, *member, id.as_str())), "no {kind} for {member} {id}");
        }
    }
    delivered(daemon, &ids).await;
}

/// How often the sink's files are looked at: another process writes them, and tells nobody.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until the sink has every event; each line is whole.
async fn delivered(daemon: &Daemon, ids: &HashSet<String>) {
    let folder = daemon.data_dir().join("audit");
    let patience = Duration::from_secs(60);
    let waited = tokio::time::timeout(patience, async {
        loop {
            let mut seen = HashSet::new();
            for file in std::fs::read_dir(&folder).expect("the sink's folder") {
                let text = std::fs::read_to_string(file.expect("a file").path()).expect("the sink's file");
                // The last line may be under way; all before it must be whole.
                for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                    let event: Value = serde_json::from_str(line)
                        .unwrap_or_else(|error| panic!("a broken line in the audit file ({error}): {line}"));
                    seen.insert(text_of(&event, "id"));
                }
            }
            if ids.is_subset(&seen) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    waited.await.expect("the audit file has every listed event");
}

/// All pages of a listing.
async fn listing(daemon: &Daemon, credential: &str, path: &str) -> Vec<Value> {
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            wire.call("GET", &format!("{path}{cursor}"), Some(credential), None).await.expect("a page");
        assert_eq!(page.status, 200, "{path}: {}", page.shown());
        let page = page.json();
        items.extend(page["items"].as_array().expect("items").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// `PRAGMA integrity_check` on every database, where sqlite3 is installed.
fn stores_are_whole(data_dir: &Path) {
    let sites = std::fs::read_dir(data_dir.join("sites")).expect("the sites' stores");
    let sites = sites.map(|entry| entry.expect("an entry").path());
    for file in sites.chain([data_dir.join("directory.db")]) {
        if file.extension().is_none_or(|extension| extension != "db") {
            continue;
        }
        match std::process::Command::new("sqlite3").arg(&file).arg("PRAGMA integrity_check").output() {
            Ok(output) => {
                assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok", "{}", file.display());
            }
            Err(error) => say(&format!("crash: integrity not checked, sqlite3 does not run: {error}")),
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no text at {pointer} in {value}")).to_owned()
}

fn text_of(value: &Value, member: &str) -> String {
    text(value, &format!("/{member}"))
}
