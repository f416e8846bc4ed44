//! A store whose calls are counted, so that a test knows when nobody waits for it, and can end everything in the middle of
//! one. It changes no question and no answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use patd_core::changes::Changes;
use patd_plugin_host::adapt::PluginStore;
use patd_service::ports::*;
use tokio::sync::Notify;
use uuid::Uuid;

/// A sweep of one site takes at most so many tokens.
const SWEPT_AT_ONCE: usize = 500;

/// What the stores do.
#[derive(Default)]
pub(crate) struct Watch {
    busy: AtomicUsize,
    /// How often old sessions were asked for.
    pub(crate) swept: AtomicUsize,
    /// Whether a sweep left something behind.
    pub(crate) full: AtomicBool,
    idle: Notify,
    /// At which call everything ends; 0 for none.
    pub(crate) fuse: AtomicUsize,
    pub(crate) blown: Notify,
}

impl Watch {
    /// Waits until so many sweeps are over and nobody asks the stores for anything.
    pub(crate) async fn quiet(&self, swept: usize) {
        'looking: loop {
            if self.busy.load(Ordering::Relaxed) == 0 && self.swept.load(Ordering::Relaxed) >= swept {
                // Whoever got an answer may want more.
                for _ in 0..32 {
                    tokio::task::yield_now().await;
                    if self.busy.load(Ordering::Relaxed) > 0 {
                        continue 'looking;
                    }
                }
                return;
            }
            self.idle.notified().await;
        }
    }

    fn enter(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        if self.fuse.load(Ordering::Relaxed) > 0 && self.fuse.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.blown.notify_one();
        }
        Busy(Arc::clone(self))
    }
}

/// A call under way, until dropped.
struct Busy(Arc<Watch>);

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_one();
        }
    }
}

/// A store that is watched.
pub(crate) struct Watched {
    pub(crate) inner: Arc<PluginStore>,
    pub(crate) watch: Arc<Watch>,
}

impl Watched {
    fn watched<T: Send + 'static>(&self, answer: Answer<T>) -> Answer<T> {
        let busy = self.watch.enter();
        Box::pin(async move {
            let answer = answer.await;
            drop(busy);
            answer
        })
    }
}

impl Store for Watched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn query(&self, queries: Vec<Query>) -> Answer<Result<Vec<Found>, StoreError>> {
        let (due, past) = match queries.as_slice() {
            [Query::DueTokens { .. }] => (true, false),
            [Query::PastSessions { .. }] => (false, true),
            _ => (false, false),
        };
        let (answer, watch) = (self.inner.query(queries), Arc::clone(&self.watch));
        self.watched(Box::pin(async move {
            let found = answer.await;
            if let (true, Ok([Found::Tokens(tokens)])) = (due, found.as_deref()) {
                watch.full.fetch_or(tokens.len() >= SWEPT_AT_ONCE, Ordering::Relaxed);
            }
            watch.swept.fetch_add(usize::from(past), Ordering::Relaxed);
            found
        }))
    }

    fn apply(&self, changes: Changes) -> Answer<Result<Applied, StoreError>> {
        self.watched(self.inner.apply(changes))
    }

    fn outbox_take(
        &self,
        of: &Outlet,
        after: Option<u64>,
        limit: u32,
    ) -> Answer<Result<Vec<Waiting>, StoreError>> {
        self.watched(self.inner.outbox_take(of, after, limit))
    }

    fn events_after(&self, position: u64, limit: u32) -> Answer<Result<Vec<Waiting>, StoreError>> {
        self.watched(self.inner.events_after(position, limit))
    }

    fn outbox_ack(&self, of: &Outlet, through: u64, dead: Vec<DeadLetter>) -> Answer<Result<(), StoreError>> {
        self.watched(self.inner.outbox_ack(of, through, dead))
    }

    fn outbox_status(&self, sink: &str, scope: Scope) -> Answer<Result<OutboxStatus, StoreError>> {
        self.watched(self.inner.outbox_status(sink, scope))
    }

    fn dead_letters(
        &self,
        of: &Outlet,
        after: u64,
        limit: u32,
    ) -> Answer<Result<Vec<DeadLetter>, StoreError>> {
        self.watched(self.inner.dead_letters(of, after, limit))
    }

    fn dead_letters_forget(&self, sink: &str, positions: Vec<u64>) -> Answer<Result<u64, StoreError>> {
        self.watched(self.inner.dead_letters_forget(sink, positions))
    }

    fn events_remove(&self, scope: Scope, through: u64, limit: u32) -> Answer<Result<u64, StoreError>> {
        self.watched(self.inner.events_remove(scope, through, limit))
    }

    fn outbox_lease(
        &self,
        holder: Uuid,
        claims: Vec<LeaseClaim>,
        release: Vec<String>,
    ) -> Answer<Result<Vec<LeaseSeen>, StoreError>> {
        self.watched(self.inner.outbox_lease(holder, claims, release))
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn health(&self) -> Answer<Result<(), StoreError>> {
        self.inner.health()
    }

    fn schema(&self) -> Answer<Result<SchemaStatus, StoreError>> {
        self.inner.schema()
    }

    fn backup(&self, path: &str) -> Answer<Result<(), StoreError>> {
        self.inner.backup(path)
    }

    fn stop(&self) -> Answer<Result<(), StoreError>> {
        self.inner.stop()
    }
}
