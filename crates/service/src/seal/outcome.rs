//! What a check is asked and what it answers.

use std::collections::HashSet;

use uuid::Uuid;

use super::canonical::Hash;
use super::checkpoint::{Chain, Checkpoint, Leaf};

/// What kind of copy is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Copy {
    /// A store: the events of one source are one chain, each is there once.
    Store,
    /// A file that a sink wrote: chains of two stores may be mixed, an event may come again, it may begin anywhere. `filtered`:
    /// the sink takes some types only.
    File {
        /// Events may be missing because the sink does not take their type.
        filtered: bool,
        /// It has lost what its sink removed of it: it may begin in the middle of a chain's first stretch.
        shortened: bool,
    },
}

/// What the stores have, for the check of a file: an event that is in them may still wait for its checkpoint.
#[derive(Clone, Copy, Debug)]
pub enum Stores<'a> {
    /// That is not known: an event may wait for a minute of the trail's time.
    Unknown,
    /// These ids, and since they were read a daemon may have written more.
    Running(&'a HashSet<Uuid>),
    /// These ids and no others.
    Stopped(&'a HashSet<Uuid>),
}

/// How far a chain was known to go: noted apart from the trail, so that a cut at the end is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The chain.
    pub chain: Chain,
    /// The number of its newest checkpoint.
    pub seq: u64,
    /// That one's hash.
    pub hash: Hash,
}

/// What happened to an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Its content is another one.
    Changed,
    /// It is not there.
    Dropped,
    /// It is in another place.
    Swapped,
    /// The trail ends, or begins, before it should.
    Cut,
    /// The checkpoint is not signed by one of the keys.
    Forged,
    /// It was never sealed, though later ones were.
    Inserted,
    /// What is there is no event.
    Unreadable,
}

impl Fault {
    /// One word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Dropped => "dropped",
            Self::Swapped => "swapped",
            Self::Cut => "cut",
            Self::Forged => "forged",
            Self::Inserted => "inserted",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The first event that is not as it was sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bad {
    /// Its id; of an event that cannot be known any more, the id of the checkpoint that sealed it.
    pub id: Option<Uuid>,
    /// Where it is, or was: the position in the store, the line in the file.
    pub position: u64,
    /// What happened to it.
    pub fault: Fault,
    /// The chain and the number of the checkpoint in whose stretch it is.
    pub stretch: Option<(Chain, u64)>,
    /// What is there of the stretch, for [`Bad::explained_by`].
    pub(super) present: Vec<Leaf>,
}

impl Bad {
    /// Whether another copy's checkpoint of the same stretch can say more.
    #[must_use]
    pub fn is_vague(&self) -> bool {
        !self.present.is_empty() || matches!(self.fault, Fault::Cut | Fault::Forged)
    }

    /// The same fault with the event named that the genuine checkpoint of this stretch, from another copy, shows to be
    /// missing or changed.
    #[must_use]
    pub fn explained_by(mut self, genuine: &Checkpoint) -> Self {
        for leaf in &genuine.content.events {
            match self.present.iter().find(|present| present.id == leaf.id) {
                Some(present) if present.hash == leaf.hash => {}
                Some(_) => return Self { id: Some(leaf.id), fault: Fault::Changed, ..self },
                None => {
                    self.id = Some(leaf.id);
                    return self;
                }
            }
        }
        self
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Events read, checkpoints among them.
    pub checked: u64,
    /// The first that is not as it was sealed.
    pub first_bad: Option<Bad>,
    /// Events after the last checkpoint.
    pub unsealed: u64,
    /// The first of them: its id, position and time in microseconds since 1970.
    pub unsealed_since: Option<(Uuid, u64, i64)>,
    /// Events that came again.
    pub duplicates: u64,
    /// Events that the sink does not take.
    pub filtered: u64,
    /// How far each chain goes.
    pub heads: Vec<Head>,
}

/// What cannot be read does not say what it was; what is missing in its place does.
pub(super) fn first_bad(faults: &[Bad]) -> Option<Bad> {
    let first = faults.first()?;
    if first.id.is_some() {
        return Some(first.clone());
    }
    let there = faults.iter().find(|bad| bad.id.is_some() && bad.position == first.position);
    let missing = there.or_else(|| faults.iter().find(|bad| bad.id.is_some())).unwrap_or(first);
    Some(Bad { position: first.position, fault: first.fault, ..missing.clone() })
}
