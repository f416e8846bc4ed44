//! One queue per token: sign-ins with one token wait for each other before they read, so that losers of a race
//! do not hash for nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// Locks by key; a key that nobody holds or waits for takes no memory.
pub(crate) struct Queues<K> {
    locks: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

impl<K> Default for Queues<K> {
    fn default() -> Self {
        Self { locks: Mutex::new(HashMap::new()) }
    }
}

impl<K: Copy + Eq + Hash> Queues<K> {
    /// Waits for the key's turn; the turn ends when the guard is dropped.
    pub(crate) async fn turn(&self, key: K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock();
            if locks.len() >= 1024 {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(key).or_default())
        };
        lock.lock_owned().await
    }
}
