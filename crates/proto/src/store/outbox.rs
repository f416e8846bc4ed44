//! The outbox: events in the order of their commits, how far each sink has come, what a sink will never take, and which
//! daemon brings a sink its events.
//!
//! A sink has a cursor per [`Scope`], so that what holds up one site holds up no other.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rows::Event;
use crate::wire::{Micros, Nat};

/// Which of a store's events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those of no site.
    Directory,
    /// Those of this site.
    Site(Uuid),
}

impl Scope {
    /// The scope that an event belongs to.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        event.site.map_or(Self::Directory, Self::Site)
    }

    /// The site, where there is one.
    #[must_use]
    pub fn site(self) -> Option<Uuid> {
        match self {
            Self::Directory => None,
            Self::Site(site) => Some(site),
        }
    }
}

/// OUTBOX_TAKE.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxTake {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Whose cursor; a sink that never acknowledged starts at the oldest event.
    pub sink: String,
    /// Only these events, after the cursor that the sink has for them; absent: all events, after the sink's cursor for all.
    /// The cursor for all counts for each scope as well, where it is further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Read after this position instead of after the cursor, which stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Nat>,
    /// At most this many.
    pub limit: u32,
}

/// Answer to OUTBOX_TAKE: events after the cursor, oldest position first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxBatch {
    /// [`SCHEMA`](super::SCHEMA).
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

/// OUTBOX_ACK: the cursor moves to `through`, never back, and the dead letters are kept, in one atomic write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxAck {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Whose cursor.
    pub sink: String,
    /// Which of its cursors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The last position delivered.
    pub through: Nat,
    /// Events up to `through` that the sink will never take. One that is kept already stays as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<DeadLetter>,
}

/// An event that a sink will never take.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its position in the outbox.
    pub position: Nat,
    /// The event as it was.
    pub event: Event,
    /// What the sink said of it.
    pub reason: String,
    /// When.
    pub at: Micros,
}

/// OUTBOX_STATUS.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxAsk {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Which sink.
    pub sink: String,
    /// Which of its cursors.
    pub scope: Scope,
}

/// Answer to OUTBOX_STATUS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutboxStatus {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Delivered up to here; 0 before the first.
    pub through: Nat,
    /// Events after it.
    pub waiting: Nat,
    /// Time of the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Micros>,
    /// Dead letters of this sink and scope.
    pub dead: Nat,
}

/// DEAD_LETTERS: a sink's dead letters by position.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLettersAsk {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Which sink's.
    pub sink: String,
    /// Only those of this scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Only those after this position.
    pub after: Nat,
    /// At most this many.
    pub limit: u32,
}

/// Answer to DEAD_LETTERS.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetters {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Oldest position first.
    pub letters: Vec<DeadLetter>,
}

/// DEAD_LETTERS_FORGET: these dead letters of a sink are no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLettersForget {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Which sink's.
    pub sink: String,
    /// Which; one that does not exist does no harm.
    pub positions: Vec<Nat>,
}

/// Answer to DEAD_LETTERS_FORGET.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct DeadLettersForgotten {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// How many there were of them.
    pub forgotten: Nat,
}

/// OUTBOX_LEASE: of several daemons on one store, one pumps for a sink and scope. All claims are one atomic write.
///
/// The store looks at no clock. A claim is granted when nobody holds the lease, when `holder` holds it, or when it still is
/// as `seen`: then its holder has not renewed it since `holder` looked, which has waited long enough by its own clock. Each
/// grant raises the beat, so that a lease that was renewed never looks as before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxLease {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Who asks: another id in each life of a daemon.
    pub holder: Uuid,
    /// What it wants to hold, or goes on holding.
    pub claims: Vec<LeaseClaim>,
    /// Leases that it gives back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub release: Vec<String>,
}

/// A claim.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaseClaim {
    /// The name of the lease, at most 200 bytes.
    pub name: String,
    /// What the lease was when the claimant saw it first, if it is another's and has not been renewed for too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<LeaseSeen>,
}

/// Who holds a lease, and how often it was granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaseSeen {
    /// The holder.
    pub holder: Uuid,
    /// Rises with each grant.
    pub beat: Nat,
}

/// Answer to OUTBOX_LEASE.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutboxLeases {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Who holds each of the claimed leases now, in the order of the claims.
    pub leases: Vec<LeaseSeen>,
}

/// EVENTS_REMOVE: the oldest events of a scope are no more, in one atomic write; cursors and dead letters stay as they are, and
/// positions are never given again. It is told what may go and judges nothing; it never removes the newest event of all.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct EventsRemove {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Only these events.
    pub scope: Scope,
    /// Only those up to this position.
    pub through: Nat,
    /// At most this many, those with the lowest positions.
    pub limit: u32,
}

/// Answer to EVENTS_REMOVE.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventsRemoved {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// How many there were of them; fewer than the limit when no more are left.
    pub removed: Nat,
}
