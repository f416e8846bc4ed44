//! APPLY: the unit of work, and what became of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Row, RowKey};
use crate::rows::Event;
use crate::wire::{Nat, Phc};

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
