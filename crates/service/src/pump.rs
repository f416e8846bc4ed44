//! The outbox pump: takes events from each store, in order, and delivers them to the sinks of their site.
//!
//! One task per sink and store, so that a slow or broken sink holds up nothing but itself (R7, R8). Delivery is at
//! least once: the cursor moves after the sink has accepted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use patd_core::id::SiteLuid;

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

impl Service {
    pub(crate) fn start_pump(self: &Arc<Self>) {
        for Feed { sink, sites, stores } in self.feeds() {
            for store in stores {
                let (service, sink, sites) = (Arc::clone(self), Arc::clone(&sink), sites.clone());
                self.tasks.spawn(async move { service.pump(&*sink, &*store, &sites).await });
            }
        }
    }

    async fn pump(&self, sink: &dyn AuditSink, store: &dyn Store, sites: &HashSet<SiteLuid>) {
        let mut pause = Duration::from_millis(200);
        loop {
            let rung = self.world.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            // One last pass after `stopping`, so that a clean stop leaves nothing behind that could be delivered.
            let last = self.stopping.is_cancelled();
            let wait = match deliver(sink, store, sites).await {
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
                () = self.stopping.cancelled() => {}
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
