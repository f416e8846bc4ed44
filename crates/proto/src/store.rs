//! The contract of stores: factory `patd.store/1`, its operations and their payloads.
//!
//! Every request and answer is one JSON object with `schema: 1`; unknown members are ignored. A domain outcome
//! (`conflict`) is payload under status OK; statuses other than OK say that there is no answer.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rows::{Event, Invitation, Membership, Password, Session, Site, Token, Totp, User};
use crate::wire::{Micros, Nat, Phc};

/// The factory id.
pub const FACTORY: &str = "patd.store/1";
/// The schema version of these payloads.
pub const SCHEMA: u32 = 1;

/// Operation numbers.
pub mod op {
    /// Open, migrate if exclusive, get ready: [`super::Start`] → nothing.
    pub const START: u32 = 1;
    /// Finish work in flight and close everything: [`super::Empty`] → nothing.
    pub const STOP: u32 = 2;
    /// Whether it can serve: [`super::Empty`] → [`super::Empty`].
    pub const HEALTH: u32 = 3;
    /// [`super::Empty`] → [`super::SchemaStatus`].
    pub const SCHEMA_STATUS: u32 = 4;
    /// Apply the pending migrations: [`super::Empty`] → [`super::SchemaStatus`].
    pub const MIGRATE: u32 = 5;
    /// [`super::QueryRequest`] → [`super::QueryReply`].
    pub const QUERY: u32 = 256;
    /// [`super::ApplyRequest`] → [`super::ApplyReply`].
    pub const APPLY: u32 = 257;
    /// [`super::OutboxTake`] → [`super::OutboxBatch`].
    pub const OUTBOX_TAKE: u32 = 258;
    /// [`super::OutboxAck`] → [`super::Empty`].
    pub const OUTBOX_ACK: u32 = 259;
    /// Reserved: the change feed of shared engines.
    pub const FEED: u32 = 260;
    /// Reserved: the leases of shared engines.
    pub const LEASE: u32 = 261;
    /// [`super::Backup`] → [`super::Empty`].
    pub const BACKUP: u32 = 262;
}

/// What a store instance is for; it need keep only that role's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sites, people, credentials, invitations, sessions without a token, their events.
    Directory,
    /// Tokens, their sessions, their events.
    Site,
}

/// START.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// [`SCHEMA`].
    pub schema: u32,
    /// One role, or both when absent.
    pub role: Option<Role>,
}

/// A request or an answer that says nothing more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Empty {
    /// [`SCHEMA`].
    pub schema: u32,
}

/// Answer to SCHEMA_STATUS and MIGRATE.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SchemaStatus {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The back end and where it is, without a password.
    pub location: String,
    /// Migrations applied, in order.
    pub applied: Vec<String>,
    /// Migrations known and not applied, in order.
    pub pending: Vec<String>,
}

/// QUERY.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueryRequest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Answered in order, from one consistent read.
    pub queries: Vec<Query>,
}

/// Answer to QUERY.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueryReply {
    /// [`SCHEMA`].
    pub schema: u32,
    /// One for each query.
    pub found: Vec<Found>,
}

/// APPLY.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The unit of work.
    pub changes: Changes,
}

/// Answer to APPLY.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApplyReply {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What became of it.
    pub applied: Applied,
}

/// OUTBOX_TAKE.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxTake {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Whose cursor; a sink that never acknowledged starts at the oldest event.
    pub sink: String,
    /// Read after this position instead of after the cursor, which stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Nat>,
    /// At most this many.
    pub limit: u32,
}

/// Answer to OUTBOX_TAKE: events after the cursor, oldest position first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxBatch {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The events.
    pub events: Vec<Waiting>,
}

/// An event in the outbox.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Rises within a store in commit order.
    pub position: Nat,
    /// The event.
    pub event: Event,
}

/// OUTBOX_ACK: the cursor moves to `through`, never back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxAck {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Whose cursor.
    pub sink: String,
    /// The last position delivered.
    pub through: Nat,
}

/// BACKUP: a consistent copy into a file that does not exist yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backup {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Absolute path.
    pub path: String,
}

/// A row of one of the closed row types.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// Directory.
    Site(Site),
    /// Directory.
    User(User),
    /// Directory.
    Membership(Membership),
    /// Directory.
    Password(Password),
    /// Directory.
    Totp(Totp),
    /// Directory.
    Invitation(Invitation),
    /// Site store.
    Token(Token),
    /// Site store with a token, directory without.
    Session(Session),
}

/// A row's primary key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKey {
    /// By LUID.
    Site(Uuid),
    /// By LUID.
    User(Uuid),
    /// By site and user.
    Membership(Uuid, Uuid),
    /// By user.
    Password(Uuid),
    /// By user.
    Totp(Uuid),
    /// By id.
    Invitation(Uuid),
    /// By id.
    Token(Uuid),
    /// By id.
    Session(Uuid),
}

impl Row {
    /// The row's primary key.
    #[must_use]
    pub fn key(&self) -> RowKey {
        match self {
            Self::Site(r) => RowKey::Site(r.luid),
            Self::User(r) => RowKey::User(r.luid),
            Self::Membership(r) => RowKey::Membership(r.site, r.user),
            Self::Password(r) => RowKey::Password(r.user),
            Self::Totp(r) => RowKey::Totp(r.user),
            Self::Invitation(r) => RowKey::Invitation(r.id),
            Self::Token(r) => RowKey::Token(r.id),
            Self::Session(r) => RowKey::Session(r.id),
        }
    }

    /// The row's version.
    #[must_use]
    pub fn version(&self) -> Nat {
        match self {
            Self::Site(r) => r.version,
            Self::User(r) => r.version,
            Self::Membership(r) => r.version,
            Self::Password(r) => r.version,
            Self::Totp(r) => r.version,
            Self::Invitation(r) => r.version,
            Self::Token(r) => r.version,
            Self::Session(r) => r.version,
        }
    }
}

/// Something that must hold. Every update and delete also expects the version that it carries.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// This row has this version.
    Version {
        /// The row.
        row: RowKey,
        /// The version that was read.
        version: Nat,
    },
    /// No such row.
    Absent(RowKey),
    /// At most `max` of the owner's tokens at this site are not ended, counted before the writes.
    LiveTokensAtMost {
        /// Home site.
        site: Uuid,
        /// Owner.
        owner: Uuid,
        /// The bound.
        max: u32,
        /// Tokens that do not count.
        besides: Vec<Uuid>,
    },
}

/// One write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// A new row, stored with version 1.
    Insert(Row),
    /// The whole row; its version is the one that was read, the store keeps one more.
    Update(Row),
    /// The row goes.
    Delete {
        /// The row.
        row: RowKey,
        /// The version that was read.
        version: Nat,
    },
    /// A token's digest, if it still is `old`; the version stays.
    RehashToken {
        /// The token.
        id: Uuid,
        /// What was read.
        old: Phc,
        /// What to keep.
        new: Phc,
    },
    /// A password's digest, if it still is `old`; the version stays.
    RehashPassword {
        /// Whose.
        user: Uuid,
        /// What was read.
        old: Phc,
        /// What to keep.
        new: Phc,
    },
}

/// The unit of work: if all expectations hold, all writes and events are applied, else none. Applying the same
/// `id` twice is applying it once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Changes {
    /// The idempotency key.
    pub id: Uuid,
    /// What must hold.
    pub expect: Vec<Expect>,
    /// What to write, in order.
    pub write: Vec<Write>,
    /// What to append.
    pub events: Vec<Event>,
}

/// Why a change was not applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// The row is not the one that was read.
    Row {
        /// Which.
        row: RowKey,
        /// What it is now; absent when there is none.
        current: Option<Box<Row>>,
    },
    /// The owner has too many live tokens.
    TooManyTokens,
    /// The owner has a live token of this name.
    TokenNameTaken(String),
    /// Somebody has this user name.
    UsernameTaken,
    /// Another uniqueness rule, by its name.
    Unique(String),
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applied {
    /// All of it is durable; also the answer to a replay.
    Done,
    /// None of it happened.
    Conflict(Conflict),
}

/// What a store can be asked. Rows of other sites never match.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// All sites, whatever their state, by key → [`Found::Sites`].
    Sites,
    /// → [`Found::Users`].
    User(Uuid),
    /// By folded name → [`Found::Users`].
    UserByName(String),
    /// Site, user → [`Found::Memberships`].
    Membership(Uuid, Uuid),
    /// Every membership of a person, removed ones too → [`Found::Memberships`].
    MembershipsOf(Uuid),
    /// Members that are not removed, by folded user name → [`Found::Members`].
    MembersOf {
        /// The site.
        site: Uuid,
        /// Folded user name of the last row before.
        after: Option<String>,
        /// Rows skipped.
        offset: u32,
        /// At most this many.
        limit: u32,
    },
    /// How many members `MembersOf` can list → [`Found::Counts`], second number 0.
    CountMembers(Uuid),
    /// → [`Found::Passwords`].
    Password(Uuid),
    /// → [`Found::Totps`].
    Totp(Uuid),
    /// → [`Found::Invitations`].
    Invitation(Uuid),
    /// Unspent invitations of a person to a site, or recoveries without a site → [`Found::Invitations`].
    OpenInvitations {
        /// Whose.
        user: Uuid,
        /// The site, or none.
        site: Option<Uuid>,
    },
    /// → [`Found::Tokens`].
    Token(Uuid),
    /// → [`Found::Sessions`].
    Session(Uuid),
    /// A token and the session that its row names → [`Found::TokenAndSession`].
    TokenAndSession(Uuid),
    /// Tokens that are not ended, oldest first → [`Found::Tokens`].
    OpenTokensOf {
        /// Home site.
        site: Uuid,
        /// Owner.
        owner: Uuid,
    },
    /// Tokens of a site, newest first → [`Found::Tokens`].
    Tokens {
        /// Home site.
        site: Uuid,
        /// Owner, or all.
        owner: Option<Uuid>,
        /// Also those that ended at or after this.
        ended_since: Option<Micros>,
        /// `(created_at, id)` of the last row before.
        after: Option<(Micros, Uuid)>,
        /// At most this many.
        limit: u32,
    },
    /// Open tokens minted before a time, and their sessions that are not ended → [`Found::Counts`].
    CountMintedBefore {
        /// Home site.
        site: Uuid,
        /// The time.
        before: Micros,
    },
    /// Sessions neither ended nor past their natural end, by id → [`Found::Sessions`].
    LiveSessions {
        /// Not past at this time.
        now: Micros,
        /// Last id of the page before.
        after: Option<Uuid>,
        /// At most this many.
        limit: u32,
    },
    /// Open tokens past an end at `now` → [`Found::Tokens`].
    ExpiredTokens {
        /// The time.
        now: Micros,
        /// At most this many.
        limit: u32,
    },
    /// Session rows whose natural end is before a time → [`Found::Sessions`].
    PastSessions {
        /// The time.
        before: Micros,
        /// At most this many.
        limit: u32,
    },
    /// Events of a site, newest first → [`Found::Events`].
    Events {
        /// The site.
        site: Uuid,
        /// `(time, id)` of the last row before.
        after: Option<(Micros, Uuid)>,
        /// At most this many.
        limit: u32,
    },
    /// Time of the newest event → [`Found::Time`].
    NewestEvent,
    /// Whether a home number was ever given out → [`Found::Counts`], first number 0 or 1.
    HomeNumberUsed(u32),
}

/// A member with its user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The membership.
    pub membership: Membership,
    /// The user.
    pub user: User,
}

/// A token with the session that its row names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TokenAndSession {
    /// The token.
    pub token: Token,
    /// The session.
    pub session: Option<Session>,
}

/// The answer to one [`Query`]; single rows come as zero or one element.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Sites.
    Sites(Vec<Site>),
    /// Users.
    Users(Vec<User>),
    /// Memberships.
    Memberships(Vec<Membership>),
    /// Members with their users.
    Members(Vec<Member>),
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
    /// A token and its session.
    TokenAndSession(Option<Box<TokenAndSession>>),
    /// Events.
    Events(Vec<Event>),
    /// A time.
    Time(Option<Micros>),
    /// One or two counts.
    Counts(Nat, Nat),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_read_as_the_contract_says_and_ignore_unknown_members() {
        let id = Uuid::from_u128(7);
        let request = QueryRequest {
            schema: SCHEMA,
            queries: vec![
                Query::Sites,
                Query::Membership(id, id),
                Query::Tokens {
                    site: id,
                    owner: None,
                    ended_since: None,
                    after: Some((Micros(5), id)),
                    limit: 2,
                },
            ],
        };
        let text = serde_json::to_string(&request).expect("serializes");
        let u = "00000000-0000-0000-0000-000000000007";
        assert_eq!(
            text,
            format!(
                r#"{{"schema":1,"queries":["sites",{{"membership":["{u}","{u}"]}},{{"tokens":{{"site":"{u}","owner":null,"ended_since":null,"after":[5,"{u}"],"limit":2}}}}]}}"#
            )
        );
        let newer =
            text.replace("\"limit\":2", "\"limit\":2,\"later\":true").replace("\"ended_since\":null,", "");
        let read: QueryRequest = serde_json::from_str(&newer).expect("reads");
        assert_eq!(read.queries, request.queries);
        let done = serde_json::to_string(&ApplyReply { schema: SCHEMA, applied: Applied::Done })
            .expect("serializes");
        assert_eq!(done, r#"{"schema":1,"applied":"done"}"#);
    }
}
