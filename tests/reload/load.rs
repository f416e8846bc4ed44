//! Reloads under load: two builds of a hasher and of a sink alternate while people sign in and sites verify. No request
//! fails, no answer is wrong, no event is lost; what a generation costs is measured.
//!
//! `PATD_TEST_RELOADS=1000` with a release daemon is the whole, and then at least 200 requests/s must have been answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::house::House;
use crate::harness::{PASSWORD, Person, Reply, Token, Wire, say};

/// Without `PATD_TEST_RELOADS`.
const RELOADS: u64 = 30;
/// From so many reloads on, requests per second count; on a machine that is busy with tests they say nothing.
const WHOLE: u64 = 1000;
/// Requests per second of the whole.
const RATE: f64 = 200.0;
/// Reloads before memory is measured.
const WARM: u64 = 6;
const WORKERS: usize = 8;
/// Requests per second and worker.
const PACE: u64 = 40;

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
    let before = house.daemon().resident();
    for round in WARM..reloads() {
        swap(&house, round);
    }
    let (count, took) = (count.load(Ordering::Relaxed), begun.elapsed());
    stop.store(true, Ordering::Relaxed);
    let (mut failed, mut wrong) = (Vec::new(), Vec::new());
    for worker in join_all(workers).await {
        match worker.expect("a worker runs to its end") {
            Ok(()) => {}
            Err(Fault::Failed(what)) => failed.push(what),
            Err(Fault::Wrong(what)) => wrong.push(what),
        }
    }
    let after = house.daemon().resident();
    let rate = count as f64 / took.as_secs_f64();
    assert!(count > reloads(), "only {count} requests");
    for (kind, instance) in [("hasher", "tokens"), ("hasher", "passwords"), ("audit", "file")] {
        let listed = house.plugin(kind, instance);
        assert_eq!((&listed["images"], &listed["abandoned"]), (&json!(3), &json!(0)), "{listed}");
        assert_eq!(listed["generation"], reloads() + 1);
    }
    house.daemon().patd(&["audit", "verify"]);
    // Alone, so that what people do is not counted: instances of builds that are loaded, then new builds.
    let instances = cost(&house, 40, |number| swap(&house, number));
    let images = cost(&house, 8, |number| {
        house.build("hasher-pbkdf2", &format!("build {number}"));
        house.reload().expect("reloads");
    });
    say(&format!(
        "reload: {} reloads in {:.1} s under {count} requests ({rate:.0}/s): {} failed, {} wrong, 0 abandoned; resident \
         memory {before} KiB before, {after} KiB after, sessions and events included; without requests a reload of \
         builds that are loaded (3 instances) costs {instances:.1} KiB, of a new build of the hasher {images:.0} KiB",
        reloads(),
        took.as_secs_f64(),
        failed.len(),
        wrong.len(),
    ));
    assert!(reloads() < WHOLE || rate >= RATE, "only {rate:.0} requests/s");
    assert!(failed.is_empty() && wrong.is_empty(), "failed: {failed:?}; wrong: {wrong:?}");
}

/// What may happen to a request; it ends its worker.
enum Fault {
    /// No answer, or one that says that patd cannot.
    Failed(String),
    /// An answer that is not the right one.
    Wrong(String),
}

/// The answer, if it is the one that is right.
fn judge(answer: std::io::Result<Reply>, status: u16) -> Result<Reply, Fault> {
    match answer {
        Ok(answer) if answer.status == status => Ok(answer),
        Ok(answer) if answer.status >= 500 => Err(Fault::Failed(answer.shown())),
        Ok(answer) => Err(Fault::Wrong(answer.shown())),
        Err(error) => Err(Fault::Failed(error.to_string())),
    }
}

/// One person's requests, until told to stop or something goes wrong. Each that was answered rightly is counted.
async fn work(
    url: &str,
    person: &Person,
    token: &Token,
    stop: &AtomicBool,
    count: &AtomicU64,
) -> Result<(), Fault> {
    let mut wire = Wire::connect(url).await.map_err(|error| Fault::Failed(error.to_string()))?;
    let mut beat = tokio::time::interval(Duration::from_millis(1000 / PACE));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for turn in 0.. {
        let body = match turn % 4 {
            0 => json!({"site": "acme", "username": person.username, "password": PASSWORD}),
            _ => json!({"site": "acme", "token_secret": token.secret}),
        };
        beat.tick().await;
        let opened = judge(wire.call("POST", "/v1/sessions", None, Some(&body)).await, 201)?;
        count.fetch_add(1, Ordering::Relaxed);
        let credential = opened.json()["credential"].as_str().expect("a credential").to_owned();
        for _ in 0..3 {
            beat.tick().await;
            let path = "/v1/sites/acme/verify";
            let good = judge(wire.call("GET", path, Some(&credential), None).await, 204)?;
            if good.header("x-patd-user") != Some(person.username.as_str()) {
                return Err(Fault::Wrong(good.shown()));
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
        beat.tick().await;
        let body = json!({"site": "acme", "username": person.username, "password": "the wrong password"});
        judge(wire.call("POST", "/v1/sessions", None, Some(&body)).await, 401)?;
        count.fetch_add(1, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
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

/// What each of so many reloads adds to the resident memory, in KiB.
fn cost(house: &House, count: u64, reload: impl Fn(u64)) -> f64 {
    let before = house.daemon().resident();
    (0..count).for_each(reload);
    (house.daemon().resident() as f64 - before as f64) / count as f64
}
