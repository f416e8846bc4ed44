//! QUERY: what a store can be asked, and its answers.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rows::{Event, Invitation, Membership, Password, Session, Site, Token, Totp, User};
use crate::wire::{Micros, Nat};

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
    /// Open tokens whose absolute end is before a time, and those last used (never used: minted) before another →
    /// [`Found::Counts`].
    CountStale {
        /// Home site.
        site: Uuid,
        /// For the first number.
        expires_before: Micros,
        /// For the second.
        used_before: Micros,
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
    /// A site's open tokens with `due_at` not after `now`, the earliest first → [`Found::Tokens`].
    DueTokens {
        /// Home site.
        site: Uuid,
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
        /// Which of them.
        #[serde(default)]
        filter: EventFilter,
        /// `(time, id)` of the last row before.
        after: Option<(Micros, Uuid)>,
        /// At most this many.
        limit: u32,
    },
    /// Events of a site by their `seq`, lowest first → [`Found::Events`].
    EventsInOrder {
        /// The site.
        site: Uuid,
        /// Which of them.
        #[serde(default)]
        filter: EventFilter,
        /// Above this.
        after: Nat,
        /// Not above this.
        through: Nat,
        /// At most this many.
        limit: u32,
    },
    /// → [`Found::Events`].
    Event(Uuid),
    /// The highest `seq` of all events, 0 without any → [`Found::Counts`], second number 0.
    NewestSeq,
    /// Time of the newest event → [`Found::Time`].
    NewestEvent,
    /// Whether a home number was ever given out → [`Found::Counts`], first number 0 or 1.
    HomeNumberUsed(u32),
}

/// Which events are asked for: those for which all that is said holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    /// Of one of these types; none of them when the list is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// With this affected person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Uuid>,
    /// With this affected token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Uuid>,
    /// With this affected session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
    /// At this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Micros>,
    /// Before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Micros>,
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
