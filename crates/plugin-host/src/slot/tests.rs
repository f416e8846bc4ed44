//! Slots with instances that do as they are told, so that every order of events can be tried.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;

use super::unit::Watch;
use super::{InstancePlan, Slot, SlotTimes, Unit};
use crate::error::{LoadError, LoadErrorKind};
use crate::image::{Image, Kind};
use crate::instance::Instance;

static SCRIPTS: LazyLock<Mutex<HashMap<u64, Arc<Script>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What the instances of one test do, and what happened to them.
#[derive(Default)]
struct Script {
    exclusive: bool,
    refuse_create: AtomicBool,
    hang_create: AtomicBool,
    refuse_start: AtomicBool,
    hang_start: AtomicBool,
    hang_end: AtomicBool,
    fail_end: AtomicBool,
    /// Whether a call into its first instance hangs.
    hang_call: AtomicBool,
    /// Started and not ended.
    alive: AtomicI64,
    most_alive: AtomicI64,
    ended: AtomicI64,
}

struct Fake {
    script: Arc<Script>,
    instance: &'static Instance,
    started: AtomicBool,
    inside: AtomicI64,
}

impl Unit for Fake {
    const MAY_HANG: bool = true;

    fn create(plan: &InstancePlan) -> Result<Self, LoadError> {
        let script = Arc::clone(&SCRIPTS.lock()[&plan.settings["script"].as_u64().expect("a script")]);
        while script.hang_create.load(SeqCst) {
            std::thread::yield_now();
        }
        if script.refuse_create.load(SeqCst) {
            return Err(plan.refuse("a good day", "a bad one"));
        }
        let instance = Instance::leak(&plan.name);
        Ok(Self { script, instance, started: AtomicBool::new(false), inside: AtomicI64::new(0) })
    }

    async fn start(&self, plan: &InstancePlan) -> Result<(), LoadError> {
        if self.script.refuse_start.load(SeqCst) {
            return Err(plan.refuse("a start", "none"));
        }
        self.started.store(true, SeqCst);
        let alive = self.script.alive.fetch_add(1, SeqCst) + 1;
        self.script.most_alive.fetch_max(alive, SeqCst);
        until(|| !self.script.hang_start.load(SeqCst)).await;
        Ok(())
    }

    async fn end(&self) -> bool {
        assert_eq!(self.inside.load(SeqCst), 0, "ended with a request inside");
        until(|| !self.script.hang_end.load(SeqCst)).await;
        if self.script.fail_end.load(SeqCst) {
            return false;
        }
        if self.started.swap(false, SeqCst) {
            self.script.alive.fetch_sub(1, SeqCst);
            self.script.ended.fetch_add(1, SeqCst);
        }
        true
    }

    fn exclusive(&self) -> bool {
        self.script.exclusive
    }

    fn slowest(&self) -> Option<Duration> {
        let hangs = self.script.hang_call.load(SeqCst) && self.inside.load(SeqCst) > 0;
        hangs.then_some(Duration::from_secs(3600))
    }

    fn quarantine(&self, why: &str) {
        self.instance.quarantine(why);
    }

    fn quarantined(&self) -> Option<String> {
        self.instance.is_quarantined().then(|| self.instance.why())
    }

    fn watch(&self) -> Watch {
        Watch(self.instance)
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// As [`until`], and a failed test when it takes for ever.
async fn soon(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), until(condition)).await;
    assert!(waited.is_ok(), "never: {what}");
}

fn script(exclusive: bool) -> (Arc<Script>, u64) {
    let script = Arc::new(Script { exclusive, ..Script::default() });
    let number = NEXT.fetch_add(1, SeqCst);
    SCRIPTS.lock().insert(number, Arc::clone(&script));
    (script, number)
}

fn plan(script: u64, sha256: &str) -> InstancePlan {
    InstancePlan {
        image: Image::fake(sha256),
        kind: Kind::Audit,
        name: "it".to_owned(),
        settings: json!({"script": script}),
        start: Vec::new(),
        patience: Duration::from_millis(300),
    }
}

const TIMES: SlotTimes = SlotTimes {
    drain: Duration::from_millis(300),
    first_delay: Duration::from_millis(20),
    max_delay: Duration::from_millis(200),
    good: Duration::from_secs(300),
    hang: Duration::from_secs(60),
};

async fn open(script: u64) -> Arc<Slot<Fake>> {
    Slot::open(plan(script, "one"), TIMES).await.expect("opens")
}

/// Whether a request is served, the generation that serves it.
async fn ask(slot: &Arc<Slot<Fake>>) -> Option<u64> {
    let lease = slot.lease(Duration::from_secs(5)).await.ok()?;
    if lease.quarantined().is_some() {
        return None;
    }
    lease.inside.fetch_add(1, SeqCst);
    tokio::task::yield_now().await;
    lease.inside.fetch_sub(1, SeqCst);
    Some(lease.generation())
}

fn sin(slot: &Arc<Slot<Fake>>) {
    slot.lease_now().expect("serves").quarantine("asked to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_instance_is_replaced_by_a_fresh_one_and_the_old_one_is_ended() {
    let (script, number) = script(false);
    let slot = open(number).await;
    assert_eq!(ask(&slot).await, Some(1));
    sin(&slot);
    assert_eq!(ask(&slot).await, None);
    assert!(slot.unready().expect("not ready").contains("asked to"));
    soon("it recovers", || slot.unready().is_none()).await;
    assert_eq!(ask(&slot).await, Some(2));
    soon("the old one ends", || script.ended.load(SeqCst) == 1).await;
    let status = slot.status();
    assert_eq!((status.recoveries, status.abandoned, status.generation), (1, 0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_in_which_a_call_hangs_is_replaced_and_never_touched_again() {
    let (script, number) = script(false);
    let slot = open(number).await;
    let hangs = slot.lease_now().expect("serves");
    hangs.inside.fetch_add(1, SeqCst);
    script.hang_call.store(true, SeqCst);
    soon("it is quarantined", || slot.unready().is_some_and(|why| why.contains("hangs"))).await;
    soon("it recovers", || slot.unready().is_none()).await;
    assert_eq!(ask(&slot).await, Some(2));
    soon("it is abandoned", || slot.status().abandoned == 1).await;
    assert_eq!((script.ended.load(SeqCst), script.alive.load(SeqCst)), (0, 2));
    // `end` of the fake refuses to be called with a request inside.
    drop(slot);
    std::mem::forget(hangs);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_delay_grows_with_each_recovery() {
    let (_, number) = script(false);
    let slot = open(number).await;
    let mut delays = Vec::new();
    for _ in 0..4 {
        sin(&slot);
        let begun = super::now();
        soon("it recovers", || slot.unready().is_none()).await;
        delays.push(begun.elapsed());
    }
    assert!(delays[3] >= Duration::from_millis(160), "{delays:?}");
    assert!(delays[0] < delays[3], "{delays:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_fails_is_tried_again_and_nothing_is_served_meanwhile() {
    let (script, number) = script(false);
    let slot = open(number).await;
    script.refuse_start.store(true, SeqCst);
    sin(&slot);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(ask(&slot).await, None);
    assert!(slot.status().retry_in.is_some());
    script.refuse_start.store(false, SeqCst);
    soon("it recovers", || slot.unready().is_none()).await;
    assert!(ask(&slot).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_instance_stops_completely_before_its_successor_starts() {
    let (script, number) = script(true);
    let slot = open(number).await;
    for _ in 0..3 {
        sin(&slot);
        soon("it is down", || slot.unready().is_some()).await;
        soon("it recovers", || slot.unready().is_none()).await;
    }
    assert_eq!(script.most_alive.load(SeqCst), 1);
    assert_eq!(script.ended.load(SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_instance_whose_stop_hangs_has_no_successor_until_it_has_ended() {
    let (script, number) = script(true);
    let slot = open(number).await;
    script.hang_end.store(true, SeqCst);
    sin(&slot);
    soon("it is abandoned", || slot.status().abandoned == 1).await;
    assert_eq!(ask(&slot).await, None);
    assert_eq!(script.alive.load(SeqCst), 1);
    let refused = slot.prepare(plan(number, "two")).await.expect("is made").switch().await;
    assert!(refused.err().expect("is refused").to_string().contains("must never overlap"));
    script.hang_end.store(false, SeqCst);
    soon("it recovers", || slot.unready().is_none()).await;
    assert_eq!(script.most_alive.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_instance_that_cannot_be_stopped_stays_down() {
    let (script, number) = script(true);
    let slot = open(number).await;
    script.fail_end.store(true, SeqCst);
    sin(&slot);
    soon("it is given up", || slot.unready().is_some_and(|why| why.contains("restart the daemon"))).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((ask(&slot).await, script.alive.load(SeqCst)), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_inside_keeps_its_generation_alive() {
    let (script, number) = script(false);
    let slot = open(number).await;
    let lease = slot.lease_now().expect("serves");
    slot.prepare(plan(number, "two")).await.expect("is made").switch().await.expect("switches").keep();
    assert_eq!(ask(&slot).await, Some(2));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((script.ended.load(SeqCst), slot.status().draining), (0, 1));
    drop(lease);
    soon("the old one ends", || script.ended.load(SeqCst) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_does_not_drain_is_abandoned_and_never_destroyed_while_a_request_is_inside() {
    let (script, number) = script(false);
    let slot = open(number).await;
    let lease = slot.lease_now().expect("serves");
    lease.inside.fetch_add(1, SeqCst);
    slot.prepare(plan(number, "two")).await.expect("is made").switch().await.expect("switches").keep();
    soon("it is abandoned", || slot.status().abandoned == 1).await;
    assert_eq!((script.ended.load(SeqCst), ask(&slot).await), (0, Some(2)));
    lease.inside.fetch_sub(1, SeqCst);
    drop(lease);
    soon("it ends late", || script.ended.load(SeqCst) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_before_the_switch_the_old_one_goes_on() {
    for exclusive in [false, true] {
        let (script, number) = script(exclusive);
        let slot = open(number).await;
        script.refuse_create.store(true, SeqCst);
        assert!(slot.prepare(plan(number, "two")).await.is_err());
        script.refuse_create.store(false, SeqCst);
        script.hang_create.store(true, SeqCst);
        let hangs = slot.prepare(plan(number, "two")).await.err().expect("is refused");
        assert!(hangs.to_string().contains("still being made"), "{hangs}");
        script.hang_create.store(false, SeqCst);
        slot.prepare(plan(number, "two")).await.expect("is made").discard().await;
        assert_eq!(ask(&slot).await, Some(1), "exclusive: {exclusive}");
        assert_eq!(slot.plan().image.sha256(), "one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_instance_that_does_not_start_or_hangs_in_start_changes_nothing() {
    let (script, number) = script(false);
    let slot = open(number).await;
    script.refuse_start.store(true, SeqCst);
    let refused = slot.prepare(plan(number, "two")).await.err().expect("is refused");
    assert_eq!(refused.kind(), LoadErrorKind::Start);
    script.refuse_start.store(false, SeqCst);
    script.hang_start.store(true, SeqCst);
    let hangs = slot.prepare(plan(number, "two")).await.err().expect("is refused");
    assert!(hangs.to_string().contains("still starting"), "{hangs}");
    assert_eq!(ask(&slot).await, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_instance_that_does_not_start_gives_its_place_back_to_the_old_one() {
    let (script, number) = script(true);
    let slot = open(number).await;
    let prepared = slot.prepare(plan(number, "two")).await.expect("is made");
    script.refuse_start.store(true, SeqCst);
    let switching = tokio::spawn(prepared.switch());
    // The new one is refused; so is the old one's first try, if it comes before this.
    soon("it is down or served again", || slot.plan().image.sha256() == "one").await;
    let _refused = switching.await.expect("runs").err().expect("is refused");
    script.refuse_start.store(false, SeqCst);
    soon("the old one serves again", || slot.unready().is_none()).await;
    assert!(ask(&slot).await.is_some());
    assert_eq!(slot.plan().image.sha256(), "one");
    assert_eq!(script.most_alive.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_instance_that_hangs_in_start_never_overlaps_with_the_old_one() {
    let (script, number) = script(true);
    let slot = open(number).await;
    let prepared = slot.prepare(plan(number, "two")).await.expect("is made");
    script.hang_start.store(true, SeqCst);
    let switching = tokio::spawn(prepared.switch());
    soon("the new one starts", || script.ended.load(SeqCst) == 1 && script.alive.load(SeqCst) == 1).await;
    script.hang_end.store(true, SeqCst);
    let refused = switching.await.expect("runs").err().expect("is refused");
    assert!(refused.to_string().contains("started again once it has"), "{refused}");
    script.hang_start.store(false, SeqCst);
    assert_eq!(ask(&slot).await, None);
    script.hang_end.store(false, SeqCst);
    soon("the old one serves again", || slot.unready().is_none()).await;
    assert_eq!(slot.plan().image.sha256(), "one");
    assert_eq!(script.most_alive.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_instances_are_replaced_and_rolled_back() {
    for exclusive in [false, true] {
        let (script, number) = script(exclusive);
        let slot = open(number).await;
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let (slot, stop, served) = (Arc::clone(&slot), Arc::clone(&stop), Arc::clone(&served));
                tokio::spawn(async move {
                    while !stop.load(SeqCst) {
                        assert!(ask(&slot).await.is_some(), "a request failed");
                        served.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        for round in 0..30 {
            let sha256 = if round % 2 == 0 { "two" } else { "one" };
            // The workers leave little time for anything else.
            let plan = InstancePlan { patience: Duration::from_secs(30), ..plan(number, sha256) };
            let prepared = slot.prepare(plan).await.expect("is made");
            let switched = prepared.switch().await.expect("switches");
            if round % 3 == 0 {
                switched.roll_back().await.expect("rolls back");
            } else {
                switched.keep();
            }
        }
        stop.store(true, SeqCst);
        for worker in workers {
            worker.await.expect("no request failed");
        }
        soon("old ones end", || script.alive.load(SeqCst) == 1).await;
        assert!(served.load(SeqCst) > 0);
        assert_eq!(slot.status().abandoned, 0);
        if exclusive {
            assert_eq!(script.most_alive.load(SeqCst), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_back_puts_the_old_instance_itself_back_in_service() {
    let (script, number) = script(false);
    let slot = open(number).await;
    let switched =
        slot.prepare(plan(number, "two")).await.expect("is made").switch().await.expect("switches");
    assert_eq!(ask(&slot).await, Some(2));
    switched.roll_back().await.expect("rolls back");
    assert_eq!(ask(&slot).await, Some(1));
    assert_eq!(slot.plan().image.sha256(), "one");
    soon("the new one ends", || script.ended.load(SeqCst) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_is_final() {
    let (script, number) = script(false);
    let slot = open(number).await;
    assert!(slot.stop(Duration::from_secs(5)).await);
    assert_eq!((ask(&slot).await, script.alive.load(SeqCst)), (None, 0));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(script.alive.load(SeqCst), 0);
}
