//! What the use-cases need from outside: clock, randomness, hashers, stores, sinks.
//!
//! Implemented by patd-plugin-host (over plug-ins) and by patd (clock, randomness). Nothing here may block an
//! async thread: hashers are called on the bounded pool only.

mod outbox;

use std::future::Future;
use std::pin::Pin;

use patd_core::changes::{Changes, Conflict};
use patd_core::event::{Event, EventType};
use patd_core::id::{EventId, HomeNumber, InvitationId, SessionId, SiteLuid, TokenId, UserLuid};
use patd_core::record::{Invitation, Membership, Password, Session, Site, Token, Totp, User};
use patd_core::time::Timestamp;
use uuid::Uuid;

pub use outbox::*;

/// A boxed future that a port answers with.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The wall clock.
pub trait Clock: Send + Sync {
    /// Now; never earlier than an answer before, in this process (R4).
    fn now(&self) -> Timestamp;
}

/// The operating system's randomness.
pub trait Random: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// Why a hasher gave no digest. Every variant is a refusal (R9).
#[derive(Clone, Debug, thiserror::Error)]
pub enum HashError {
    /// The stored digest's scheme or parameters are not this hasher's.
    #[error("the hasher does not accept these parameters: {0}")]
    Params(String),
    /// The plug-in failed or is quarantined.
    #[error("the hasher failed: {0}")]
    Failed(String),
}

/// A hasher: derives, never judges. Comparison happens in patd (constant time).
pub trait Hasher: Send + Sync {
    /// The instance's name in the config.
    fn name(&self) -> &str;
    /// The PHC ids it can derive for, e.g. `pbkdf2-sha256`.
    fn schemes(&self) -> &[String];
    /// Public parameter text for a new digest: `$scheme$params$salt`.
    ///
    /// # Errors
    /// [`HashError`] when the plug-in fails.
    fn new_params(&self, salt: &[u8]) -> Result<String, HashError>;
    /// Digest of `secret` under `params` (at least 16 bytes). CPU-bound; only called on the hash pool.
    ///
    /// # Errors
    /// [`HashError`] when the parameters are foreign or the plug-in fails.
    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, HashError>;
    /// Whether a digest with these parameters should be replaced.
    ///
    /// # Errors
    /// [`HashError`] when the plug-in fails.
    fn needs_rehash(&self, params: &str) -> Result<bool, HashError>;
}

/// One generation of a hasher: a use-case of several calls makes them all to the same one.
pub struct CurrentHasher {
    /// Its number; another one means another instance.
    pub generation: u64,
    /// The hasher; it is not stopped as long as this is held.
    pub hasher: std::sync::Arc<dyn Hasher>,
}

/// The place of a configured hasher, in which generations follow each other.
pub trait HasherPlace: Send + Sync {
    /// The instance's name in the config.
    fn name(&self) -> &str;
    /// The generation in service.
    ///
    /// # Errors
    /// [`HashError`] when there is none.
    fn current(&self) -> Result<CurrentHasher, HashError>;
    /// Why it refuses everything at the moment, if it does.
    fn unready(&self) -> Option<String>;
}

/// Why a store gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was done; may be tried again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A time-out after the request was handed over: a write may or may not have happened.
    #[error("the store did not answer in time")]
    Unknown,
    /// The store answered nonsense, or refuses our request.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A position in a listing: the last row of the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After<K>(pub Option<K>);

/// Which events are asked for: those for which all that is said holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of one of these types; none of them when the list is empty.
    pub types: Option<Vec<EventType>>,
    /// With this affected person.
    pub user: Option<UserLuid>,
    /// With this affected token.
    pub token: Option<TokenId>,
    /// With this affected session.
    pub session: Option<SessionId>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// What a store can be asked. Rows of other sites never match.
#[derive(Clone, Debug)]
pub enum Query {
    /// Directory: all sites.
    Sites,
    /// Directory.
    User(UserLuid),
    /// Directory: by folded name.
    UserByName(String),
    /// Directory.
    Membership(SiteLuid, UserLuid),
    /// Directory: every membership of a person.
    MembershipsOf(UserLuid),
    /// Directory: members of a site with their users, by folded user name; removed ones left out.
    MembersOf {
        /// The site.
        site: SiteLuid,
        /// Folded user name of the page before.
        after: Option<String>,
        /// Rows skipped (numbered pages of the Tableau surface); 0 with `after`.
        offset: u32,
        /// At most this many.
        limit: u32,
    },
    /// Directory: how many members `MembersOf` can list.
    CountMembers(SiteLuid),
    /// Directory.
    Password(UserLuid),
    /// Directory.
    Totp(UserLuid),
    /// Directory.
    Invitation(InvitationId),
    /// Directory: unspent invitations of a person to a site (or recoveries, without a site).
    OpenInvitations(UserLuid, Option<SiteLuid>),
    /// Site store.
    Token(TokenId),
    /// Either.
    Session(SessionId),
    /// Site store: a token and the session that its row names, in one read.
    TokenAndSession(TokenId),
    /// Site store: an owner's tokens that are not ended (they may be expired), oldest first.
    OpenTokensOf(SiteLuid, UserLuid),
    /// Site store: tokens of a site (of one owner, or of all), newest first.
    Tokens {
        /// Home site.
        site: SiteLuid,
        /// Owner, or all.
        owner: Option<UserLuid>,
        /// Also those that ended at or after this.
        ended_since: Option<Timestamp>,
        /// `(created_at, id)` of the last row before.
        after: Option<(Timestamp, TokenId)>,
        /// At most this many.
        limit: u32,
    },
    /// Site store: open tokens of a site minted before a time, with their sessions' count: `(tokens, sessions)`.
    CountMintedBefore(SiteLuid, Timestamp),
    /// Site store: open tokens that end absolutely before a time, and those last used (or minted) before another.
    CountStale {
        /// Home site.
        site: SiteLuid,
        /// For the first number.
        expires_before: Timestamp,
        /// For the second.
        used_before: Timestamp,
    },
    /// Either: sessions that are not ended and not past their natural end, by id; for filling the live table.
    LiveSessions {
        /// Not past at this time.
        now: Timestamp,
        /// Last id of the page before.
        after: Option<SessionId>,
        /// At most this many.
        limit: u32,
    },
    /// Site store: a site's open tokens of which time asks something at `now` (a notice, or their end), at most `limit`; for
    /// the sweeper.
    DueTokens {
        /// Home site: of several in one store, none waits for another's.
        site: SiteLuid,
        /// The time.
        now: Timestamp,
        /// At most this many.
        limit: u32,
    },
    /// Either: session rows whose natural end is before `before`, at most `limit`; for the sweeper.
    PastSessions {
        /// The time.
        before: Timestamp,
        /// At most this many.
        limit: u32,
    },
    /// Either: events of a site, newest first.
    Events {
        /// The site.
        site: SiteLuid,
        /// Which of them.
        filter: EventFilter,
        /// `(time, id)` of the last one before.
        after: Option<(Timestamp, EventId)>,
        /// At most this many.
        limit: u32,
    },
    /// Either: events of a site by their numbers, lowest first.
    EventsInOrder {
        /// The site.
        site: SiteLuid,
        /// Which of them.
        filter: EventFilter,
        /// Above this.
        after: u64,
        /// Not above this.
        through: u64,
        /// At most this many.
        limit: u32,
    },
    /// Either: one event.
    Event(EventId),
    /// Either: the highest number of an event; 0 without any.
    NewestSeq,
    /// Either: time of the newest event (R4: a start far behind it is refused).
    NewestEvent,
    /// Directory: whether a home number was ever given out.
    HomeNumberUsed(HomeNumber),
}

/// A store's answer to one [`Query`]; single rows come as zero or one element.
#[derive(Clone, Debug)]
pub enum Found {
    /// Sites.
    Sites(Vec<Site>),
    /// Users.
    Users(Vec<User>),
    /// Memberships.
    Memberships(Vec<Membership>),
    /// Members with their users.
    Members(Vec<(Membership, User)>),
    /// Passwords.
    Passwords(Vec<Password>),
    /// Second factors.
    Totps(Vec<Totp>),
    /// Invitations.
    Invitations(Vec<Invitation>),
    /// Tokens.
    Tokens(Vec<Token>),
    /// Sessions.
    Sessions(Vec<Session>),
    /// A token and the session that its row names.
    TokensAndSessions(Vec<(Token, Option<Session>)>),
    /// Events.
    Events(Vec<Event>),
    /// A time, where there is one.
    Time(Option<Timestamp>),
    /// One or two counts.
    Counts(u64, u64),
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// All of it is durable (R6); also the answer to a replay.
    Done,
    /// None of it happened.
    Conflict(Conflict),
}

/// Live digests that were made alike: their text is the same up to the salt.
#[derive(Clone, Debug)]
pub struct DigestGroup {
    /// `$scheme$params$salt` of any one of them.
    pub sample: String,
    /// How many there are.
    pub count: u64,
}

/// What a store says of its schema.
#[derive(Clone, Debug)]
pub struct SchemaStatus {
    /// The back end and where it is (no password).
    pub location: String,
    /// Migrations applied.
    pub applied: Vec<String>,
    /// Migrations that the plug-in knows and the store lacks.
    pub pending: Vec<String>,
}

/// A store instance: the directory, or the store of one site.
pub trait Store: Send + Sync {
    /// Name for logs, e.g. `directory` or `sites/<luid>`.
    fn name(&self) -> &str;
    /// Answers all queries from one consistent read, in their order.
    fn query(&self, queries: Vec<Query>) -> Answer<Result<Vec<Found>, StoreError>>;
    /// Applies one change; the answer comes when it is durable.
    fn apply(&self, changes: Changes) -> Answer<Result<Applied, StoreError>>;
    /// Events after a cursor, or after a position, in order, at most `limit`.
    fn outbox_take(
        &self,
        of: &Outlet,
        after: Option<u64>,
        limit: u32,
    ) -> Answer<Result<Vec<Waiting>, StoreError>>;
    /// Events after a position, in order, at most `limit`, whatever any cursor says.
    fn events_after(&self, position: u64, limit: u32) -> Answer<Result<Vec<Waiting>, StoreError>>;
    /// Moves a cursor, and keeps with it what the sink will never take.
    fn outbox_ack(&self, of: &Outlet, through: u64, dead: Vec<DeadLetter>) -> Answer<Result<(), StoreError>>;
    /// What waits for a sink in a scope.
    fn outbox_status(&self, sink: &str, scope: Scope) -> Answer<Result<OutboxStatus, StoreError>>;
    /// Dead letters after a position, in order, at most `limit`.
    fn dead_letters(
        &self,
        of: &Outlet,
        after: u64,
        limit: u32,
    ) -> Answer<Result<Vec<DeadLetter>, StoreError>>;
    /// Forgets dead letters of a sink by their positions; how many there were.
    fn dead_letters_forget(&self, sink: &str, positions: Vec<u64>) -> Answer<Result<u64, StoreError>>;
    /// Removes the oldest events of a scope up to a position, at most `limit`; how many there were.
    fn events_remove(&self, scope: Scope, through: u64, limit: u32) -> Answer<Result<u64, StoreError>>;
    /// Claims leases for `holder` and gives some back; who holds each of the claimed ones then.
    fn outbox_lease(
        &self,
        holder: Uuid,
        claims: Vec<LeaseClaim>,
        release: Vec<String>,
    ) -> Answer<Result<Vec<LeaseSeen>, StoreError>>;
    /// Whether other daemons may use it at the same time.
    fn is_shared(&self) -> bool {
        false
    }
    /// Whether it can serve.
    fn health(&self) -> Answer<Result<(), StoreError>>;
    /// What its schema is.
    fn schema(&self) -> Answer<Result<SchemaStatus, StoreError>>;
    /// Live digests by what they were made with: of a site's tokens, or of all passwords. `None` when it cannot say.
    fn digests(&self, site: Option<SiteLuid>) -> Answer<Result<Option<Vec<DigestGroup>>, StoreError>> {
        let _ = site;
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Writes a consistent copy to a file that does not exist yet (SQLite: `VACUUM INTO`).
    fn backup(&self, path: &str) -> Answer<Result<(), StoreError>>;
    /// Stops it: work in flight ends, files are closed.
    fn stop(&self) -> Answer<Result<(), StoreError>>;
    /// Why it refuses everything at the moment, if it does; asks nobody.
    fn unready(&self) -> Option<String> {
        None
    }
}

/// A person who is told of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub email: String,
    /// What the person is called.
    pub name: String,
}

/// By an event's id, who is told of it.
pub type Recipients = std::collections::BTreeMap<String, Vec<Recipient>>;

/// An audit sink instance. At least once, in order.
pub trait AuditSink: Send + Sync {
    /// The instance's name in the config; its cursor in each store.
    fn name(&self) -> &str;
    /// Delivers a batch of CloudEvents (JSON values, rendered by the service).
    fn deliver(&self, events: Vec<serde_json::Value>) -> Answer<Result<Delivered, SinkError>>;
    /// Whether it needs to know whom events concern.
    fn wants_recipients(&self) -> bool {
        false
    }
    /// As [`Self::deliver`], to a sink that [wants to know](Self::wants_recipients) whom events concern.
    fn deliver_to(
        &self,
        events: Vec<serde_json::Value>,
        recipients: Recipients,
    ) -> Answer<Result<Delivered, SinkError>> {
        let _ = recipients;
        self.deliver(events)
    }
    /// What it gets, and what happens when it takes nothing.
    fn terms(&self) -> std::sync::Arc<Terms>;
    /// Stops it after flushing.
    fn stop(&self) -> Answer<Result<(), SinkError>>;
    /// Why it refuses everything at the moment, if it does; asks nobody.
    fn unready(&self) -> Option<String> {
        None
    }
}

/// Opens a store for a site when the site appears.
pub trait StoreOpener: Send + Sync {
    /// Opens the store named `store` in the config for this site (or the directory: `site` is `None`).
    fn open(
        &self,
        store: &str,
        site: Option<SiteLuid>,
    ) -> Answer<Result<std::sync::Arc<dyn Store>, StoreError>>;
    /// The store of this name was stopped: the next `open` starts it anew.
    fn forget(&self, name: &str) {
        let _ = name;
    }
}
