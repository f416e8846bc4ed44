//! OUTBOX_TAKE and OUTBOX_ACK: events in the order of their commits, and how far each sink has come.

use serde::{Deserialize, Serialize};

use crate::rows::Event;
use crate::wire::Nat;

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
