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
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::facts::nonsense;
use crate::follow::{Follower, follow};
use crate::ports::{Found, Query, Store, Waiting};
use crate::service::{Service, following_event_id};

/// The relay's cursor in each store; no sink of the config can have this name.
pub(crate) const CURSOR: &str = "@relay";

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
            let (relay, stopped) = (Relay { service: Arc::clone(self), store }, stop.clone());
            let ended = self.tasks.spawn(async move {
                follow(&relay.service.world, &*relay.store, &stopped, &relay).await;
            });
            relays.insert(name, (stop, ended));
        }
        let gone = relays.extract_if(|name, _| !wanted.contains(name));
        gone.map(|(_, (stop, ended))| {
            stop.cancel();
            ended
        })
        .collect()
    }
}

/// What reads one site store.
struct Relay {
    service: Arc<Service>,
    store: Arc<dyn Store>,
}

impl Follower for Relay {
    const CURSOR: &'static str = CURSOR;
    const WAITS: &'static str = "foreign sign-ins";
    // What comes again after a crash is written once all the same.
    const ACK_EVERY: Duration = Duration::from_secs(1);

    async fn take(&self, events: &[Waiting]) -> Result<()> {
        let world = &self.service.world;
        for (event, visited) in visited(&*self.store, events.iter().map(|w| &w.event)).await? {
            let Some(site) = world.site(visited) else { continue };
            let copy = relayed(event, visited, copy_id(event.id));
            let changes =
                Changes { id: copy.id.0, expect: Vec::new(), write: Vec::new(), events: vec![copy] };
            if let Err(conflict) = world.commit_always(&site.store, changes, ()).await? {
                tracing::warn!(?conflict, "the visited site's store refuses a relayed event");
            }
        }
        Ok(())
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

/// The copy's id: the original's time, and bits that follow from the original but do not show it.
fn copy_id(original: EventId) -> EventId {
    following_event_id(original, &[b"patd relay ".as_slice(), original.0.as_bytes()].concat())
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
