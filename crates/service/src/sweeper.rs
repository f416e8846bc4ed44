//! The sweeper: ends by time what nobody ends otherwise, writes the minute's failed sign-ins, forgets old rows.
//!
//! Only tidies up: that something is dead is decided where it is used, never by the sweeper having been there.

use std::sync::Arc;
use std::time::Duration;

use crate::service::Service;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(60);

impl Service {
    pub(crate) fn start_sweeper(self: &Arc<Self>) {
        let service = Arc::clone(self);
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = service.stopping.cancelled() => return,
                    () = tokio::time::sleep(ROUND) => {}
                }
                service.flush_failures().await;
                service.world.live.sweep(service.now());
            }
        });
    }
}
