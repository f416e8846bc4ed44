//! The calls that are under way in a hasher, so that one that hangs is noticed. Must never be held across a call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Calls by their number, which rises: the first is the oldest.
#[derive(Default)]
pub(crate) struct Calls {
    next: AtomicU64,
    running: Mutex<BTreeMap<u64, Instant>>,
}

/// A call under way.
pub(crate) struct Call<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Calls {
    /// Notes the beginning of a call; dropping the answer notes its end.
    pub(crate) fn begin(&self) -> Call<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.running.lock().insert(number, now());
        Call { calls: self, number }
    }

    /// How long the oldest call that has not ended has taken so far.
    pub(crate) fn slowest(&self) -> Option<Duration> {
        self.running.lock().first_key_value().map(|(_, begun)| now().saturating_duration_since(*begun))
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.calls.running.lock().remove(&self.number);
    }
}

#[expect(clippy::disallowed_methods, reason = "a measured duration, no time that a rule decides by")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_call_counts_until_it_ends() {
        let calls = Calls::default();
        assert!(calls.slowest().is_none());
        let first = calls.begin();
        while calls.slowest().is_some_and(|slowest| slowest < Duration::from_millis(5)) {
            std::thread::yield_now();
        }
        let second = calls.begin();
        assert!(calls.slowest().is_some_and(|slowest| slowest >= Duration::from_millis(5)));
        drop(first);
        assert!(calls.slowest().is_some());
        drop(second);
        assert!(calls.slowest().is_none());
    }
}
