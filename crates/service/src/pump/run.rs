//! One lane's work: take, filter, deliver, acknowledge, and wait well.
//!
//! The cursor in memory is ahead of the one in the store by what was delivered in the last moments, so that under load a
//! lane costs the store a few small writes per second, not one per batch. After a crash those events come again. What a
//! sink will never take is written with the cursor at once.

use std::sync::Arc;
use std::time::Duration;

use patd_core::event::Event;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lane::Lane;
use super::lease::give_back;
use crate::ports::{AuditSink, DeadLetter, Delivered, Scope, SinkError, Terms, Waiting};
use crate::service::Service;

/// Events in one delivery at most.
const BATCH: usize = 256;
/// Between the beginnings of two rounds that a commit has called for: more events in each.
const SPACING: Duration = Duration::from_millis(50);
/// Between two writes of a cursor.
const ACK_EVERY: Duration = Duration::from_millis(250);
/// How long a lane waits for a call before it looks anyway; in a shared store others commit, too.
const IDLE: Duration = Duration::from_secs(60);
const IDLE_SHARED: Duration = Duration::from_secs(2);
/// How often the counts are read while the sink takes nothing.
const RECOUNT: Duration = Duration::from_secs(30);

/// Where a lane is.
struct Place {
    /// Delivered up to here; `None`: where the store's cursor is.
    through: Option<u64>,
    /// What of it the store does not know yet.
    unsaid: Option<u64>,
    acked: Instant,
    /// Events in the next delivery: fewer while one that is rejected is searched, and after failures.
    batch: usize,
}

/// What a round came to.
enum Round {
    /// There may be more at once.
    More,
    Drained,
    Failed(String),
}

impl Service {
    /// Works until stopped, then makes a last pass.
    pub(super) async fn run_lane(
        &self,
        mut sink: Arc<dyn AuditSink>,
        lane: Arc<Lane>,
        stop: CancellationToken,
    ) {
        let mut place = self.begin(&lane).await;
        let (mut failures, mut counted) = (0_u32, Instant::now());
        loop {
            // One last pass after `stop`, so that a clean stop leaves nothing behind that could be delivered.
            let last = stop.is_cancelled();
            // A reload may have given the sink another instance or other terms.
            let newest = self.sinks.load().iter().find(|known| known.name() == sink.name()).cloned();
            sink = newest.unwrap_or(sink);
            let terms = sink.terms();
            let began = Instant::now();
            if lane.hold.left().is_none() {
                // Another daemon's turn, and its cursor.
                if last {
                    return;
                }
                place = self.begin(&lane).await;
                wait(&lane, &stop, IDLE_SHARED, true).await;
                continue;
            }
            let pause = match self.round(&*sink, &terms, &lane, &mut place).await {
                Round::More => {
                    failures = 0;
                    continue;
                }
                Round::Drained => {
                    failures = 0;
                    None
                }
                Round::Failed(why) => {
                    failures = failures.saturating_add(1);
                    let pause = self.pause(&terms, failures);
                    tracing::warn!(sink = sink.name(), store = lane.store.name(), site = lane.site, %why,
                        retry_in_ms = pause.as_millis(), "events wait in the outbox");
                    count("patd_sink_failures_total", &lane, 1);
                    Some(pause)
                }
            };
            if pause.is_some() && counted.elapsed() >= RECOUNT {
                self.recount(&lane).await;
                counted = Instant::now();
            }
            self.tell_full(&lane, &terms);
            if last {
                self.acknowledge(&lane, &mut place).await;
                give_back(&lane, self.pumps.holder).await;
                return;
            }
            match pause {
                Some(pause) => {
                    self.acknowledge(&lane, &mut place).await;
                    wait(&lane, &stop, pause, false).await;
                }
                None => self.idle(&lane, &mut place, &stop, began).await,
            }
        }
    }

    async fn begin(&self, lane: &Lane) -> Place {
        self.recount(lane).await;
        // Long ago: the first acknowledgement need not wait.
        let acked = Instant::now().checked_sub(ACK_EVERY).unwrap_or_else(Instant::now);
        Place { through: None, unsaid: None, acked, batch: BATCH }
    }

    /// Sets the counts from the store.
    pub(crate) async fn recount(&self, lane: &Lane) {
        match lane.store.outbox_status(&lane.key.sink, lane.key.scope).await {
            Ok(status) => lane.set(&status),
            Err(e) => {
                tracing::debug!(store = lane.store.name(), error = %e, "what waits could not be counted");
            }
        }
    }

    fn tell_full(&self, lane: &Lane, terms: &Terms) {
        let waiting = lane.waiting();
        if lane.tell_full(waiting >= terms.max_backlog) {
            tracing::error!(sink = lane.key.sink, site = lane.site, waiting, on_full = ?terms.on_full,
                "as many events wait for the sink as `max_backlog` allows; none is lost, see to the sink");
        }
    }

    /// Half to all of the doubled pause.
    fn pause(&self, terms: &Terms, failures: u32) -> Duration {
        let doubled = terms.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let whole = doubled.min(terms.longest_pause);
        let mut byte = [0];
        self.random.fill(&mut byte);
        whole / 2 + (whole / 2).mul_f64(f64::from(byte[0]) / 255.0)
    }

    /// Takes one batch, delivers what the sink wants of it, moves on.
    async fn round(&self, sink: &dyn AuditSink, terms: &Terms, lane: &Lane, place: &mut Place) -> Round {
        let mark = lane.mark();
        let limit = u32::try_from(place.batch).unwrap_or(1);
        let taken = match lane.store.outbox_take(&lane.outlet(), place.through, limit).await {
            Ok(taken) => taken,
            Err(e) => return Round::Failed(e.to_string()),
        };
        let (Some(first), Some(last)) = (taken.first(), taken.last()) else {
            lane.drained(mark);
            return Round::Drained;
        };
        lane.head(first.event.time);
        let full = taken.len() >= place.batch;
        let wanted: Vec<&Waiting> =
            taken.iter().filter(|waiting| wants(terms, lane.key.scope, &waiting.event)).collect();
        let (through, dead) = match self.hand_over(sink, lane, &wanted).await {
            Ok(done) if done.through >= wanted.len() => (last.position, self.letters(&wanted, &done)),
            Ok(done) => {
                let through = done.through.checked_sub(1).and_then(|at| wanted.get(at));
                let Some(through) = through else { return Round::Failed("the sink took nothing".to_owned()) };
                (through.position, self.letters(&wanted, &done))
            }
            Err(SinkError::Rejected(why)) => match wanted.as_slice() {
                [only] => {
                    tracing::error!(sink = sink.name(), event = %only.event.id.0, %why,
                        "the sink will never take this event; it is kept as a dead letter");
                    (last.position, vec![self.letter(only, &why)])
                }
                // One of them: fewer at a time until it stands alone.
                _ => {
                    place.batch = (taken.len() / 2).max(1);
                    return Round::More;
                }
            },
            Err(e @ SinkError::Unavailable(_)) => {
                // It may have been too much for the deadline.
                place.batch = (place.batch / 2).max(1);
                return Round::Failed(e.to_string());
            }
        };
        let passed = taken.iter().take_while(|waiting| waiting.position <= through).count();
        let whole = passed == taken.len();
        if let Err(e) = self.moved(lane, place, through, &dead).await {
            return Round::Failed(e);
        }
        lane.passed(passed, dead.len());
        let handed = wanted.iter().filter(|waiting| waiting.position <= through).count();
        count("patd_sink_deliveries_total", lane, handed as u64);
        place.batch = (place.batch * 2).min(BATCH);
        if full || !whole {
            return Round::More;
        }
        lane.drained(mark);
        Round::Drained
    }

    /// Delivers, in its turn, for no longer than the lane may.
    async fn hand_over(
        &self,
        sink: &dyn AuditSink,
        lane: &Lane,
        events: &[&Waiting],
    ) -> Result<Delivered, SinkError> {
        if events.is_empty() {
            return Ok(Delivered::default());
        }
        let _turn = lane.turn.lock().await;
        let ended = || SinkError::Unavailable("another daemon took over".to_owned());
        let left = lane.hold.left().ok_or_else(ended)?;
        let delivery = self.bring(sink, events.iter().map(|waiting| &waiting.event));
        tokio::time::timeout(left, delivery).await.unwrap_or_else(|_| Err(ended()))
    }

    fn letters(&self, wanted: &[&Waiting], done: &Delivered) -> Vec<DeadLetter> {
        let rejected = |waiting: &&&Waiting| done.rejected.contains(&waiting.event.id.to_string());
        let dead: Vec<_> = wanted.iter().filter(rejected).collect();
        for waiting in &dead {
            tracing::error!(event = %waiting.event.id.0, "a sink will never take this event; it is kept as a dead letter");
        }
        dead.into_iter().map(|waiting| self.letter(waiting, "the sink rejects this event")).collect()
    }

    fn letter(&self, waiting: &Waiting, reason: &str) -> DeadLetter {
        DeadLetter {
            position: waiting.position,
            event: waiting.event.clone(),
            reason: reason.to_owned(),
            at: self.now(),
        }
    }

    /// Notes that everything up to `through` is done with.
    async fn moved(
        &self,
        lane: &Lane,
        place: &mut Place,
        through: u64,
        dead: &[DeadLetter],
    ) -> Result<(), String> {
        if !dead.is_empty() {
            lane.store.outbox_ack(&lane.outlet(), through, dead.to_vec()).await.map_err(|e| e.to_string())?;
            (place.through, place.unsaid, place.acked) = (Some(through), None, Instant::now());
            return Ok(());
        }
        (place.through, place.unsaid) = (Some(through), Some(through));
        if place.acked.elapsed() >= ACK_EVERY {
            self.acknowledge(lane, place).await;
        }
        Ok(())
    }

    /// Tells the store how far the lane is.
    async fn acknowledge(&self, lane: &Lane, place: &mut Place) {
        let Some(through) = place.unsaid else { return };
        match lane.store.outbox_ack(&lane.outlet(), through, Vec::new()).await {
            Ok(()) => place.unsaid = None,
            Err(e) => {
                tracing::warn!(sink = lane.key.sink, store = lane.store.name(), error = %e, "a cursor could not be moved");
            }
        }
        place.acked = Instant::now();
    }

    /// Waits until there is something to do.
    async fn idle(&self, lane: &Lane, place: &mut Place, stop: &CancellationToken, began: Instant) {
        let long = if lane.hold.is_shared() { IDLE_SHARED } else { IDLE };
        loop {
            let due = place.unsaid.map(|_| ACK_EVERY.saturating_sub(place.acked.elapsed()));
            let rung = tokio::select! {
                () = stop.cancelled() => return,
                () = lane.bell.notified() => true,
                () = tokio::time::sleep(due.unwrap_or(long)) => false,
            };
            if rung {
                wait(lane, stop, SPACING.saturating_sub(began.elapsed()), false).await;
                return;
            }
            if due.is_none() {
                return;
            }
            self.acknowledge(lane, place).await;
        }
    }
}

/// Waits so long, or until stopped; or until something is to do, if that may cut it short.
async fn wait(lane: &Lane, stop: &CancellationToken, long: Duration, bell: bool) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = lane.bell.notified(), if bell => {}
        () = lane.again.notified() => {}
        () = tokio::time::sleep(long) => {}
    }
}

/// Whether a sink wants an event.
fn wants(terms: &Terms, scope: Scope, event: &Event) -> bool {
    if scope == Scope::Directory { terms.take_of_no_site(event.kind) } else { terms.take(event.kind) }
}

fn count(name: &'static str, lane: &Lane, by: u64) {
    metrics::counter!(name, "sink" => lane.key.sink.clone(), "site" => lane.site.clone()).increment(by);
}
