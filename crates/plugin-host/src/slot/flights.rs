//! The drain counter of a generation: who is inside, and whether anybody may still come in. Must never let a request in
//! after [`Flights::close`] has returned, and never miss the last one's leaving.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The highest bit: nobody comes in any more.
const CLOSED: u64 = 1 << 63;

/// Counts requests inside one generation.
#[derive(Default)]
pub(super) struct Flights {
    /// How many, and whether it is closed.
    state: AtomicU64,
    left: Notify,
}

impl Flights {
    /// Comes in; `false` when it is closed. Each success needs one [`Self::leave`].
    pub(super) fn enter(&self) -> bool {
        let before = self.state.fetch_add(1, Ordering::AcqRel);
        if before & CLOSED == 0 {
            return true;
        }
        self.leave();
        false
    }

    /// Goes out.
    pub(super) fn leave(&self) {
        if self.state.fetch_sub(1, Ordering::AcqRel) == CLOSED | 1 {
            self.left.notify_waiters();
        }
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Lets requests in again.
    pub(super) fn reopen(&self) {
        self.state.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    /// How many are inside.
    pub(super) fn inside(&self) -> u64 {
        self.state.load(Ordering::Acquire) & !CLOSED
    }

    /// Waits until it is closed and nobody is inside.
    pub(super) async fn drained(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.state.load(Ordering::Acquire) == CLOSED {
                return;
            }
            left.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn nobody_comes_in_after_close_and_everybody_again_after_reopen() {
        let flights = Flights::default();
        assert!(flights.enter());
        flights.close();
        assert!(!flights.enter());
        assert_eq!(flights.inside(), 1);
        flights.reopen();
        assert!(flights.enter());
        assert_eq!(flights.inside(), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn draining_ends_with_the_last_one_however_they_race() {
        for _ in 0..500 {
            let flights = Arc::new(Flights::default());
            let guests: Vec<_> = (0..4)
                .map(|_| {
                    let flights = Arc::clone(&flights);
                    tokio::spawn(async move {
                        if flights.enter() {
                            tokio::task::yield_now().await;
                            flights.leave();
                        }
                    })
                })
                .collect();
            flights.close();
            let drained = tokio::time::timeout(Duration::from_secs(10), flights.drained()).await;
            assert!(drained.is_ok(), "the last one's leaving was missed");
            for guest in guests {
                guest.await.expect("runs");
            }
            assert_eq!(flights.inside(), 0);
        }
    }
}
