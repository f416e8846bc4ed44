//! The completion table: who waits for which request. Must never let a completion reach two waiters, or one waiter get two.

use std::collections::HashMap;

use crate::sync::{Mutex, oneshot};

/// Where a request's completion arrives.
pub(crate) type Waiter<T> = oneshot::Receiver<T>;

/// Requests by number, with who waits for them.
pub(crate) struct Waiters<T>(Mutex<HashMap<u64, oneshot::Sender<T>>>);

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<T> Waiters<T> {
    /// Begins to wait for a request, whose number must be new.
    pub(crate) fn expect(&self, id: u64) -> Waiter<T> {
        let (sender, waiter) = oneshot::channel();
        self.0.lock().insert(id, sender);
        waiter
    }

    /// Stops waiting; whether anybody still waited, so that no completion can come any more.
    pub(crate) fn forget(&self, id: u64) -> bool {
        self.0.lock().remove(&id).is_some()
    }

    /// Hands a completion to its waiter; `false` when nobody waits for it.
    pub(crate) fn complete(&self, id: u64, completed: T) -> bool {
        // Sent under the lock: once a waiter is gone from the table, its completion is there or never will be.
        self.0.lock().remove(&id).is_some_and(|waiter| waiter.send(completed).is_ok())
    }
}
