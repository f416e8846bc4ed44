//! The outbox pump: takes events from each store, in order, and delivers them to the sinks of their site.
//!
//! One task per sink and store, so that a slow or broken sink holds up nothing but itself (R7, R8). Delivery is at
//! least once: the cursor moves after the sink has accepted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use patd_core::id::SiteLuid;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::audit::Feed;
use crate::cloud_event::event_json;
use crate::ports::{AuditSink, SinkError, Store};
use crate::service::Service;

/// Events in one delivery.
const BATCH: u32 = 256;
/// How long the pump waits for the bell before it looks anyway.
const IDLE: Duration = Duration::from_secs(5);
/// The longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The pumps that run, by sink and store.
#[derive(Default)]
pub(crate) struct Pumps(Mutex<HashMap<(String, String), Pump>>);

struct Pump {
    stop: CancellationToken,
    /// The sites whose events the sink gets.
    sites: Arc<ArcSwap<HashSet<SiteLuid>>>,
    ended: JoinHandle<()>,
}

impl Service {
    /// Starts the pumps that the sites and sinks of now need and ends the others. Answers those that end: each makes one
    /// last pass. Events of a site that left still go to its sinks as long as the store has others.
    pub(crate) fn sync_pumps(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let mut pumps = self.pumps.0.lock();
        let mut wanted = HashSet::new();
        for Feed { sink, sites, stores } in self.feeds() {
            for store in stores {
                let key = (sink.name().to_owned(), store.name().to_owned());
                wanted.insert(key.clone());
                if let Some(pump) = pumps.get(&key) {
                    let all = pump.sites.load().union(&sites).copied().collect();
                    pump.sites.store(Arc::new(all));
                    continue;
                }
                let (stop, sites) =
                    (self.stopping.child_token(), Arc::new(ArcSwap::from_pointee(sites.clone())));
                let pump = Pump {
                    ended: self.tasks.spawn({
                        let (service, sink, sites, stop) =
                            (Arc::clone(self), Arc::clone(&sink), Arc::clone(&sites), stop.clone());
                        async move { service.pump(sink, &*store, &sites, &stop).await }
                    }),
                    stop,
                    sites,
                };
                pumps.insert(key, pump);
            }
        }
        let gone = pumps.extract_if(|key, _| !wanted.contains(key));
        gone.map(|(_, pump)| {
            pump.stop.cancel();
            pump.ended
        })
        .collect()
    }

    async fn pump(
        &self,
        mut sink: Arc<dyn AuditSink>,
        store: &dyn Store,
        sites: &ArcSwap<HashSet<SiteLuid>>,
        stop: &CancellationToken,
    ) {
        let mut pause = Duration::from_millis(200);
        loop {
            let rung = self.world.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            // One last pass after `stop`, so that a clean stop leaves nothing behind that could be delivered.
            let last = stop.is_cancelled();
            // A reload may have given the sink other settings.
            let newest = self.sinks.load().iter().find(|known| known.name() == sink.name()).cloned();
            sink = newest.unwrap_or(sink);
            let of = sites.load_full();
            let wait = match deliver(&*sink, store, &of).await {
                Ok(true) => continue,
                Ok(false) => {
                    pause = Duration::from_millis(200);
                    IDLE
                }
                Err(why) => {
                    tracing::warn!(sink = sink.name(), store = store.name(), %why, "events wait in the outbox");
                    metrics::counter!("patd_sink_failures_total", "sink" => sink.name().to_owned())
                        .increment(1);
                    let wait = pause;
                    pause = (pause * 2).min(MAX_PAUSE);
                    wait
                }
            };
            if last {
                return;
            }
            let failing = wait != IDLE;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                () = &mut rung, if !failing => {}
            }
        }
    }
}

/// Delivers one batch; whether there may be more at once.
async fn deliver(sink: &dyn AuditSink, store: &dyn Store, sites: &HashSet<SiteLuid>) -> Result<bool, String> {
    let waiting = store.outbox_take(sink.name(), BATCH).await.map_err(|e| e.to_string())?;
    let Some(last) = waiting.last().map(|w| w.position) else { return Ok(false) };
    let full = waiting.len() >= BATCH as usize;
    let events: Vec<_> = waiting
        .iter()
        .filter(|w| w.event.site.is_none_or(|site| sites.contains(&site)))
        .map(|w| event_json(&w.event))
        .collect();
    if !events.is_empty() {
        match sink.deliver(events).await {
            Ok(()) => {}
            Err(SinkError::Rejected(why)) => {
                tracing::error!(sink = sink.name(), store = store.name(), %why, through = last,
                    "the sink will never take these events; they stay in the store, delivery goes on after them");
            }
            Err(e @ SinkError::Unavailable(_)) => return Err(e.to_string()),
        }
    }
    store.outbox_ack(sink.name(), last).await.map_err(|e| e.to_string())?;
    Ok(full)
}
