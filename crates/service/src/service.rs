//! [`Service`]: everything that patd does for its callers. Each use-case lives in the module of its subject; start
//! and stop are in [`crate::start`].

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use patd_core::event::Actor;
use patd_core::id::{EventId, SessionId, SiteLuid, UserLuid};
use patd_core::secret::{PhcDigest, Secret256};
use patd_core::time::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::events::Streams;
use crate::failures::Failures;
use crate::inventory::Inventories;
use crate::keys::Keys;
use crate::leaks::Leaks;
use crate::limits::Limits;
use crate::notices::Untold;
use crate::ports::{AuditSink, Clock, Random, StoreOpener};
use crate::pump::Pumps;
use crate::relay::Relays;
use crate::sealer::Sealers;
use crate::view::{Caller, SiteView};
use crate::world::{SiteRuntime, TokenQueue, World};

/// The use-cases over their ports. Shared by every surface behind an `Arc`.
pub struct Service {
    pub(crate) world: Arc<World>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) default_password_hasher: ArcSwap<String>,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
    pub(crate) queue: TokenQueue,
    pub(crate) failures: Failures,
    pub(crate) sinks: ArcSwap<Vec<Arc<dyn AuditSink>>>,
    pub(crate) opener: Arc<dyn StoreOpener>,
    /// What brings events to the sinks.
    pub(crate) pumps: Pumps,
    pub(crate) relays: Relays,
    /// Who is still to be told of revocations.
    pub(crate) untold: Untold,
    /// The live streams that are open.
    pub(crate) streams: Streams,
    /// The reports of leaked secrets that are looked into.
    pub(crate) leaks: Leaks,
    pub(crate) inventories: Inventories,
    pub(crate) sealers: Sealers,
    /// Per hasher, a digest of nothing anybody knows.
    pub(crate) dummies: Mutex<HashMap<String, PhcDigest>>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
    /// Held while a reload is carried out and its left-overs are closed.
    pub(crate) reconfiguring: Arc<tokio::sync::Mutex<()>>,
}

/// Which site a caller means: a content URL in any case, or a LUID.
#[derive(Clone, Debug)]
pub struct SiteRef<'a>(pub &'a str);

impl Service {
    /// The LUID of an active site, by content URL (any case) or LUID.
    #[must_use]
    pub fn site(&self, site: &SiteRef<'_>) -> Option<SiteLuid> {
        self.world.sites.load().find(site.0).map(|s| s.row.load().luid)
    }

    /// How many sessions are live (for metrics).
    #[must_use]
    pub fn live_sessions(&self) -> usize {
        self.world.live.len()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A served site, or what unknown sites answer.
    pub(crate) fn served(&self, site: SiteLuid) -> Result<Arc<SiteRuntime>> {
        self.world.site(site).ok_or(Error::NotFound("site"))
    }

    /// A random UUID (version 4).
    pub(crate) fn fresh_uuid(&self) -> Uuid {
        random_uuid(&*self.random)
    }

    /// A time-ordered event id (UUID version 7), so that listings merge by it.
    pub(crate) fn fresh_event_id(&self) -> EventId {
        EventId(time_ordered(self.now(), &*self.random))
    }

    /// A time-ordered session id (UUID version 7), so that a store appends it instead of looking for its place.
    pub(crate) fn fresh_session_id(&self) -> SessionId {
        SessionId(time_ordered(self.now(), &*self.random))
    }

    /// 256 random bits.
    pub(crate) fn fresh_secret(&self) -> Secret256 {
        let mut bytes = Zeroizing::new([0; 32]);
        self.random.fill(&mut *bytes);
        Secret256::new(*bytes)
    }
}

/// A random UUID (version 4, RFC 9562 §5.4).
pub(crate) fn random_uuid(random: &dyn Random) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The ids of one decision's events: each the one before plus one (RFC 9562 §6.2, method 2), so that a listing shows events of
/// one moment in the order in which they were made.
pub(crate) fn event_ids(now: Timestamp, random: &dyn Random) -> impl FnMut() -> EventId {
    let mut next = time_ordered(now, random).as_u128();
    move || {
        let id = EventId(Uuid::from_u128(next));
        next += 1;
        id
    }
}

/// A time-ordered event id that is the same for the same time and source, and does not show the source.
pub(crate) fn derived_event_id(millis: u64, source: &[u8]) -> EventId {
    let digest = Sha256::digest(source);
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&digest[..10]);
    EventId(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
}

/// The id of an event that follows from another: that one's time, and what is derived from the source.
pub(crate) fn following_event_id(original: EventId, source: &[u8]) -> EventId {
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&original.0.as_bytes()[..6]);
    derived_event_id(u64::from_be_bytes(millis), source)
}

/// A time-ordered UUID (version 7, RFC 9562 §5.7).
fn time_ordered(now: Timestamp, random: &dyn Random) -> Uuid {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    let millis = u64::try_from(now.0 / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

pub(crate) fn site_view(site: &SiteRuntime) -> SiteView {
    let row = site.row.load();
    SiteView { luid: row.luid, content_url: row.content_url.as_str().to_owned(), name: row.name.clone() }
}

/// The caller as the actor of events.
pub(crate) fn actor(caller: &Caller) -> Actor {
    Actor::User { luid: caller.user, username: caller.username.to_string() }
}

/// Refuses a caller that is not a site admin of `site`.
pub(crate) fn require_admin(caller: &Caller, site: SiteLuid) -> Result<()> {
    if caller.site != site {
        return Err(Error::NotFound("site"));
    }
    if !caller.role.is_admin() {
        return Err(Error::NotPermitted("only a site admin may do this"));
    }
    Ok(())
}

/// Refuses a caller that is neither a site admin of `site` nor `user` himself.
pub(crate) fn require_admin_or_self(caller: &Caller, site: SiteLuid, user: UserLuid) -> Result<()> {
    if caller.site == site && caller.user == user { Ok(()) } else { require_admin(caller, site) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Same;

    impl Random for Same {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn ids_of_one_decision_are_in_the_order_of_its_events() {
        let mut fresh = event_ids(Timestamp(1_763_000_000_000_000), &Same);
        let ids: Vec<Uuid> = (0..1000).map(|_| fresh().0).collect();
        assert!(ids.is_sorted_by(|before, after| before < after));
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }
}
