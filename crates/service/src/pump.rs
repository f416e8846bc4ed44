//! The outbox pump: takes events from each store, in order, and delivers them to the sinks of their site.
//!
//! One lane per sink, store and site, so that a slow or broken sink, or what it has against one site, holds up nothing but
//! itself (R7, R8). Delivery is at least once: a cursor moves after the sink has accepted. No request ever waits for a
//! lane.

pub(crate) mod lane;
mod lease;
mod run;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use patd_core::id::SiteLuid;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::audit::Feed;
use crate::ports::{AuditSink, OnFull, Scope};
use crate::pump::lane::{Lane, LaneKey, Lanes};
use crate::pump::lease::Keeper;
use crate::service::Service;

/// The lanes that run.
pub(crate) struct Pumps {
    running: Mutex<Running>,
    /// This daemon, in this life, as the holder of leases.
    pub(crate) holder: Uuid,
}

#[derive(Default)]
struct Running {
    lanes: HashMap<LaneKey, Pump>,
    /// Of shared stores, by name.
    keepers: HashMap<String, CancellationToken>,
}

struct Pump {
    lane: Arc<Lane>,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Pumps {
    pub(crate) fn new(holder: Uuid) -> Self {
        Self { running: Mutex::default(), holder }
    }
}

/// What a sink has at a site, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkStatus {
    /// The sink's name.
    pub sink: String,
    /// The site's content URL, or `directory` for what is of no site.
    pub site: String,
    /// Events that wait.
    pub backlog: u64,
    /// Age of the oldest of them, in microseconds.
    pub lag_us: i64,
    /// Events that it will never take.
    pub dead_letters: u64,
    /// Whether as many wait as may.
    pub full: bool,
}

impl Service {
    /// Starts the lanes that the sites and sinks of now need and ends the others. Answers those that end: each makes one last
    /// pass. Events of a site that left still go to its sinks as long as its stores have others.
    pub(crate) fn sync_pumps(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let mut running = self.pumps.running.lock();
        let mut wanted = HashSet::new();
        let mut fresh = Vec::new();
        for Feed { sink, sites, stores } in self.feeds() {
            for (store, scopes) in stores {
                for scope in scopes {
                    let key = LaneKey { sink: sink.name().to_owned(), store: store.name().to_owned(), scope };
                    wanted.insert(key.clone());
                    if !running.lanes.contains_key(&key) {
                        let site = scope.site().and_then(|site| sites.get(&site).cloned());
                        let site = site.unwrap_or_else(|| "directory".to_owned());
                        fresh.push((Arc::clone(&sink), Lane::new(key, Arc::clone(&store), site)));
                    }
                }
            }
        }
        let used: HashSet<String> = self.world.stores().iter().map(|store| store.name().to_owned()).collect();
        let served = self.world.sites.load_full();
        let sinks = self.sinks.load_full();
        let left = |site: Option<SiteLuid>| site.is_some_and(|site| served.any(site).is_none());
        let over = |key: &LaneKey| {
            let stays = left(key.scope.site())
                && used.contains(&key.store)
                && sinks.iter().any(|sink| sink.name() == key.sink);
            !wanted.contains(key) && !stays
        };
        // What failed may work with what a reload brought.
        running.lanes.values().for_each(|pump| pump.lane.again.notify_waiters());
        let ending: Vec<_> = running.lanes.extract_if(|key, _| over(key)).map(|(_, pump)| pump).collect();
        // The lanes are known before they run: what is committed from now on is counted.
        let lanes: Vec<_> = fresh.into_iter().map(|(sink, lane)| (sink, Arc::new(lane))).collect();
        let all: Vec<_> = (running.lanes.values().map(|pump| &pump.lane))
            .chain(lanes.iter().map(|(_, lane)| lane))
            .map(Arc::clone)
            .collect();
        self.world.outbox.0.store(Arc::new(Lanes::new(&all, |sink| denies(&sinks, sink))));
        for (sink, lane) in lanes {
            let stop = self.stopping.child_token();
            let (service, its, stopped) = (Arc::clone(self), Arc::clone(&lane), stop.clone());
            let ended = self.tasks.spawn(async move { service.run_lane(sink, its, stopped).await });
            running.lanes.insert(lane.key.clone(), Pump { lane, stop, ended });
        }
        self.sync_keepers(&mut running);
        for pump in &ending {
            pump.stop.cancel();
        }
        ending.into_iter().map(|pump| pump.ended).collect()
    }

    /// One keeper of leases per shared store that has lanes.
    fn sync_keepers(self: &Arc<Self>, running: &mut Running) {
        let shared = running.lanes.values().filter(|pump| pump.lane.hold.is_shared());
        let stores: HashMap<_, _> =
            shared.map(|pump| (pump.lane.key.store.clone(), Arc::clone(&pump.lane.store))).collect();
        for (_, stop) in running.keepers.extract_if(|name, _| !stores.contains_key(name)) {
            stop.cancel();
        }
        for (name, store) in stores {
            running.keepers.entry(name).or_insert_with(|| {
                let stop = self.stopping.child_token();
                let keeper = Keeper::new(store, self.pumps.holder);
                self.tasks.spawn(keeper.run(Arc::clone(self), stop.clone()));
                stop
            });
        }
    }

    /// What each sink has at each site; asks no store.
    #[must_use]
    pub fn sinks_status(&self) -> Vec<SinkStatus> {
        let now = self.now();
        let sinks = self.sinks.load();
        let mut all: HashMap<(String, Scope), SinkStatus> = HashMap::new();
        for lane in self.world.outbox.0.load().iter() {
            let LaneKey { sink, scope, .. } = &lane.key;
            let status = all.entry((sink.clone(), *scope)).or_insert_with(|| SinkStatus {
                sink: sink.clone(),
                site: lane.site.clone(),
                backlog: 0,
                lag_us: 0,
                dead_letters: 0,
                full: false,
            });
            status.backlog += lane.waiting();
            status.lag_us = status.lag_us.max(lane.lag_us(now));
            status.dead_letters += lane.dead();
        }
        for status in all.values_mut() {
            let limit = sinks.iter().find(|sink| sink.name() == status.sink).map(|s| s.terms().max_backlog);
            status.full = limit.is_some_and(|limit| status.backlog >= limit);
        }
        all.into_values().collect()
    }
}

/// The limit of a sink that wants changes to be refused when it is reached.
fn denies(sinks: &[Arc<dyn AuditSink>], name: &str) -> Option<u64> {
    let terms = sinks.iter().find(|sink| sink.name() == name)?.terms();
    (terms.on_full == OnFull::Deny).then_some(terms.max_backlog)
}
