//! The live-session table: every session that may be accepted, by id, in memory.
//!
//! Validation is one look-up here and one fast digest. It never asks a store, and nothing enters that no store has
//! committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use papaya::HashMap;
use patd_core::id::SessionId;
use patd_core::record::{Membership, Session, User};
use patd_core::time::Timestamp;

use crate::facts::Fact;
use crate::world::SiteFact;

/// A session with the facts that it lives by.
pub(crate) struct LiveSession {
    /// Its row (never `ended`).
    pub(crate) session: Session,
    /// The person.
    pub(crate) person: Fact<User>,
    /// The membership at the visited site.
    pub(crate) member: Fact<Membership>,
    /// The visited site.
    pub(crate) site: SiteFact,
    /// Membership and site of the token's home; as above without a token.
    pub(crate) home_member: Fact<Membership>,
    /// See `home_member`.
    pub(crate) home_site: SiteFact,
    /// A write that may have ended this session has an unknown outcome (R3): 503 until it is settled.
    doubt: AtomicBool,
}

impl LiveSession {
    pub(crate) fn new(
        session: Session,
        person: Fact<User>,
        member: Fact<Membership>,
        site: SiteFact,
        home_member: Fact<Membership>,
        home_site: SiteFact,
    ) -> Self {
        Self { session, person, member, site, home_member, home_site, doubt: AtomicBool::new(false) }
    }

    /// Whether its state is not known at the moment.
    pub(crate) fn in_doubt(&self) -> bool {
        self.doubt.load(Ordering::Acquire)
    }
}

/// The table.
#[derive(Default)]
pub(crate) struct LiveTable {
    sessions: HashMap<SessionId, Arc<LiveSession>>,
}

impl LiveTable {
    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        self.sessions.pin().get(&id).cloned()
    }

    /// Reads without taking a reference count: the hot path.
    pub(crate) fn with<T>(&self, id: SessionId, read: impl FnOnce(&LiveSession) -> T) -> Option<T> {
        self.sessions.pin().get(&id).map(|live| read(live))
    }

    pub(crate) fn insert(&self, live: LiveSession) {
        self.sessions.pin().insert(live.session.id, Arc::new(live));
    }

    pub(crate) fn remove(&self, id: SessionId) {
        self.sessions.pin().remove(&id);
    }

    /// Marks or clears doubt about a session.
    pub(crate) fn set_doubt(&self, id: SessionId, doubt: bool) {
        if let Some(live) = self.sessions.pin().get(&id) {
            live.doubt.store(doubt, Ordering::Release);
        }
    }

    /// Forgets sessions past their natural end.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.sessions.pin().retain(|_, live| now < live.session.expires_at);
    }

    /// Every session's row; for start only, it copies them all.
    pub(crate) fn all(&self) -> Vec<Session> {
        self.sessions.pin().values().map(|live| live.session.clone()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }
}
