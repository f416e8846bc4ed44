//! Reloads under load: two builds of a hasher and of a sink alternate while people sign in and sites verify. No request
//! fails, no answer is wrong, no event is lost; what a generation costs is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::house::House;
use crate::harness::{PASSWORD, Person, Token, Wire, say};

/// `PATD_TEST_RELOADS=1000` is the whole.
const RELOADS: u64 = 30;
/// Reloads before memory is measured.
const WARM: u64 = 6;
const WORKERS: usize = 8;
/// Requests per second and worker.
const PACE: u64 = 25;

fn reloads() -> u64 {
    std::env::var("PATD_TEST_RELOADS").ok().and_then(|count| count.parse().ok()).unwrap_or(RELOADS)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_and_no_answer_is_wrong_while_plug_ins_are_replaced() {
    let house = Arc::new(House::start("").await);
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut people = Vec::new();
    for _ in 0..WORKERS {
        let person = house.stage.person("acme", "Creator").await;
        let token = house.stage.mint(&person, "acme").await;
        people.push((person, token));
    }
    let workers: Vec<_> = people
        .into_iter()
        .map(|(person, token)| {
            let (url, stop, count) = (house.daemon().base_url.clone(), Arc::clone(&stop), Arc::clone(&count));
            tokio::spawn(async move { work(&url, &person, &token, &stop, &count).await })
        })
        .collect();
    // The first of each build loads it; what comes after costs instances only.
    let begun = tokio::time::Instant::now();
    for round in 0..WARM {
        swap(&house, round);
    }
    let before = resident(&house);
    for round in WARM..reloads() {
        swap(&house, round);
    }
    let (after, took) = (resident(&house), begun.elapsed());
    stop.store(true, Ordering::Relaxed);
    for worker in join_all(workers).await {
        worker.expect("no request failed");
    }
    let count = count.load(Ordering::Relaxed);
    assert!(count > reloads(), "only {count} requests");
    let per_reload = (after as f64 - before as f64) / (reloads() - WARM) as f64;
    for (kind, instance) in [("hasher", "tokens"), ("hasher", "passwords"), ("audit", "file")] {
        let listed = house.plugin(kind, instance);
        assert_eq!((&listed["images"], &listed["abandoned"]), (&json!(3), &json!(0)), "{listed}");
        assert_eq!(listed["generation"], reloads() + 1);
    }
    house.daemon().patd(&["audit", "verify"]);
    let images = cost_of_images(&house);
    say(&format!(
        "reload: {} reloads in {:.1} s under {} requests, none failed, none was answered wrongly; resident memory \
         {before} KiB, then {after} KiB: {per_reload:.1} KiB per reload (3 instances); a new build of the hasher costs \
         {images:.0} KiB",
        reloads(),
        took.as_secs_f64(),
        count
    ));
}

/// One person's requests, until told to stop.
async fn work(url: &str, person: &Person, token: &Token, stop: &AtomicBool, count: &AtomicU64) {
    let mut wire = Wire::connect(url).await.expect("a connection");
    let mut beat = tokio::time::interval(Duration::from_millis(1000 / PACE));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for turn in 0.. {
        let body = match turn % 4 {
            0 => json!({"site": "acme", "username": person.username, "password": PASSWORD}),
            _ => json!({"site": "acme", "token_secret": token.secret}),
        };
        beat.tick().await;
        let opened = wire.call("POST", "/v1/sessions", None, Some(&body)).await.expect("an answer");
        assert_eq!(opened.status, 201, "{}", opened.shown());
        let credential = opened.json()["credential"].as_str().expect("a credential").to_owned();
        for _ in 0..3 {
            beat.tick().await;
            let path = "/v1/sites/acme/verify";
            let good = wire.call("GET", path, Some(&credential), None).await.expect("an answer");
            assert_eq!(good.status, 204, "{}", good.shown());
            assert_eq!(good.header("x-patd-user"), Some(person.username.as_str()));
        }
        beat.tick().await;
        let body = json!({"site": "acme", "username": person.username, "password": "the wrong password"});
        let wrong = wire.call("POST", "/v1/sessions", None, Some(&body)).await.expect("an answer");
        assert_eq!(wrong.status, 401, "{}", wrong.shown());
        count.fetch_add(5, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Puts the other build of both in place.
fn swap(house: &House, round: u64) {
    let tag = if round.is_multiple_of(2) { "one" } else { "two" };
    house.build("hasher-pbkdf2", tag);
    house.build("audit-file", tag);
    let report = house.reload().expect("reloads");
    let replaced = report["plugins"].as_array().expect("plugins").iter();
    assert_eq!(replaced.filter(|one| one["action"] == "replaced").count(), 3, "{report}");
}

/// What each further build of a hasher adds to the resident memory, in KiB.
fn cost_of_images(house: &House) -> f64 {
    const BUILDS: u32 = 8;
    let before = resident(house);
    for number in 0..BUILDS {
        house.build("hasher-pbkdf2", &format!("build {number}"));
        house.reload().expect("reloads");
    }
    (resident(house) as f64 - before as f64) / f64::from(BUILDS)
}

/// Resident memory of the daemon in KiB.
fn resident(house: &House) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", house.daemon().pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
