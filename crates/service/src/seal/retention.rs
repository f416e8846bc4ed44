//! What of a chain may be let go: a fold over its events, from the oldest on.
//!
//! Whole stretches only, and only such as are found to be as they were sealed. It must never let go of anything behind an event
//! that has to stay.

use std::collections::{HashSet, VecDeque};

use super::canonical::Hash;
use super::checkpoint::{Checkpoint, Leaf};

/// An event of the chain, as the fold takes it.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Its position in the store.
    pub position: u64,
    /// Its id and hash.
    pub leaf: Leaf,
    /// The checkpoint of this chain in it, if one of our keys signed it.
    pub checkpoint: Option<&'a Checkpoint>,
    /// Whether it may go, as far as the event itself is concerned.
    pub may_go: bool,
}

/// The oldest events of a chain.
#[derive(Debug)]
pub struct Oldest {
    /// The first checkpoint whose events are kept, as the newest checkpoint says.
    signed: u64,
    /// The checkpoint that was read last: its number and hash.
    last: Option<(u64, Hash)>,
    /// Events that no checkpoint has covered yet.
    uncovered: VecDeque<Uncovered>,
    first: Option<u64>,
    /// Something would go that is no checkpoint: a beginning that is said brings a checkpoint, which must not bring a further one.
    worth_it: bool,
    /// An event was read that has to stay.
    stays: bool,
    found: Found,
}

#[derive(Clone, Copy, Debug)]
struct Uncovered {
    position: u64,
    leaf: Leaf,
    may_go: bool,
    checkpoint: bool,
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// Everything of the chain up to this position was let go already, and some of it is still there.
    pub gone: Option<u64>,
    /// The number that the next checkpoint may say the chain begins with.
    pub begins: Option<u64>,
    /// The number of the first checkpoint whose stretch is not as it was sealed. It stays, and everything after it.
    pub damaged: Option<u64>,
}

impl Oldest {
    /// Before the first event. `signed`: where the chain begins, as its newest checkpoint says.
    #[must_use]
    pub fn new(signed: u64) -> Self {
        Self {
            signed: signed.max(1),
            last: None,
            uncovered: VecDeque::new(),
            first: None,
            worth_it: false,
            stays: false,
            found: Found::default(),
        }
    }

    /// Takes the next event, in order of position; whether further ones can change what is found.
    pub fn read(&mut self, event: &Seen<'_>) -> bool {
        self.first.get_or_insert(event.position);
        if let Some(checkpoint) = event.checkpoint {
            if checkpoint.content.seq < self.signed {
                self.pass(checkpoint);
            } else if !self.close(checkpoint, event.position) {
                self.found.damaged = Some(checkpoint.content.seq);
            }
            self.last = Some((checkpoint.content.seq, checkpoint.hash));
        }
        self.uncovered.push_back(Uncovered {
            position: event.position,
            leaf: event.leaf,
            may_go: event.may_go,
            checkpoint: event.checkpoint.is_some(),
        });
        self.found.damaged.is_none() && !self.stays
    }

    /// What was found so far.
    #[must_use]
    pub fn found(&self) -> Found {
        self.found
    }

    /// A checkpoint whose events were let go: some of them may be there still.
    fn pass(&mut self, checkpoint: &Checkpoint) {
        let covered: HashSet<_> = checkpoint.content.events.iter().map(|leaf| leaf.id).collect();
        let through = self.uncovered.iter().rposition(|one| covered.contains(&one.leaf.id));
        self.uncovered.drain(..through.map_or(0, |at| at + 1));
    }

    /// A checkpoint whose events are kept; whether all of them are there as they were sealed, with nothing between.
    fn close(&mut self, checkpoint: &Checkpoint, position: u64) -> bool {
        let content = &checkpoint.content;
        let follows = match self.last {
            Some((seq, hash)) => content.seq == seq + 1 && content.previous == Some(hash),
            None => content.seq == 1,
        };
        let leaves = &content.events;
        if content.seq == self.signed && self.signed > 1 {
            // What is left of those before it.
            let begin = leaves
                .first()
                .and_then(|first| self.uncovered.iter().position(|one| one.leaf.id == first.id));
            self.uncovered.drain(..begin.unwrap_or(0));
        }
        let begin = self.uncovered.front().map_or(position, |one| one.position);
        let there = self.uncovered.iter().take(leaves.len()).map(|one| &one.leaf);
        if !follows || !there.eq(leaves) {
            return false;
        }
        if content.seq == self.signed && self.first.is_some_and(|first| first < begin) {
            self.found.gone = Some(begin - 1);
        }
        for one in self.uncovered.drain(..leaves.len()) {
            self.stays |= !one.may_go;
            self.worth_it |= !one.checkpoint;
        }
        if self.worth_it && !self.stays {
            self.found.begins = Some(content.seq + 1);
        }
        true
    }
}

#[cfg(test)]
mod tests;
