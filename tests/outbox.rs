//! Faults of a sink while people sign in: what was committed is delivered, at least once, and nobody waits for it.
//!
//! `PATD_TEST_EVENTS` says how many events (default 3,000; a million is fine), `PATD_TEST_KILLS` how many kills (default 20).

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::harness::{Daemon, Facts, Wire, interactive, sample, say, until};

mod receiver;

/// Connections that sign in.
const WORKERS: usize = 8;
/// No request may take as long.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long nothing may come although something waits.
const PATIENCE: Duration = Duration::from_secs(60);
/// Short pauses, so that a sink that is up again is tried soon.
const RETRY: (&str, &str) =
    ("[sinks.file]\n", "[sinks.file]\nretry = { first = \"20ms\", max = \"100ms\" }\ndeadline = \"2s\"\n");

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Tokens of one person at home in `acme`, a worker each.
async fn tokens(daemon: &Daemon, facts: &Facts) -> Vec<Value> {
    let owner = interactive(daemon, &facts.0["users"]["member"], "acme").await;
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    let mut secrets = Vec::new();
    for worker in 0..WORKERS {
        let body = json!({"name": format!("worker {worker}")});
        let minted = wire.call("POST", "/v1/sites/acme/tokens", Some(&owner), Some(&body)).await;
        let minted = minted.expect("an answer");
        assert_eq!(minted.status, 201, "{}", minted.shown());
        secrets.push(minted.json()["secret"].clone());
    }
    secrets
}

#[expect(clippy::disallowed_methods, reason = "how long a request takes")]
fn clock() -> Instant {
    Instant::now()
}

/// Signs in until so many sign-ins were made in all, or the connection breaks; how long each took.
async fn sign_in(daemon: &Daemon, secret: &Value, made: &AtomicUsize, most: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    let Ok(mut wire) = Wire::connect(&daemon.base_url).await else { return took };
    let body = json!({"site": "acme", "token_secret": secret});
    while made.fetch_add(1, Ordering::Relaxed) < most {
        let began = clock();
        let Ok(opened) = wire.call("POST", "/v1/sessions", None, Some(&body)).await else { return took };
        assert_eq!(opened.status, 201, "a sign-in: {}", opened.shown());
        took.push(began.elapsed());
    }
    took
}

/// So many sign-ins over all connections; how long each took, in order of that.
pub(crate) async fn sign_ins(daemon: &Daemon, secrets: &[Value], most: usize) -> Vec<Duration> {
    let made = AtomicUsize::new(0);
    let all = join_all(secrets.iter().map(|secret| sign_in(daemon, secret, &made, most))).await;
    let mut took = all.concat();
    took.sort_unstable();
    assert_eq!(took.len(), most, "a connection broke");
    took
}

/// Every event of the site that the daemon lists, by id, with its type.
async fn committed(daemon: &Daemon, admin: &str) -> HashMap<String, String> {
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    let (mut all, mut cursor) = (HashMap::new(), String::new());
    loop {
        let path = format!("/v1/sites/acme/events?limit=1000{cursor}");
        let page = wire.call("GET", &path, Some(admin), None).await.expect("a page");
        assert_eq!(page.status, 200, "{}", page.shown());
        let page = page.json();
        for event in page["items"].as_array().expect("items") {
            let text = |member: &str| event[member].as_str().expect("a text").to_owned();
            all.insert(text("id"), text("type"));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// How often each event is in these files; every whole line must be one.
fn delivered(files: &[PathBuf]) -> HashMap<String, usize> {
    let mut all = HashMap::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        // The last line may be under way.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let event: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("a broken line in {}: {error}: {line}", file.display()));
            *all.entry(event["id"].as_str().expect("an id").to_owned()).or_default() += 1;
        }
    }
    all
}

/// Waits until every one of these events has come, as long as more come; how often each came by then.
async fn all_come(
    come: impl Fn() -> HashMap<String, usize>,
    events: &HashMap<String, String>,
) -> HashMap<String, usize> {
    let (mut last, mut since) = (0, clock());
    loop {
        let there = come();
        let missing: Vec<_> = events.iter().filter(|(id, _)| !there.contains_key(*id)).take(5).collect();
        if missing.is_empty() {
            return there;
        }
        if there.len() > last {
            (last, since) = (there.len(), clock());
        }
        let stuck = since.elapsed() > PATIENCE;
        assert!(!stuck, "{last} of {} events have come; not, for example: {missing:?}", events.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Files in a folder whose name begins so.
fn files_of(folder: &Path, beginning: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let ours = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(beginning))
            && path.symlink_metadata().is_ok_and(|found| found.is_file())
    };
    paths.filter(ours).collect()
}

/// Swaps two names in one step, so that the sink sees either.
fn exchange(one: &Path, other: &Path) {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).expect("exchanged");
}

/// Where the site's log is, and where the faults put what they take away.
struct Log {
    file: PathBuf,
    away: PathBuf,
}

impl Log {
    fn away(&self, number: usize) -> PathBuf {
        self.away.join(format!("log.{number}"))
    }

    /// Does one thing to the log, waits, and makes it good again.
    async fn fault(&self, number: usize, wait: Duration) {
        let folder = self.file.parent().expect("a folder");
        // Nothing may be there to take away: the sink has not come back yet.
        match number % 4 {
            // Its folder gives way to a file.
            0 => {
                let aside = folder.with_extension("aside");
                std::fs::write(&aside, "in the way").expect("written");
                exchange(folder, &aside);
                tokio::time::sleep(wait).await;
                exchange(folder, &aside);
                std::fs::remove_file(&aside).expect("removed");
            }
            // It is moved away.
            1 => {
                let _absent = std::fs::rename(&self.file, self.away(number));
                tokio::time::sleep(wait).await;
            }
            // It is deleted; a second name keeps what was in it for the count.
            2 => {
                let _absent = std::fs::hard_link(&self.file, self.away(number));
                let _absent = std::fs::remove_file(&self.file);
                tokio::time::sleep(wait).await;
            }
            // The disk is full.
            _ => {
                if !self.file.exists() {
                    return;
                }
                let full = folder.join("full");
                symlink("/dev/full", &full).expect("linked");
                exchange(&full, &self.file);
                std::fs::rename(&full, self.away(number)).expect("moved");
                tokio::time::sleep(wait).await;
                std::fs::remove_file(&self.file).expect("removed");
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut all = files_of(&self.away, "log.");
        all.push(self.file.clone());
        all
    }
}

/// The site's log file, with a folder beside for what is taken away.
fn log(daemon: &Daemon, facts: &Facts) -> Log {
    let away = daemon.folder().join("away");
    std::fs::create_dir(&away).expect("a folder");
    let luid = facts.text("/sites/acme/luid");
    Log { file: daemon.data_dir().join(format!("audit/{luid}.jsonl")), away }
}

pub(crate) fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_sink_that_is_up_half_of_the_time_loses_nothing_and_holds_up_nobody() {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    daemon.edit(RETRY.0, RETRY.1);
    daemon.restart().await;
    let secrets = tokens(&daemon, &facts).await;
    let admin = interactive(&daemon, &facts.0["users"]["acme-admin"], "acme").await;
    let log = log(&daemon, &facts);
    // Two events each.
    let most = number("PATD_TEST_EVENTS", 3000) / 2;

    let quiet = sign_ins(&daemon, &secrets, most / 3).await;
    let over = AtomicBool::new(false);
    let faults = async {
        let (mut random, mut count) = (StdRng::seed_from_u64(7), 0);
        while !over.load(Ordering::Relaxed) {
            log.fault(count, Duration::from_millis(random.random_range(20..150))).await;
            tokio::time::sleep(Duration::from_millis(random.random_range(20..150))).await;
            count += 1;
        }
        count
    };
    let work = async {
        let took = sign_ins(&daemon, &secrets, most - most / 3).await;
        over.store(true, Ordering::Relaxed);
        took
    };
    let (troubled, count) = futures_util::future::join(work, faults).await;
    let slowest = troubled.last().copied().unwrap_or_default();
    assert!(slowest < DEADLINE, "a request took {slowest:?}");

    let events = committed(&daemon, &admin).await;
    let opened = events.values().filter(|kind| *kind == "patd.session.opened").count();
    assert!(opened >= most, "{opened} sign-ins are listed, {most} were answered");
    let there = all_come(|| delivered(&log.files()), &events).await;
    let lines: usize = there.values().sum();
    let ratio = at(&troubled, 99).as_secs_f64() / at(&quiet, 99).as_secs_f64().max(1e-9);
    say(&format!(
        "outbox: {} events committed, {} delivered after de-duplication ({lines} lines), {count} faults; sign-in p50 {:?} \
         and p99 {:?} without faults, p50 {:?}, p99 {:?}, slowest {slowest:?} with them, p99 ratio {ratio:.2}",
        events.len(),
        events.keys().filter(|id| there.contains_key(*id)).count(),
        at(&quiet, 50),
        at(&quiet, 99),
        at(&troubled, 50),
        at(&troubled, 99),
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_kill_between_delivery_and_acknowledgement_loses_nothing_and_doubles_by_id_only() {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    let secrets = tokens(&daemon, &facts).await;
    let log = log(&daemon, &facts);
    let kills = number("PATD_TEST_KILLS", 20);
    let length = || std::fs::metadata(&log.file).map_or(0, |found| found.len());
    let (mut answered, mut between) = (0, 0);
    for _ in 0..kills {
        let before = length();
        let made = AtomicUsize::new(0);
        let work = join_all(secrets.iter().map(|secret| sign_in(&daemon, secret, &made, usize::MAX)));
        let killer = async {
            // The sink has more than at the start of this life: it was given something, and the cursor follows later.
            let waited = tokio::time::timeout(PATIENCE, async {
                while length() <= before {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            waited.await.expect("something is delivered");
            daemon.kill();
        };
        let (took, ()) = futures_util::future::join(work, killer).await;
        answered += took.iter().map(Vec::len).sum::<usize>();
        let had: HashSet<String> = delivered(&log.files()).into_keys().collect();
        daemon.restart().await;
        // The first that is new shows that the pump works again; what it had before comes again by then.
        let made = AtomicUsize::new(0);
        assert_eq!(sign_in(&daemon, &secrets[0], &made, 1).await.len(), 1, "a sign-in after a restart");
        answered += 1;
        let more = async || delivered(&log.files()).len() > had.len();
        until("the pump works again", more).await;
        between +=
            usize::from(delivered(&log.files()).iter().any(|(id, count)| *count > 1 && had.contains(id)));
    }
    let admin = interactive(&daemon, &facts.0["users"]["acme-admin"], "acme").await;
    let events = committed(&daemon, &admin).await;
    let opened = events.values().filter(|kind| *kind == "patd.session.opened").count();
    assert!(opened >= answered, "{opened} sign-ins are listed, {answered} were answered");
    let there = all_come(|| delivered(&log.files()), &events).await;
    let strangers = there.keys().filter(|id| !events.contains_key(*id)).count();
    assert_eq!(strangers, 0, "the sink has events that no store has");
    let lines: usize = there.values().sum();
    say(&format!(
        "outbox: {kills} kills, {between} lives after which something had come twice; {} events committed, {} delivered after \
         de-duplication ({lines} lines, {} doubles by id)",
        events.len(),
        there.len(),
        lines - there.len(),
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_sink_that_denies_refuses_what_gives_until_it_has_room_and_revoking_works() {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    daemon.edit(
        "[sinks.file]\n",
        "[sinks.file]\nmax_backlog = 5\non_full = \"deny\"\nretry = { first = \"20ms\", max = \"50ms\" }\n",
    );
    // A clean stop, so that nothing counts as waiting at the start.
    daemon.stop().await;
    daemon.restart().await;
    let owner = interactive(&daemon, &facts.0["users"]["member"], "acme").await;
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    let folder = daemon.data_dir().join("audit");
    let aside = daemon.data_dir().join("aside");
    std::fs::write(&aside, "in the way").expect("written");
    exchange(&folder, &aside);
    let body = json!({"site": "acme", "token_secret": facts.text("/tokens/member/secret")});
    let mut refused = None;
    for _ in 0..20 {
        let answer = wire.call("POST", "/v1/sessions", None, Some(&body)).await.expect("an answer");
        if answer.status != 201 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("it is full").json();
    assert_eq!(
        (&refused["status"], &refused["type"]),
        (&json!(503), &json!("urn:patd:problem:audit-unavailable"))
    );
    let minting = json!({"name": "one more"});
    let mint =
        wire.call("POST", "/v1/sites/acme/tokens", Some(&owner), Some(&minting)).await.expect("an answer");
    assert_eq!(mint.json()["type"], "urn:patd:problem:audit-unavailable", "{}", mint.shown());
    let list = wire.call("GET", "/v1/sites/acme/tokens", Some(&owner), None).await.expect("an answer");
    assert_eq!(list.status, 200, "reading works: {}", list.shown());
    let path = format!("/v1/sites/acme/tokens/{}", facts.text("/tokens/member/id"));
    let revoked = wire.call("DELETE", &path, Some(&owner), None).await.expect("an answer");
    assert_eq!(revoked.status, 204, "revoking works: {}", revoked.shown());
    let metrics = crate::harness::client().get(format!("{}/metrics", daemon.management_url)).send().await;
    let metrics = metrics.expect("an answer").text().await.expect("metrics");
    assert!(metrics.contains("patd_sink_full{sink=\"file\",site=\"Acme\"} 1"), "{metrics}");

    exchange(&folder, &aside);
    until("there is room again", async || {
        let mint = wire.call("POST", "/v1/sites/acme/tokens", Some(&owner), Some(&minting)).await;
        mint.expect("an answer").status == 201
    })
    .await;
}
