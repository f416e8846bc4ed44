//! The drain counter of a generation: who is inside, and whether anybody may still come in. Must never let a request in
//! after [`Flights::close`] has returned, and never miss the last one's leaving.
//! `tests/loom` models both.

use crate::sync::{AtomicU64, Notify, Ordering};

/// The highest bit: nobody comes in any more.
const CLOSED: u64 = 1 << 63;

/// Counts requests inside one generation.
#[derive(Default)]
pub(crate) struct Flights {
    /// How many, and whether it is closed.
    state: AtomicU64,
    left: Notify,
}

impl Flights {
    /// Comes in; `false` when it is closed. Each success needs one [`Self::leave`].
    pub(crate) fn enter(&self) -> bool {
        let before = self.state.fetch_add(1, Ordering::AcqRel);
        if before & CLOSED == 0 {
            return true;
        }
        self.leave();
        false
    }

    /// Goes out.
    pub(crate) fn leave(&self) {
        if self.state.fetch_sub(1, Ordering::AcqRel) == CLOSED | 1 {
            self.left.notify_waiters();
        }
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Lets requests in again.
    pub(crate) fn reopen(&self) {
        self.state.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    /// How many are inside.
    pub(crate) fn inside(&self) -> u64 {
        self.state.load(Ordering::Acquire) & !CLOSED
    }

    /// Waits until it is closed and nobody is inside.
    pub(crate) async fn drained(&self) {
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
