//! Requests that end early: when the host cancels them, and when their time is up. Must never end one whose service did
//! not say that it may be dropped halfway.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Failure;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// How long the host still waits for the answer to the request that is being served; half a minute outside of one.
#[must_use]
pub fn time_left() -> Duration {
    DEADLINE
        .try_with(|deadline| deadline.saturating_duration_since(Instant::now()))
        .unwrap_or(Duration::from_secs(30))
}

/// The requests being served that the host may cancel.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<HashMap<u64, Arc<Notify>>>);

impl InFlight {
    /// Notes a request from the moment it is handed over.
    pub(crate) fn enter(self: &Arc<Self>, id: u64) -> Entered {
        let cancelled = Arc::new(Notify::new());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&cancelled));
        Entered { all: Arc::clone(self), id, cancelled }
    }

    /// Ends a request, if it is there.
    pub(crate) fn cancel(&self, id: u64) {
        if let Some(cancelled) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            cancelled.notify_one();
        }
    }
}

/// A request's place among those that may be cancelled.
pub(crate) struct Entered {
    all: Arc<InFlight>,
    id: u64,
    cancelled: Arc<Notify>,
}

impl Entered {
    /// Runs `work` until it is done, cancelled or out of time.
    pub(crate) async fn run(
        self,
        budget: Duration,
        work: impl Future<Output = Result<Vec<u8>, Failure>>,
    ) -> Result<Vec<u8>, Failure> {
        tokio::select! {
            biased;
            answer = work => answer,
            () = self.cancelled.notified() => Err(Failure::cancelled("the host gave the request up")),
            () = tokio::time::sleep(budget) => Err(Failure::timeout("the request's time is up")),
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Lets `work` know its deadline.
pub(crate) fn within<F: Future>(budget: Duration, work: F) -> impl Future<Output = F::Output> {
    DEADLINE.scope(Instant::now() + budget, work)
}
