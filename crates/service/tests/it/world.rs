//! A service with one site, a hasher that counts and a store that can be told to conflict.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use patd_core::changes::{Changes, Conflict};
use patd_core::id::SiteLuid;
use patd_core::name::SiteRole;
use patd_core::secret::PlainText;
use patd_core::time::Span;
use patd_service::error::Error;
use patd_service::hash_pool::Hashers;
use patd_service::limits::Attempts;
use patd_service::ports::{
    Answer, Applied, DeadLetter, Found, HashError, Hasher, LeaseClaim, LeaseSeen, OutboxStatus, Outlet,
    Query, SchemaStatus, Scope, Store, StoreError, StoreOpener, Waiting,
};
use patd_service::redeem::Redeem;
use patd_service::service::{Service, SiteRef};
use patd_service::start::SitePlan;
use patd_service::view::{From, PasswordSignIn};
use uuid::Uuid;

use crate::memory::{self, Memory, PlainHasher, View};

/// The password of everybody here.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    hashes: Arc<AtomicU32>,
    conflicts: Arc<AtomicU32>,
}

impl World {
    /// Starts one whose accounts have so many attempts.
    pub(crate) async fn start(attempts: u32) -> Self {
        let (hashes, conflicts) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let limit = |free| Attempts { free, first_delay: Span::days(1), max_delay: Span::days(1) };
        let hasher = Counted { inner: PlainHasher::new(), hashes: Arc::clone(&hashes) };
        let view = Raced { inner: View(Arc::new(Memory::default())), conflicts: Arc::clone(&conflicts) };
        let mut parts = memory::parts(Arc::new(view), vec![plan()], limit(10_000));
        parts.hashers = Hashers::new(vec![Arc::new(hasher)], 2, 100);
        parts.limits.account = limit(attempts);
        let service = Service::start(parts).await.expect("the service starts");
        Self { service, hashes, conflicts }
    }

    /// The next so many changes conflict.
    pub(crate) fn conflict(&self, times: u32) {
        self.conflicts.store(times, Ordering::Relaxed);
    }

    /// How often something was hashed since the last look.
    pub(crate) fn hashes(&self) -> u32 {
        self.hashes.swap(0, Ordering::Relaxed)
    }

    /// Invites to the site: the invitation.
    pub(crate) async fn invite(&self, name: &str) -> String {
        let invited = self.service.operator_invite(name, "acme", SiteRole::Viewer).await.expect("invited");
        invited.invitation.expose().to_owned()
    }

    /// Redeems an invitation.
    pub(crate) async fn redeem(&self, invitation: &str, password: &str) -> Result<(), Error> {
        let with = Redeem {
            invitation: PlainText::new(invitation.to_owned()),
            password: Some(PlainText::new(password.to_owned())),
            totp: None,
        };
        self.service.redeem(None, with, From::default()).await.map(drop)
    }

    /// Signs in at a site.
    pub(crate) async fn sign_in(&self, site: &str, name: &str, password: &str) -> Result<(), Error> {
        let with = PasswordSignIn {
            username: name.to_owned(),
            password: PlainText::new(password.to_owned()),
            totp: None,
            interactive: false,
        };
        self.service.sign_in_with_password(SiteRef(site), with, From::default()).await.map(drop)
    }
}

fn plan() -> SitePlan {
    SitePlan { name: "Acme".to_owned(), ..memory::plan("acme", "sites") }
}

struct Counted {
    inner: PlainHasher,
    hashes: Arc<AtomicU32>,
}

impl Hasher for Counted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schemes(&self) -> &[String] {
        self.inner.schemes()
    }

    fn new_params(&self, salt: &[u8]) -> Result<String, HashError> {
        self.inner.new_params(salt)
    }

    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, HashError> {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        self.inner.derive(secret, params)
    }

    fn needs_rehash(&self, params: &str) -> Result<bool, HashError> {
        self.inner.needs_rehash(params)
    }
}

/// A store at which others are quicker, as often as it is told.
struct Raced {
    inner: View,
    conflicts: Arc<AtomicU32>,
}

impl Store for Raced {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn query(&self, queries: Vec<Query>) -> Answer<Result<Vec<Found>, StoreError>> {
        self.inner.query(queries)
    }

    fn apply(&self, changes: Changes) -> Answer<Result<Applied, StoreError>> {
        let raced = self.conflicts.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        match raced {
            Ok(_) => Box::pin(async { Ok(Applied::Conflict(Conflict::Unique("raced".to_owned()))) }),
            Err(_) => self.inner.apply(changes),
        }
    }

    fn outbox_take(
        &self,
        of: &Outlet,
        after: Option<u64>,
        limit: u32,
    ) -> Answer<Result<Vec<Waiting>, StoreError>> {
        self.inner.outbox_take(of, after, limit)
    }

    fn events_after(&self, position: u64, limit: u32) -> Answer<Result<Vec<Waiting>, StoreError>> {
        self.inner.events_after(position, limit)
    }

    fn outbox_ack(&self, of: &Outlet, through: u64, dead: Vec<DeadLetter>) -> Answer<Result<(), StoreError>> {
        self.inner.outbox_ack(of, through, dead)
    }

    fn outbox_status(&self, sink: &str, scope: Scope) -> Answer<Result<OutboxStatus, StoreError>> {
        self.inner.outbox_status(sink, scope)
    }

    fn dead_letters(
        &self,
        of: &Outlet,
        after: u64,
        limit: u32,
    ) -> Answer<Result<Vec<DeadLetter>, StoreError>> {
        self.inner.dead_letters(of, after, limit)
    }

    fn dead_letters_forget(&self, sink: &str, positions: Vec<u64>) -> Answer<Result<u64, StoreError>> {
        self.inner.dead_letters_forget(sink, positions)
    }

    fn events_remove(&self, scope: Scope, through: u64, limit: u32) -> Answer<Result<u64, StoreError>> {
        self.inner.events_remove(scope, through, limit)
    }

    fn outbox_lease(
        &self,
        holder: Uuid,
        claims: Vec<LeaseClaim>,
        release: Vec<String>,
    ) -> Answer<Result<Vec<LeaseSeen>, StoreError>> {
        self.inner.outbox_lease(holder, claims, release)
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

impl StoreOpener for Raced {
    fn open(&self, _store: &str, _site: Option<SiteLuid>) -> Answer<Result<Arc<dyn Store>, StoreError>> {
        let view: Arc<dyn Store> =
            Arc::new(Self { inner: View(Arc::clone(&self.inner.0)), conflicts: Arc::clone(&self.conflicts) });
        Box::pin(async move { Ok(view) })
    }
}
