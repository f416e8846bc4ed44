//! Audit events: what happened, to whom, by whom, from where. Never a secret.

pub use crate::event_type::{EventType, Ocsf, Severity};
use crate::id::{EventId, SessionId, SiteLuid, TokenId, UserLuid};
use crate::time::Timestamp;

/// Why a token or a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// Its token signed in again.
    Superseded,
    /// Its holder signed out.
    SignedOut,
    /// Switched to another site.
    Switched,
    /// Revoked: itself, its token, or by an epoch.
    Revoked,
    /// Revoked because its token's secret was reported as leaked.
    Leaked,
    /// The token lay unused too long.
    ExpiredIdle,
    /// The token reached its absolute end.
    ExpiredAbsolute,
    /// The session reached its natural end.
    Expired,
}

impl EndReason {
    /// The name on the wire and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::SignedOut => "signed-out",
            Self::Switched => "switched",
            Self::Revoked => "revoked",
            Self::Leaked => "leaked",
            Self::ExpiredIdle => "expired-idle",
            Self::ExpiredAbsolute => "expired-absolute",
            Self::Expired => "expired",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        use EndReason as R;
        let all = [
            R::Superseded,
            R::SignedOut,
            R::Switched,
            R::Revoked,
            R::Leaked,
            R::ExpiredIdle,
            R::ExpiredAbsolute,
            R::Expired,
        ];
        all.into_iter().find(|r| r.as_str() == text)
    }
}

/// Who did it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A signed-in person, with the name of that moment.
    User {
        /// Who.
        luid: UserLuid,
        /// The name then.
        username: String,
    },
    /// Whoever runs the daemon.
    Operator,
    /// patd itself (the sweeper, a start).
    System,
    /// Nobody known (a failed sign-in).
    Anonymous,
}

/// Where a request came from, for its events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// The client's address as text; empty when there is none.
    pub address: String,
    /// The `User-Agent`, cut to 256 characters.
    pub user_agent: String,
}

/// Which of a token's two ends a notice is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TokenEnd {
    /// It lies unused too long.
    Idle,
    /// Its absolute end.
    Absolute,
}

impl TokenEnd {
    /// The name on the wire and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Absolute => "absolute",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Idle, Self::Absolute].into_iter().find(|end| end.as_str() == text)
    }
}

/// What events of some types tell besides. The members are an allow-list: there is no room for anything else.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Detail {
    /// Which end comes near.
    pub ends: Option<TokenEnd>,
    /// Whole days until then.
    pub days: Option<u32>,
    /// When the token ends, if nothing happens before.
    pub ends_at: Option<Timestamp>,
    /// The token's name.
    pub token_name: Option<String>,
    /// A network in CIDR notation.
    pub network: Option<String>,
    /// Where a leak was found, as the reporter tells it.
    pub found_at: Option<String>,
    /// Live tokens of the site.
    pub tokens: Option<u32>,
    /// Tokens of the site that end within 30 days.
    pub expiring: Option<u32>,
    /// Tokens of the site that were not used for 7 days.
    pub unused: Option<u32>,
    /// A site's `not_before` from now on: what was minted before it is dead.
    pub not_before: Option<Timestamp>,
    /// What it was until then.
    pub not_before_was: Option<Timestamp>,
    /// A signed checkpoint, as JSON text whose bytes are what was signed.
    pub seal: Option<String>,
}

/// One audit event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Unique; time-ordered.
    pub id: EventId,
    /// When.
    pub time: Timestamp,
    /// The site whose admins see it; `None` for a person's own affairs.
    pub site: Option<SiteLuid>,
    /// What.
    pub kind: EventType,
    /// By whom.
    pub actor: Actor,
    /// The affected person.
    pub user: Option<UserLuid>,
    /// The affected token.
    pub token: Option<TokenId>,
    /// The affected session.
    pub session: Option<SessionId>,
    /// From where.
    pub origin: Origin,
    /// Why, or what changed; short text, never a secret.
    pub reason: String,
    /// How many times (only `signin.failed` counts above 1).
    pub count: u32,
    /// What this type tells besides.
    pub detail: Option<Box<Detail>>,
    /// The place in the order of commits, over all stores of one daemon; 0 until the change is handed to its store.
    pub seq: u64,
}

impl Event {
    /// An event of patd itself, about nobody, from nowhere; what it tells besides is put into it.
    #[must_use]
    pub fn new(id: EventId, time: Timestamp, kind: EventType, site: Option<SiteLuid>) -> Self {
        Self {
            id,
            time,
            site,
            kind,
            actor: Actor::System,
            user: None,
            token: None,
            session: None,
            origin: Origin::default(),
            reason: String::new(),
            count: 1,
            detail: None,
            seq: 0,
        }
    }
}
