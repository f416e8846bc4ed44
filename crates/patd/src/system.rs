//! The real clock and the real randomness: the only place that reads either.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use patd_core::time::Timestamp;
use patd_service::ports::{Clock, Random};
use rand::TryRng as _;

/// The wall clock, held so that it never runs backwards inside this process (R4).
#[derive(Default)]
pub(crate) struct WallClock {
    latest: AtomicI64,
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that all others are told to use")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.latest.fetch_max(now, Ordering::AcqRel).max(now))
    }
}

/// The operating system's generator.
pub(crate) struct OsRandom;

impl Random for OsRandom {
    /// Ends the process when the system has no randomness: nothing secret may be made without it.
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(e) = rand::rngs::SysRng.try_fill_bytes(buffer) {
            tracing::error!(error = %e, "the operating system gives no randomness; stopping at once");
            std::process::abort();
        }
    }
}
