//! EXPORT and IMPORT: a whole store, piece by piece, into an empty one, whatever engines the two have.
//!
//! For stores that nothing else uses meanwhile. A store without these operations answers UNSUPPORTED: it can be used, but
//! not be copied from or to.

use serde::{Deserialize, Serialize};

use super::{DeadLetter, Row, Waiting};
use crate::wire::Nat;

/// EXPORT: the pieces after a place, in order: rows by kind as [`Tally`] lists the kinds and by key within a kind,
/// events by position, cursors by sink, dead letters by sink and position.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Export {
    /// [`super::SCHEMA`].
    pub schema: u32,
    /// `next` of the answer before; absent at the start. Only the store knows what it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// About as many pieces; an answer may have fewer, and none, without being the last.
    pub limit: u32,
}

/// Answer to EXPORT.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exported {
    /// [`super::SCHEMA`].
    pub schema: u32,
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// Where to go on; absent when this was the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// With the last answer: how many pieces of each kind the store has, counted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has: Option<Tally>,
}

/// IMPORT. The first of a copy finds an empty store (another is INVALID and stays as it is), each adds its pieces as they are (versions and positions too), the
/// last one has `finish`. Until that is answered with OK nothing is kept: any failure, STOP or crash before takes
/// everything back. New events get positions after those imported.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Import {
    /// [`super::SCHEMA`].
    pub schema: u32,
    /// What to add.
    pub pieces: Vec<Piece>,
    /// What the store must have in the end; kept only if it counts the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Tally>,
}

/// A piece of a store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// A row, with its version.
    Row(Row),
    /// An event, with its position.
    Event(Waiting),
    /// How far a sink has come, at most the position of the last event.
    Cursor {
        /// Whose: the sink's name for the cursor of all events, `name/directory` and `name/LUID` for that of a scope. Names
        /// of sinks have no `/`.
        sink: String,
        /// Delivered up to here.
        through: Nat,
    },
    /// An event that a sink will never take.
    DeadLetter {
        /// Whose.
        sink: String,
        /// The letter.
        letter: DeadLetter,
    },
}

/// Pieces of each kind.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Sites.
    pub sites: u64,
    /// Users.
    pub users: u64,
    /// Memberships.
    pub memberships: u64,
    /// Passwords.
    pub passwords: u64,
    /// Second factors.
    pub totps: u64,
    /// Invitations.
    pub invitations: u64,
    /// Tokens.
    pub tokens: u64,
    /// Sessions.
    pub sessions: u64,
    /// Events.
    pub events: u64,
    /// Cursors of sinks.
    pub cursors: u64,
    /// Dead letters of sinks.
    pub dead_letters: u64,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, piece: &Piece) {
        let kind = match piece {
            Piece::Row(Row::Site(_)) => &mut self.sites,
            Piece::Row(Row::User(_)) => &mut self.users,
            Piece::Row(Row::Membership(_)) => &mut self.memberships,
            Piece::Row(Row::Password(_)) => &mut self.passwords,
            Piece::Row(Row::Totp(_)) => &mut self.totps,
            Piece::Row(Row::Invitation(_)) => &mut self.invitations,
            Piece::Row(Row::Token(_)) => &mut self.tokens,
            Piece::Row(Row::Session(_)) => &mut self.sessions,
            Piece::Event(_) => &mut self.events,
            Piece::Cursor { .. } => &mut self.cursors,
            Piece::DeadLetter { .. } => &mut self.dead_letters,
        };
        *kind += 1;
    }

    /// All pieces.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sites
            + self.users
            + self.memberships
            + self.passwords
            + self.totps
            + self.invitations
            + self.tokens
            + self.sessions
            + self.events
            + self.cursors
            + self.dead_letters
    }
}
