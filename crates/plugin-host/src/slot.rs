//! A slot: the stable place of one configured instance, in which generations follow each other. Recovery of a quarantined
//! instance ([`supervise`]) and replacement by a reload ([`replace`]) are the same step: put in a new generation, let the
//! requests inside the old one end, then STOP and destroy it.
//!
//! Must never destroy an instance with a request inside: one that does not drain or stop is abandoned. Must never let two
//! instances of an exclusive plug-in overlap, not even an abandoned one and its successor.

mod ending;
mod flights;
#[cfg(test)]
mod flights_tests;
mod plan;
mod replace;
mod status;
mod supervise;
#[cfg(test)]
mod tests;
mod unit;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use patd_abi::op;
use tokio::sync::watch;

use crate::error::{CallError, LoadError};
use crate::image::Kind;
use crate::{HasherHandle, ServiceHandle};

use flights::Flights;
pub use plan::InstancePlan;
pub use replace::{Prepared, Switched};
pub use status::SlotStatus;
pub use unit::Unit;
use unit::Watch;

/// How long a request waits at the gate while an exclusive instance is replaced.
const GATE: Duration = Duration::from_secs(5);

/// The times of a slot.
#[derive(Debug, Clone, Copy)]
pub struct SlotTimes {
    /// How long requests inside an old generation may take to end, and then STOP.
    pub drain: Duration,
    /// The first delay before a quarantined instance is replaced; it doubles with each further time.
    pub first_delay: Duration,
    /// No delay is longer.
    pub max_delay: Duration,
    /// After so long in good health the delay starts anew.
    pub good: Duration,
    /// A hash that takes longer hangs.
    pub hang: Duration,
}

impl Default for SlotTimes {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(30),
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            good: Duration::from_secs(300),
            hang: Duration::from_secs(60),
        }
    }
}

/// One configured instance through all its generations.
pub struct Slot<U: Unit> {
    name: String,
    kind: Kind,
    state: ArcSwap<State<U>>,
    /// What the generation in service is made of, or the next one will be.
    plan: Mutex<Arc<InstancePlan>>,
    /// Held by whoever puts in a generation.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Counts changes of `state`.
    changed: watch::Sender<u64>,
    times: Mutex<SlotTimes>,
    next: AtomicU64,
    recoveries: AtomicU64,
    abandoned: AtomicU64,
    draining: AtomicU64,
    /// When the next recovery will be tried.
    until: Mutex<Option<Instant>>,
}

/// The slot of a hasher.
pub type HasherSlot = Slot<HasherHandle>;
/// The slot of a store or sink.
pub type ServiceSlot = Slot<ServiceHandle>;

/// What is in the slot.
enum State<U: Unit> {
    /// A generation; it may be quarantined, and refuses everything then.
    Serving(Arc<Generation<U>>),
    /// An exclusive instance is being replaced: requests wait for a moment.
    Gate,
    /// Nothing, and why; `free` once nothing of the last generation is left.
    Down { why: String, free: bool },
}

/// One instance with the requests inside it.
struct Generation<U: Unit> {
    number: u64,
    unit: Arc<U>,
    /// What it was made of.
    plan: Arc<InstancePlan>,
    flights: Flights,
    begun: Instant,
}

/// A request's hold on a generation: it is not stopped as long as this lives.
pub struct Lease<U: Unit>(Arc<Generation<U>>);

impl<U: Unit> Lease<U> {
    /// The number of the generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.number
    }
}

impl<U: Unit> Deref for Lease<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0.unit
    }
}

impl<U: Unit> Drop for Lease<U> {
    fn drop(&mut self) {
        self.0.flights.leave();
    }
}

impl<U: Unit> Slot<U> {
    /// Makes and starts the first generation. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`LoadError`] when the plug-in refuses.
    pub async fn open(plan: InstancePlan, times: SlotTimes) -> Result<Arc<Self>, LoadError> {
        let plan = Arc::new(plan);
        let unit = plan.make::<U>().await.map_err(|not| not.error)?;
        let slot = Arc::new(Self {
            name: plan.name.clone(),
            kind: plan.kind,
            state: ArcSwap::from_pointee(State::Gate),
            plan: Mutex::new(Arc::clone(&plan)),
            turn: Arc::default(),
            changed: watch::Sender::new(0),
            times: Mutex::new(times),
            next: AtomicU64::new(1),
            recoveries: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            draining: AtomicU64::new(0),
            until: Mutex::default(),
        });
        let first = slot.generation(unit, plan);
        slot.serve(first);
        supervise::begin(&slot);
        Ok(slot)
    }

    /// Name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the generation in service is made of.
    #[must_use]
    pub fn plan(&self) -> Arc<InstancePlan> {
        Arc::clone(&self.plan.lock())
    }

    /// Puts other times in force, for what happens from now on.
    pub fn retime(&self, times: SlotTimes, patience: Duration) {
        *self.times.lock() = times;
        let mut plan = self.plan.lock();
        *plan = Arc::new(InstancePlan { patience, ..InstancePlan::clone(&plan) });
    }

    fn times(&self) -> SlotTimes {
        *self.times.lock()
    }

    /// A hold on the generation in service, at once.
    ///
    /// # Errors
    /// `Unavailable` when there is none.
    pub fn lease_now(&self) -> Result<Lease<U>, CallError> {
        loop {
            let state = self.state.load();
            match &**state {
                State::Serving(generation) => {
                    if generation.flights.enter() {
                        return Ok(Lease(Arc::clone(generation)));
                    }
                    if let State::Serving(now) = &**self.state.load()
                        && Arc::ptr_eq(now, generation)
                    {
                        return Err(self.replacing());
                    }
                    // Its successor is in place already.
                }
                State::Gate => return Err(self.replacing()),
                State::Down { why, .. } => {
                    return Err(CallError::Unavailable(format!("the instance {} is down: {why}", self.name)));
                }
            }
        }
    }

    /// A hold on the generation in service; waits a moment for one that is being put in place.
    ///
    /// # Errors
    /// `Unavailable` when there is none by then.
    pub async fn lease(&self, patience: Duration) -> Result<Lease<U>, CallError> {
        let waits = |state: &State<U>| match state {
            State::Serving(_) | State::Gate => true,
            State::Down { .. } => false,
        };
        let first = self.lease_now();
        if first.is_ok() || !waits(&self.state.load()) {
            return first;
        }
        let mut changed = self.changed.subscribe();
        let wait = async {
            loop {
                let lease = self.lease_now();
                if lease.is_ok() || !waits(&self.state.load()) {
                    return lease;
                }
                if changed.changed().await.is_err() {
                    return Err(self.replacing());
                }
            }
        };
        tokio::time::timeout(patience.min(GATE), wait).await.unwrap_or_else(|_| Err(self.replacing()))
    }

    fn replacing(&self) -> CallError {
        CallError::Unavailable(format!("the plug-in instance {} is being replaced", self.name))
    }

    fn generation(&self, unit: Arc<U>, plan: Arc<InstancePlan>) -> Arc<Generation<U>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Arc::new(Generation { number, unit, plan, flights: Flights::default(), begun: now() })
    }

    /// Puts a generation in service; answers what was there.
    fn serve(&self, generation: Arc<Generation<U>>) -> Arc<State<U>> {
        *self.plan.lock() = Arc::clone(&generation.plan);
        *self.until.lock() = None;
        let labels = [("instance", self.name.clone()), ("kind", self.kind.name().to_owned())];
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        metrics::gauge!("patd_plugin_generation", &labels).set(generation.number as f64);
        metrics::gauge!("patd_plugin_quarantined", &labels).set(0.0);
        self.put(State::Serving(generation))
    }

    fn put(&self, state: State<U>) -> Arc<State<U>> {
        let old = self.state.swap(Arc::new(state));
        self.changed.send_modify(|count| *count += 1);
        old
    }

    fn out_of_service(&self) {
        let labels = [("instance", self.name.clone()), ("kind", self.kind.name().to_owned())];
        metrics::gauge!("patd_plugin_quarantined", &labels).set(1.0);
    }

    /// The generation in service, quarantined or not.
    fn serving(&self) -> Option<Arc<Generation<U>>> {
        match &**self.state.load() {
            State::Serving(generation) => Some(Arc::clone(generation)),
            State::Gate | State::Down { .. } => None,
        }
    }
}

impl ServiceSlot {
    /// One request to the generation in service; see [`ServiceHandle::call`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&self, op: u32, payload: Vec<u8>, timeout: Duration) -> Result<Vec<u8>, CallError> {
        let begun = now();
        let lease = self.lease(timeout).await?;
        lease.call(op, payload, timeout.saturating_sub(begun.elapsed())).await
    }

    /// Whether the instance in service says by HEALTH that it cannot do its work. One that is out of service already, or says
    /// nothing in time, does not count: recovery sees to those.
    pub async fn is_sick(&self, timeout: Duration) -> bool {
        self.unready().is_none()
            && matches!(self.call(op::HEALTH, Vec::new(), timeout).await, Err(CallError::Unavailable(_)))
    }
}

impl<U: Unit> std::fmt::Debug for Slot<U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[expect(clippy::disallowed_methods, reason = "measured durations, no time that a rule decides by")]
fn now() -> Instant {
    Instant::now()
}
