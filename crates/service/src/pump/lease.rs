//! Leases on pumps: of several daemons on one store, one brings a sink the events of a site.
//!
//! No two clocks are ever compared. A holder counts from before it sent its renewal, on its own monotonic clock. Another
//! takes the lease only after it has seen it unrenewed for longer than that by its own: it saw the last renewal after it was
//! committed, hence after it was sent, so the holder has stopped by then. Stores that only one daemon can use need no
//! leases. A lease that is lost never loses an event: delivery is at least once, and cursors never go back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::lane::Lane;
use crate::ports::{LeaseClaim, LeaseSeen, Store};
use crate::service::Service;

/// How long a lease holds.
const TERM: Duration = Duration::from_secs(6);
/// Between two renewals.
const RENEW: Duration = Duration::from_secs(2);
/// How long another must have seen a lease unrenewed: clocks may differ in speed.
const PATIENCE: Duration = Duration::from_millis(6_600);

/// Whether a lane may deliver.
pub(crate) struct Hold {
    /// Without leases it always may.
    shared: bool,
    until: Mutex<Option<Instant>>,
}

impl Hold {
    pub(super) fn new(shared: bool) -> Self {
        Self { shared, until: Mutex::new(None) }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// How long from now a delivery may take; `None` when there may be none.
    pub(super) fn left(&self) -> Option<Duration> {
        if !self.shared {
            return Some(Duration::MAX);
        }
        let left = self.until.lock().as_ref()?.saturating_duration_since(Instant::now());
        Some(left).filter(|left| !left.is_zero())
    }

    /// Whether it was not held before.
    fn grant(&self, until: Instant) -> bool {
        let was = self.until.lock().replace(until);
        was.is_none_or(|was| was <= Instant::now())
    }

    fn lose(&self) {
        *self.until.lock() = None;
    }
}

/// What is known of a lease that another holds.
struct Other {
    lease: LeaseSeen,
    since: Instant,
}

/// Claims and renews the leases of a store's lanes.
pub(super) struct Keeper {
    store: Arc<dyn Store>,
    holder: Uuid,
    others: HashMap<String, Other>,
}

impl Keeper {
    pub(super) fn new(store: Arc<dyn Store>, holder: Uuid) -> Self {
        Self { store, holder, others: HashMap::new() }
    }

    /// Runs until stopped.
    pub(super) async fn run(mut self, service: Arc<Service>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let lanes: Vec<Arc<Lane>> = {
                let all = service.world.outbox.0.load();
                all.iter().filter(|lane| lane.key.store == self.store.name()).cloned().collect()
            };
            self.round(&lanes).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(RENEW) => {}
            }
        }
    }

    async fn round(&mut self, lanes: &[Arc<Lane>]) {
        if lanes.is_empty() {
            return;
        }
        // Before the renewal is sent: what the holder counts on must end before anybody else can begin.
        let sent = Instant::now();
        let claims = lanes.iter().map(|lane| {
            let name = lane.lease();
            let stale = self.others.get(&name).filter(|other| sent - other.since >= PATIENCE);
            LeaseClaim { seen: stale.map(|other| other.lease), name }
        });
        let leases = match self.store.outbox_lease(self.holder, claims.collect(), Vec::new()).await {
            Ok(leases) => leases,
            Err(e) => {
                tracing::warn!(store = self.store.name(), error = %e, "the leases of the pumps could not be renewed");
                return;
            }
        };
        let seen = Instant::now();
        for (lane, lease) in lanes.iter().zip(leases) {
            let name = lane.lease();
            if lease.holder == self.holder {
                self.others.remove(&name);
                if lane.hold.grant(sent + TERM) {
                    lane.bell.notify_one();
                }
                continue;
            }
            lane.hold.lose();
            match self.others.get_mut(&name) {
                Some(other) if other.lease == lease => {}
                Some(other) => *other = Other { lease, since: seen },
                None => drop(self.others.insert(name, Other { lease, since: seen })),
            }
        }
    }
}

/// Gives a lane's lease back, so that another daemon need not wait for its end.
pub(super) async fn give_back(lane: &Lane, holder: Uuid) {
    if lane.hold.left().is_none() || !lane.hold.is_shared() {
        return;
    }
    lane.hold.lose();
    if let Err(e) = lane.store.outbox_lease(holder, Vec::new(), vec![lane.lease()]).await {
        tracing::debug!(store = lane.store.name(), error = %e, "a lease was not given back; it ends by itself");
    }
}
