//! A store in memory, a hasher without cost, a clock that counts: just enough for the service to start.
//!
//! Faults by user name: a listing of members panics, one of events never ends, so that the server can be seen to
//! bear it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use patd_core::changes::{Changes, Row, RowKey, Write};
use patd_core::id::{SiteLuid, Version};
use patd_core::name::ContentUrl;
use patd_core::record::{Membership, Policy, Session, Token};
use patd_core::rules::notice::due_at;
use patd_core::time::{Span, Timestamp};
use patd_service::hash_pool::Hashers;
use patd_service::limits::{Attempts, LimitPolicy};
use patd_service::ports::{
    Answer, Applied, Clock, DeadLetter, Found, HashError, Hasher, LeaseClaim, LeaseSeen, OutboxStatus,
    Outlet, Query, Random, SchemaStatus, Scope, Store, StoreError, StoreOpener, Waiting,
};
use patd_service::start::{Parts, SitePlan};
use uuid::Uuid;
use zeroize::Zeroizing;

/// What a service starts from, with what is here and without sinks: callers say what is different.
pub(crate) fn parts(opener: Arc<dyn StoreOpener>, sites: Vec<SitePlan>, attempts: Attempts) -> Parts {
    Parts {
        clock: Arc::new(Counting::new()),
        random: Arc::new(Counter::default()),
        key: Zeroizing::new([7; 32]),
        hashers: Hashers::new(vec![Arc::new(PlainHasher::new())], 2, 100),
        password_hasher: "plain".to_owned(),
        opener,
        directory: "directory".to_owned(),
        sites,
        sinks: Vec::new(),
        limits: LimitPolicy {
            account: attempts,
            address: attempts,
            event_streams: 8,
            event_streams_per_site: 4,
            leak_reports_per_hour: 60,
        },
    }
}

/// A site, called by its content URL, whose events no sink gets.
pub(crate) fn plan(content_url: &str, store: &str) -> SitePlan {
    SitePlan {
        key: content_url.to_ascii_lowercase(),
        content_url: ContentUrl::parse(content_url).expect("a content URL"),
        name: content_url.to_owned(),
        policy: Policy {
            pat_enabled: true,
            mint_allowed: true,
            max_lifetime: Span::days(365),
            idle_limit: Span::days(15),
            session_lifetime: Span::minutes(120),
            tokens_per_user: 10,
            foreign_tokens: true,
            switch_site: false,
        },
        store: store.to_owned(),
        token_hasher: "plain".to_owned(),
        password_hasher: "plain".to_owned(),
        sinks: Vec::new(),
    }
}

/// Every row of all stores; sites do not get in each other's way by their ids.
#[derive(Default)]
pub(crate) struct Memory {
    rows: Mutex<HashMap<RowKey, Row>>,
}

impl Memory {
    pub(crate) fn put(&self, row: Row) {
        self.rows.lock().expect("no poison").insert(row.key(), row);
    }

    pub(crate) fn all(&self) -> Vec<Row> {
        self.rows.lock().expect("no poison").values().cloned().collect()
    }

    fn get(&self, key: RowKey) -> Option<Row> {
        self.rows.lock().expect("no poison").get(&key).cloned()
    }

    fn sessions(&self) -> Vec<Session> {
        self.all()
            .into_iter()
            .filter_map(|row| if let Row::Session(s) = row { Some(s) } else { None })
            .collect()
    }

    fn tokens(&self) -> Vec<Token> {
        self.all()
            .into_iter()
            .filter_map(|row| if let Row::Token(t) = row { Some(t) } else { None })
            .collect()
    }

    fn memberships(&self) -> Vec<Membership> {
        let of = |row| if let Row::Membership(m) = row { Some(m) } else { None };
        self.all().into_iter().filter_map(of).collect()
    }

    fn answer(&self, query: Query) -> Found {
        macro_rules! one {
            ($found:ident, $row:ident, $key:expr) => {
                Found::$found(match self.get($key) {
                    Some(Row::$row(row)) => vec![row],
                    _ => Vec::new(),
                })
            };
        }
        match query {
            Query::Sites => Found::Sites(Vec::new()),
            Query::User(id) => one!(Users, User, RowKey::User(id)),
            Query::UserByName(name) => {
                let named = |row| match row {
                    Row::User(user) if user.username.folded() == name => Some(user),
                    _ => None,
                };
                Found::Users(self.all().into_iter().filter_map(named).collect())
            }
            Query::Membership(site, user) => one!(Memberships, Membership, RowKey::Membership(site, user)),
            Query::MembershipsOf(user) => {
                Found::Memberships(self.memberships().into_iter().filter(|m| m.user == user).collect())
            }
            Query::MembersOf { .. } => panic!("a fault on purpose"),
            Query::Password(id) => one!(Passwords, Password, RowKey::Password(id)),
            Query::Totp(id) => one!(Totps, Totp, RowKey::Totp(id)),
            Query::Invitation(id) => one!(Invitations, Invitation, RowKey::Invitation(id)),
            Query::OpenInvitations(..) => Found::Invitations(Vec::new()),
            Query::Token(id) => one!(Tokens, Token, RowKey::Token(id)),
            Query::Session(id) => one!(Sessions, Session, RowKey::Session(id)),
            Query::TokenAndSession(id) => {
                let token = self.tokens().into_iter().find(|t| t.id == id);
                let session = |t: &Token| self.sessions().into_iter().find(|s| Some(s.id) == t.session);
                Found::TokensAndSessions(token.map(|t| (t.clone(), session(&t))).into_iter().collect())
            }
            Query::OpenTokensOf(site, owner) => {
                let open = |t: &Token| t.site == site && t.owner == owner && t.ended.is_none();
                Found::Tokens(self.tokens().into_iter().filter(open).collect())
            }
            Query::Tokens { site, owner, ended_since, after, limit } => {
                let place = |t: &Token| (t.created_at, t.id);
                let shown = |t: &Token| {
                    let since = |at| ended_since.is_some_and(|since| at >= since);
                    t.site == site
                        && owner.is_none_or(|owner| t.owner == owner)
                        && t.ended.is_none_or(|ended| since(ended.at))
                        && after.is_none_or(|after| place(t) < after)
                };
                let mut found: Vec<_> = self.tokens().into_iter().filter(shown).collect();
                found.sort_by_key(|t| std::cmp::Reverse(place(t)));
                found.truncate(limit as usize);
                Found::Tokens(found)
            }
            Query::LiveSessions { .. } | Query::PastSessions { .. } => Found::Sessions(Vec::new()),
            Query::DueTokens { site, now, limit } => {
                let due = |t: &Token| t.site == site && t.ended.is_none() && due_at(t) <= now;
                let mut found: Vec<_> = self.tokens().into_iter().filter(due).collect();
                found.sort_by_key(|t| (due_at(t), t.id));
                found.truncate(limit as usize);
                Found::Tokens(found)
            }
            Query::Events { .. } | Query::EventsInOrder { .. } | Query::Event(_) => Found::Events(Vec::new()),
            Query::NewestEvent => Found::Time(None),
            Query::HomeNumberUsed(_)
            | Query::CountMembers(_)
            | Query::CountMintedBefore(..)
            | Query::CountStale { .. }
            | Query::NewestSeq => Found::Counts(0, 0),
        }
    }

    fn apply(&self, changes: Changes) {
        let mut rows = self.rows.lock().expect("no poison");
        for write in changes.write {
            match write {
                Write::Insert(row) => drop(rows.insert(row.key(), row)),
                Write::Update(row) => drop(rows.insert(row.key(), raised(row))),
                Write::Delete(key, _) => drop(rows.remove(&key)),
                Write::RehashToken(..) | Write::RehashPassword(..) => {}
            }
        }
    }
}

fn raised(mut row: Row) -> Row {
    let version = match &mut row {
        Row::Site(r) => &mut r.version,
        Row::User(r) => &mut r.version,
        Row::Membership(r) => &mut r.version,
        Row::Password(r) => &mut r.version,
        Row::Totp(r) => &mut r.version,
        Row::Invitation(r) => &mut r.version,
        Row::Token(r) => &mut r.version,
        Row::Session(r) => &mut r.version,
    };
    *version = Version(version.0 + 1);
    row
}

/// One view of the memory: the directory or a site.
pub(crate) struct View(pub(crate) Arc<Memory>);

impl Store for View {
    fn name(&self) -> &str {
        "memory"
    }

    fn query(&self, queries: Vec<Query>) -> Answer<Result<Vec<Found>, StoreError>> {
        let memory = Arc::clone(&self.0);
        Box::pin(async move {
            if queries.iter().any(|query| matches!(query, Query::Events { .. })) {
                std::future::pending::<()>().await;
            }
            Ok(queries.into_iter().map(|query| memory.answer(query)).collect())
        })
    }

    fn apply(&self, changes: Changes) -> Answer<Result<Applied, StoreError>> {
        self.0.apply(changes);
        Box::pin(async { Ok(Applied::Done) })
    }

    fn outbox_take(
        &self,
        _of: &Outlet,
        _after: Option<u64>,
        _limit: u32,
    ) -> Answer<Result<Vec<Waiting>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn events_after(&self, _position: u64, _limit: u32) -> Answer<Result<Vec<Waiting>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn outbox_ack(
        &self,
        _of: &Outlet,
        _through: u64,
        _dead: Vec<DeadLetter>,
    ) -> Answer<Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn outbox_status(&self, _sink: &str, _scope: Scope) -> Answer<Result<OutboxStatus, StoreError>> {
        Box::pin(async { Ok(OutboxStatus { through: 0, waiting: 0, oldest: None, dead: 0 }) })
    }

    fn dead_letters(
        &self,
        _of: &Outlet,
        _after: u64,
        _limit: u32,
    ) -> Answer<Result<Vec<DeadLetter>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn dead_letters_forget(&self, _sink: &str, _positions: Vec<u64>) -> Answer<Result<u64, StoreError>> {
        Box::pin(async { Ok(0) })
    }

    fn events_remove(&self, _: Scope, _through: u64, _limit: u32) -> Answer<Result<u64, StoreError>> {
        Box::pin(async { Ok(0) })
    }

    fn outbox_lease(
        &self,
        _holder: Uuid,
        _claims: Vec<LeaseClaim>,
        _release: Vec<String>,
    ) -> Answer<Result<Vec<LeaseSeen>, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable("memory".to_owned())) })
    }

    fn health(&self) -> Answer<Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn schema(&self) -> Answer<Result<SchemaStatus, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable("memory".to_owned())) })
    }

    fn backup(&self, _path: &str) -> Answer<Result<(), StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable("memory".to_owned())) })
    }

    fn stop(&self) -> Answer<Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

impl StoreOpener for View {
    fn open(&self, _store: &str, _site: Option<SiteLuid>) -> Answer<Result<Arc<dyn Store>, StoreError>> {
        let view: Arc<dyn Store> = Arc::new(Self(Arc::clone(&self.0)));
        Box::pin(async move { Ok(view) })
    }
}

/// The secret itself, padded: enough to tell secrets apart.
pub(crate) struct PlainHasher {
    schemes: Vec<String>,
}

impl PlainHasher {
    pub(crate) fn new() -> Self {
        Self { schemes: vec!["plain".to_owned()] }
    }
}

impl Hasher for PlainHasher {
    fn name(&self) -> &str {
        "plain"
    }

    fn schemes(&self) -> &[String] {
        &self.schemes
    }

    fn new_params(&self, _salt: &[u8]) -> Result<String, HashError> {
        Ok("$plain$v=1$salt".to_owned())
    }

    fn derive(&self, secret: &[u8], _params: &str) -> Result<Vec<u8>, HashError> {
        let mut digest = secret.to_vec();
        digest.resize(64, 0);
        Ok(digest)
    }

    fn needs_rehash(&self, _params: &str) -> Result<bool, HashError> {
        Ok(false)
    }
}

/// One microsecond later at each look.
pub(crate) struct Counting(AtomicI64);

impl Counting {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(1_700_000_000_000_000))
    }
}

impl Clock for Counting {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Different at each look; nothing here has to be unguessable.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Random for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let next = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed) ^ 0xD1B5_4A32_D192_ED03;
            chunk.copy_from_slice(&next.to_le_bytes()[..chunk.len()]);
        }
    }
}
