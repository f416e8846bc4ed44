//! The end of a generation: its requests end, then STOP and destroy. Must never give up without saying so, nor touch an
//! instance again that it has given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Generation, Slot, State, Unit, now};

impl<U: Unit> Slot<U> {
    /// Ends the slot for good: requests inside may end, then STOP. For the end of the daemon, or of what used it.
    pub async fn stop(self: &Arc<Self>, patience: Duration) -> bool {
        let begun = now();
        let _turn = tokio::time::timeout(patience, Arc::clone(&self.turn).lock_owned()).await;
        let old = self.put(State::Down { why: "it is stopped".to_owned(), free: false });
        let State::Serving(old) = &*old else { return true };
        let left = patience.saturating_sub(begun.elapsed());
        tokio::time::timeout(left, self.drain_and_end(old)).await.unwrap_or(false)
    }

    /// Lets the requests inside a generation that is out of the slot end, then STOP and destroy. Says when it takes longer
    /// than the budget, and goes on; whether it ended completely.
    pub(super) async fn drain_and_end(&self, old: &Generation<U>) -> bool {
        self.draining.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.draining);
        let begun = now();
        old.flights.close();
        let labels = [("instance", self.name.clone()), ("kind", self.kind.name().to_owned())];
        let whole = async {
            old.flights.drained().await;
            metrics::histogram!("patd_plugin_drain_seconds", &labels).record(begun.elapsed().as_secs_f64());
            old.unit.end().await
        };
        tokio::pin!(whole);
        let ended = match tokio::time::timeout(self.times().drain * 2, &mut whole).await {
            Ok(true) => return true,
            Ok(false) => false,
            Err(_) => {
                self.abandon(old, "requests inside it, or its STOP, have not ended in time");
                let late = whole.await;
                tracing::info!(
                    instance = self.name,
                    generation = old.number,
                    "an abandoned instance came to an end"
                );
                return late;
            }
        };
        self.abandon(old, "it may be in any state");
        ended
    }

    fn abandon(&self, old: &Generation<U>, why: &str) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        let labels = [("instance", self.name.clone()), ("kind", self.kind.name().to_owned())];
        metrics::counter!("patd_plugin_abandoned_total", &labels).increment(1);
        tracing::error!(
            instance = self.name,
            generation = old.number,
            why,
            "a plug-in instance is abandoned: it stays in memory and is not destroyed"
        );
    }
}

struct Counted<'a>(&'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
