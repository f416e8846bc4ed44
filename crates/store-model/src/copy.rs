//! What EXPORT and IMPORT mean. Must never judge a piece: versions and positions are kept as they are.

use std::cmp::Ordering;

use patd_proto::store::{Export, Exported, Piece, Row, SCHEMA, Scope, Tally, Waiting};
use patd_proto::wire::Nat;
use uuid::Uuid;

use crate::Memory;

impl Memory {
    /// Everything, in the order of EXPORT.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        let rows = self.rows.values().cloned().map(Piece::Row);
        let events = self.waiting(None, 0).map(Piece::Event);
        let last = self.positions.last().copied().unwrap_or(0);
        let cursors = self.cursors.iter().map(|((sink, scope), through)| Piece::Cursor {
            sink: cursor_name(sink, *scope),
            through: Nat(last.min(*through)),
        });
        let letters = self
            .letters
            .iter()
            .map(|((sink, _), letter)| Piece::DeadLetter { sink: sink.clone(), letter: letter.clone() });
        let mut all: Vec<_> = rows.chain(events).chain(cursors).chain(letters).collect();
        all.sort_by(in_order);
        all
    }

    /// Some of it, and where to go on: after how many pieces. `None` for a place that is none.
    #[must_use]
    pub fn export(&self, request: &Export) -> Option<Exported> {
        let all = self.pieces();
        let after = request.after.as_deref().map_or(Some(0), |after| after.parse().ok())?;
        let end = all.len().min(after + request.limit.max(1) as usize);
        let pieces = all.get(after..end)?.to_vec();
        let whole = end == all.len();
        Some(Exported {
            schema: SCHEMA,
            pieces,
            next: (!whole).then(|| end.to_string()),
            has: whole.then(|| tally(&all)),
        })
    }

    /// Adds pieces as they are; `false` when one of them is there already or fits nowhere, and then part of them may be in.
    pub fn import(&mut self, pieces: Vec<Piece>) -> bool {
        pieces.into_iter().all(|piece| self.add(piece))
    }

    fn add(&mut self, piece: Piece) -> bool {
        match piece {
            Piece::Row(row) => self.rows.insert(row.key(), row).is_none(),
            Piece::Event(Waiting { position, event }) => {
                let rises = self.positions.last().is_none_or(|last| *last < position.0);
                let new = self.applied.insert(event.id);
                self.positions.push(position.0);
                self.events.push(event);
                rises && new
            }
            Piece::Cursor { sink, through } => {
                cursor_key(&sink).is_some_and(|key| self.cursors.insert(key, through.0).is_none())
            }
            Piece::DeadLetter { sink, letter } => {
                self.letters.insert((sink, letter.position.0), letter).is_none()
            }
        }
    }
}

/// How many pieces of each kind these are.
#[must_use]
pub fn tally(pieces: &[Piece]) -> Tally {
    let mut tally = Tally::default();
    pieces.iter().for_each(|piece| tally.add(piece));
    tally
}

/// Which of two pieces EXPORT gives first.
#[must_use]
pub fn in_order(one: &Piece, other: &Piece) -> Ordering {
    kind(one).cmp(&kind(other)).then_with(|| key(one).cmp(&key(other)))
}

fn kind(piece: &Piece) -> u8 {
    match piece {
        Piece::Row(Row::Site(_)) => 0,
        Piece::Row(Row::User(_)) => 1,
        Piece::Row(Row::Membership(_)) => 2,
        Piece::Row(Row::Password(_)) => 3,
        Piece::Row(Row::Totp(_)) => 4,
        Piece::Row(Row::Invitation(_)) => 5,
        Piece::Row(Row::Token(_)) => 6,
        Piece::Row(Row::Session(_)) => 7,
        Piece::Event(_) => 8,
        Piece::Cursor { .. } => 9,
        Piece::DeadLetter { .. } => 10,
    }
}

/// A piece's key among those of its kind.
fn key(piece: &Piece) -> (&str, Option<(Uuid, Option<Uuid>)>, u64) {
    match piece {
        Piece::Row(row) => ("", Some(row.key().ids()), 0),
        Piece::Event(waiting) => ("", None, waiting.position.0),
        Piece::Cursor { sink, .. } => (sink, None, 0),
        Piece::DeadLetter { sink, letter } => (sink, None, letter.position.0),
    }
}

fn cursor_name(sink: &str, scope: Option<Scope>) -> String {
    match scope {
        None => sink.to_owned(),
        Some(Scope::Directory) => format!("{sink}/directory"),
        Some(Scope::Site(site)) => format!("{sink}/{site}"),
    }
}

fn cursor_key(name: &str) -> Option<(String, Option<Scope>)> {
    let Some((sink, scope)) = name.rsplit_once('/') else { return Some((name.to_owned(), None)) };
    let scope = match scope {
        "directory" => Scope::Directory,
        site => Scope::Site(site.parse().ok()?),
    };
    Some((sink.to_owned(), Some(scope)))
}
