//! The relay: tells a visited site's trail of sign-ins there with tokens at home elsewhere.
//!
//! The event of a foreign sign-in lies in the home store and never names the visited site. The relay reads it from the
//! home store's outbox like a sink, finds the visited site in the session's row and writes the copy there: no token id,
//! no home site. The copy's id follows from the original's, so a relay that is repeated writes nothing twice.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patd_core::changes::Changes;
use patd_core::event::{Event, EventType};
use patd_core::id::{EventId, SiteLuid};
use patd_core::rules::sign_in::relayed;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::facts::nonsense;
use crate::ports::{Found, Outlet, Query, Store};
use crate::service::{Service, derived_event_id};

/// The relay's cursor in each store; no sink of the config can have this name.
pub(crate) const CURSOR: &str = "@relay";
/// Events read at once.
const BATCH: u32 = 256;
/// How long the relay waits for the bell before it looks anyway.
const IDLE: Duration = Duration::from_secs(5);
/// Between the beginnings of two rounds: more events in each.
const SPACING: Duration = Duration::from_millis(50);
/// Between two writes of the cursor; what comes again after a crash is written once all the same.
const ACK_EVERY: Duration = Duration::from_secs(1);

/// The relays that run, by store.
#[derive(Default)]
pub(crate) struct Relays(Mutex<HashMap<String, (CancellationToken, JoinHandle<()>)>>);

impl Service {
    /// Starts a relay for each site store that has none, and ends those of stores that are gone. Answers those that end.
    pub(crate) fn sync_relays(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let mut relays = self.relays.0.lock();
        let mut wanted = HashSet::new();
        for store in self.world.stores().into_iter().skip(1) {
            wanted.insert(store.name().to_owned());
            if relays.contains_key(store.name()) {
                continue;
            }
            let (stop, name) = (self.stopping.child_token(), store.name().to_owned());
            let (service, stopped) = (Arc::clone(self), stop.clone());
            let ended = self.tasks.spawn(async move { service.run_relay(&*store, &stopped).await });
            relays.insert(name, (stop, ended));
        }
        let gone = relays.extract_if(|name, _| !wanted.contains(name));
        gone.map(|(_, (stop, ended))| {
            stop.cancel();
            ended
        })
        .collect()
    }

    /// Relays until stopped, and what there is then.
    async fn run_relay(&self, store: &dyn Store, stop: &CancellationToken) {
        // Where it is, and what of it the store knows.
        let (mut through, mut known, mut told) = (None, None, Instant::now());
        loop {
            let rung = self.world.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let last = stop.is_cancelled();
            let began = Instant::now();
            match self.relay(store, &mut through).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(e) => tracing::warn!(store = store.name(), error = ?e, "foreign sign-ins wait"),
            }
            if let Some(position) = through.filter(|_| through != known)
                && (last || told.elapsed() >= ACK_EVERY)
            {
                match store.outbox_ack(&cursor(), position, Vec::new()).await {
                    Ok(()) => known = through,
                    Err(e) => tracing::warn!(store = store.name(), error = %e, "the relay's cursor stays"),
                }
                told = Instant::now();
            }
            if last {
                return;
            }
            let next = async {
                tokio::select! {
                    () = tokio::time::sleep(if through == known { IDLE } else { ACK_EVERY }) => {}
                    () = rung => tokio::time::sleep(SPACING.saturating_sub(began.elapsed())).await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = next => {}
            }
        }
    }

    /// Relays one batch; whether there may be more at once.
    async fn relay(&self, store: &dyn Store, through: &mut Option<u64>) -> Result<bool> {
        let waiting = store.outbox_take(&cursor(), *through, BATCH).await?;
        let Some(last) = waiting.last().map(|w| w.position) else { return Ok(false) };
        for (event, visited) in visited(store, waiting.iter().map(|w| &w.event)).await? {
            let Some(site) = self.world.site(visited) else { continue };
            let copy = relayed(event, visited, copy_id(event.id));
            let changes =
                Changes { id: copy.id.0, expect: Vec::new(), write: Vec::new(), events: vec![copy] };
            if let Err(conflict) = self.world.commit_always(&site.store, changes, ()).await? {
                tracing::warn!(?conflict, "the visited site's store refuses a relayed event");
            }
        }
        *through = Some(last);
        Ok(waiting.len() >= BATCH as usize)
    }
}

/// Which of these events tell of a token's session that was opened at another site than the token's home, and at which one.
/// Asks for all sessions at once: most sign-ins are at home, and a call for each would cost as much as the sign-in read.
async fn visited<'a>(
    store: &dyn Store,
    events: impl Iterator<Item = &'a Event>,
) -> Result<Vec<(&'a Event, SiteLuid)>> {
    let opened = events.filter_map(|event| match (event.kind, event.site, event.token, event.session) {
        (EventType::SessionOpened, Some(home), Some(_), Some(session)) => Some((event, home, session)),
        _ => None,
    });
    let opened: Vec<_> = opened.collect();
    if opened.is_empty() {
        return Ok(Vec::new());
    }
    let found = store.query(opened.iter().map(|(.., session)| Query::Session(*session)).collect()).await?;
    if found.len() != opened.len() {
        return Err(nonsense(store));
    }
    let mut visited = Vec::new();
    for ((event, home, _), found) in opened.into_iter().zip(found) {
        let Found::Sessions(rows) = found else { return Err(nonsense(store)) };
        visited.extend(rows.first().filter(|row| row.site != home).map(|row| (event, row.site)));
    }
    Ok(visited)
}

fn cursor() -> Outlet {
    Outlet { sink: CURSOR.to_owned(), scope: None }
}

/// The copy's id: the original's time, and bits that follow from the original but do not show it.
fn copy_id(original: EventId) -> EventId {
    let original = original.0;
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&original.as_bytes()[..6]);
    derived_event_id(u64::from_be_bytes(millis), &[b"patd relay ".as_slice(), original.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_originals_time_its_own_id_and_always_the_same() {
        let id = EventId(uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000, &[7; 10]).into_uuid());
        let copy = copy_id(id);
        assert_ne!(copy, id);
        assert_eq!(copy, copy_id(id));
        assert_eq!(copy.0.as_bytes()[..6], id.0.as_bytes()[..6]);
    }
}
