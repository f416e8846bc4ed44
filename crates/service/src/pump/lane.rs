//! A lane: what one sink gets of one store for one site (or for no site), and what is known of it without asking the store.
//!
//! The counts follow commits and deliveries, and are set anew from the store now and then; they decide nothing but whether
//! a site has room, and must never be needed for a delivery.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use patd_core::event::{Event, EventType};
use patd_core::time::Timestamp;
use tokio::sync::Notify;

use super::lease::Hold;
use crate::error::{Error, Result};
use crate::ports::{OutboxStatus, Outlet, Scope, Store};

/// What tells a lane from the others.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct LaneKey {
    pub(crate) sink: String,
    pub(crate) store: String,
    pub(crate) scope: Scope,
}

pub(crate) struct Lane {
    pub(crate) key: LaneKey,
    pub(crate) store: Arc<dyn Store>,
    /// The site's content URL, or `directory`: a label of metrics.
    pub(crate) site: String,
    /// Rung when it has something to do.
    pub(crate) bell: Notify,
    /// Rung when a pause after a failure may be cut short: the sink is another.
    pub(crate) again: Notify,
    /// Held during each delivery, so that a replay never comes between.
    pub(crate) turn: tokio::sync::Mutex<()>,
    pub(crate) hold: Hold,
    waiting: AtomicI64,
    /// Time of the oldest waiting event in microseconds; 0 when none waits.
    oldest: AtomicI64,
    dead: AtomicU64,
    /// How often a commit counted here.
    commits: AtomicU64,
    /// Whether it was told that as many wait as may.
    told_full: AtomicBool,
}

impl Lane {
    pub(crate) fn new(key: LaneKey, store: Arc<dyn Store>, site: String) -> Self {
        let hold = Hold::new(store.is_shared());
        Self {
            key,
            store,
            site,
            bell: Notify::new(),
            again: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            hold,
            waiting: AtomicI64::new(0),
            oldest: AtomicI64::new(0),
            dead: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            told_full: AtomicBool::new(false),
        }
    }

    pub(crate) fn outlet(&self) -> Outlet {
        Outlet { sink: self.key.sink.clone(), scope: Some(self.key.scope) }
    }

    /// Name of its lease in the store.
    pub(crate) fn lease(&self) -> String {
        match self.key.scope {
            Scope::Directory => format!("{}/directory", self.key.sink),
            Scope::Site(site) => format!("{}/{site}", self.key.sink),
        }
    }

    pub(crate) fn waiting(&self) -> u64 {
        u64::try_from(self.waiting.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(crate) fn dead(&self) -> u64 {
        self.dead.load(Ordering::Relaxed)
    }

    /// Age of the oldest waiting event.
    pub(crate) fn lag_us(&self, now: Timestamp) -> i64 {
        match self.oldest.load(Ordering::Relaxed) {
            0 => 0,
            oldest => (now.0 - oldest).max(0),
        }
    }

    fn committed(&self, time: Timestamp) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _was = self.oldest.compare_exchange(0, time.0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A mark to give to [`Lane::drained`].
    pub(crate) fn mark(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// The store had nothing more after `mark`.
    pub(crate) fn drained(&self, mark: u64) {
        if self.commits.load(Ordering::Relaxed) == mark {
            self.waiting.store(0, Ordering::Relaxed);
            self.oldest.store(0, Ordering::Relaxed);
        }
    }

    /// Something was taken, the first of it from this time.
    pub(crate) fn head(&self, time: Timestamp) {
        self.oldest.store(time.0.max(1), Ordering::Relaxed);
    }

    /// So many do not wait any more.
    pub(crate) fn passed(&self, events: usize, dead: usize) {
        self.waiting.fetch_sub(i64::try_from(events).unwrap_or(0), Ordering::Relaxed);
        self.dead.fetch_add(dead as u64, Ordering::Relaxed);
    }

    /// What the store says.
    pub(crate) fn set(&self, status: &OutboxStatus) {
        self.waiting.store(i64::try_from(status.waiting).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.oldest.store(status.oldest.map_or(0, |time| time.0.max(1)), Ordering::Relaxed);
        self.dead.store(status.dead, Ordering::Relaxed);
    }

    /// Whether this is the first time since it had room.
    pub(crate) fn tell_full(&self, full: bool) -> bool {
        !self.told_full.swap(full, Ordering::Relaxed) && full
    }
}

/// All lanes, as commits look them up. Replaced as a whole when lanes come or go.
#[derive(Default)]
pub(crate) struct Lanes {
    by_store: HashMap<String, HashMap<Scope, Vec<Arc<Lane>>>>,
    gates: HashMap<Scope, Vec<Gate>>,
}

/// A sink that wants no more than so many events of a site to wait.
struct Gate {
    lanes: Vec<Arc<Lane>>,
    limit: u64,
}

impl Lanes {
    /// `denying` gives the limit of a sink that wants changes to be refused.
    pub(crate) fn new(lanes: &[Arc<Lane>], denying: impl Fn(&str) -> Option<u64>) -> Self {
        let mut all = Self::default();
        let mut gates: HashMap<(Scope, &str), Gate> = HashMap::new();
        for lane in lanes {
            let LaneKey { sink, store, scope } = &lane.key;
            let of_store = all.by_store.entry(store.clone()).or_default();
            of_store.entry(*scope).or_default().push(Arc::clone(lane));
            if let Some(limit) = denying(sink) {
                let gate = gates.entry((*scope, sink)).or_insert_with(|| Gate { lanes: Vec::new(), limit });
                gate.lanes.push(Arc::clone(lane));
            }
        }
        for ((scope, _), gate) in gates {
            all.gates.entry(scope).or_default().push(gate);
        }
        all
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.by_store.values().flat_map(HashMap::values).flatten()
    }

    pub(crate) fn find(&self, sink: &str, store: &str, scope: Scope) -> Option<&Arc<Lane>> {
        self.by_store.get(store)?.get(&scope)?.iter().find(|lane| lane.key.sink == sink)
    }
}

/// The lanes as the world knows them.
#[derive(Default)]
pub(crate) struct Outbox(pub(crate) ArcSwap<Lanes>);

impl Outbox {
    /// Counts what was committed and wakes its lanes.
    pub(crate) fn committed(&self, store: &str, events: &[Event]) {
        let lanes = self.0.load();
        let Some(of_store) = lanes.by_store.get(store) else { return };
        for event in events {
            for lane in of_store.get(&Scope::of(event)).into_iter().flatten() {
                lane.committed(event.time);
                lane.bell.notify_one();
            }
        }
    }

    /// Refuses a change that gives something at a site that has no room for its events. What takes something away is never
    /// refused: a sink that is down must not keep anybody from revoking.
    ///
    /// # Errors
    /// `AuditUnavailable`.
    pub(crate) fn check(&self, events: &[Event]) -> Result<()> {
        let lanes = self.0.load();
        if lanes.gates.is_empty() {
            return Ok(());
        }
        for event in events.iter().filter(|event| gives(event.kind)) {
            for gate in lanes.gates.get(&Scope::of(event)).into_iter().flatten() {
                if gate.lanes.iter().map(|lane| lane.waiting()).sum::<u64>() >= gate.limit {
                    return Err(Error::AuditUnavailable);
                }
            }
        }
        Ok(())
    }
}

/// Whether what an event tells of gives somebody something, or changes what somebody has.
fn gives(kind: EventType) -> bool {
    use EventType as T;
    matches!(
        kind,
        T::TokenMinted
            | T::SessionOpened
            | T::UserInvited
            | T::UserJoined
            | T::UserRoleChanged
            | T::UserEnabled
            | T::UserProfileChanged
            | T::UserPasswordChanged
            | T::UserTotpEnabled
            | T::UserTotpDisabled
    )
}
