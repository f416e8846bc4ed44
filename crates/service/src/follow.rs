//! Reads a store's events for what patd itself makes of them, as a sink would get them: in order, at least once, with a cursor
//! of its own.
//!
//! Must never move the cursor beyond what is done, and never read more often than [`SPACING`], however often the bell rings.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::ports::{Outlet, Store, Waiting};
use crate::world::World;

/// Events read at once.
const BATCH: u32 = 256;
/// How long the bell is waited for before there is a look anyway.
const IDLE: Duration = Duration::from_secs(5);
/// Between the beginnings of two rounds: more events in each.
const SPACING: Duration = Duration::from_millis(50);

/// Who reads. What is read again after a crash must change nothing.
pub(crate) trait Follower: Sync {
    /// Its cursor in the store; no sink of the config can have this name.
    const CURSOR: &'static str;
    /// What waits while it cannot go on, for the log.
    const WAITS: &'static str;
    /// Between two writes of the cursor.
    const ACK_EVERY: Duration;

    /// Takes the next events. After an error the same ones come again.
    fn take(&self, events: &[Waiting]) -> impl Future<Output = Result<()>> + Send;

    /// Up to where everything is done, of what was taken up to a position.
    fn done(&self, taken: u64) -> u64 {
        taken
    }
}

/// Follows a store until stopped, and what there is then.
pub(crate) async fn follow<F: Follower>(
    world: &World,
    store: &dyn Store,
    stop: &CancellationToken,
    follower: &F,
) {
    let cursor = Outlet { sink: F::CURSOR.to_owned(), scope: None };
    // Where it is, and what of it the store knows.
    let (mut taken, mut known, mut told) = (None, None, Instant::now());
    loop {
        let rung = world.bell.notified();
        tokio::pin!(rung);
        rung.as_mut().enable();
        let last = stop.is_cancelled();
        let began = Instant::now();
        match take_some(store, &cursor, &mut taken, follower).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(e) => tracing::warn!(store = store.name(), error = ?e, "{} wait", F::WAITS),
        }
        let done = taken.map(|taken| follower.done(taken));
        if let Some(position) = done.filter(|_| done != known)
            && (last || told.elapsed() >= F::ACK_EVERY)
        {
            match store.outbox_ack(&cursor, position, Vec::new()).await {
                Ok(()) => known = done,
                Err(e) => {
                    tracing::warn!(store = store.name(), cursor = F::CURSOR, error = %e, "a cursor stays");
                }
            }
            told = Instant::now();
        }
        if last {
            return;
        }
        let next = async {
            tokio::select! {
                () = tokio::time::sleep(if done == known { IDLE } else { IDLE.min(F::ACK_EVERY) }) => {}
                () = rung => tokio::time::sleep(SPACING.saturating_sub(began.elapsed())).await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = next => {}
        }
    }
}

/// One batch; whether there may be more at once.
async fn take_some(
    store: &dyn Store,
    cursor: &Outlet,
    taken: &mut Option<u64>,
    follower: &impl Follower,
) -> Result<bool> {
    let waiting = store.outbox_take(cursor, *taken, BATCH).await?;
    let Some(last) = waiting.last().map(|waiting| waiting.position) else { return Ok(false) };
    follower.take(&waiting).await?;
    *taken = Some(last);
    Ok(waiting.len() >= BATCH as usize)
}
