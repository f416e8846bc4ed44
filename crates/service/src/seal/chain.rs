//! What the sealer knows of the chains of one store: a fold over the store's events in commit order.
//!
//! It goes forward by reading only. A checkpoint that was handed to the store counts when it comes back, so neither a crash
//! nor an outcome that is unknown can make two of one number.

use std::collections::{BTreeMap, HashSet, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::canonical::Hash;
use super::check::Head;
use super::checkpoint::{Chain, Checkpoint, Content, Leaf, MAX_EVENTS};

/// An event that waits for a checkpoint.
#[derive(Clone, Debug)]
struct Pending {
    leaf: Leaf,
    position: u64,
    /// It carries a checkpoint itself, and needs no further one.
    checkpoint: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    seq: u64,
    hash: Option<Hash>,
    begins: u64,
    pending: VecDeque<Pending>,
    /// What is let go next: see [`Chains::let_go`].
    next_begins: Option<u64>,
}

/// The chains of one store.
#[derive(Clone, Debug, Default)]
pub struct Chains {
    chains: BTreeMap<Chain, State>,
    /// Position and id of the events that were read, from the last one on before which nothing waits.
    read: VecDeque<(u64, Uuid)>,
}

/// An event, as the fold takes it.
#[derive(Debug)]
pub struct Read<'a> {
    /// Its position in the store.
    pub position: u64,
    /// Its chain.
    pub chain: Chain,
    /// Its id and hash.
    pub leaf: Leaf,
    /// The checkpoint in it, if one of our keys signed it.
    pub checkpoint: Option<&'a Checkpoint>,
}

impl Chains {
    /// Takes the next event. Answers ids that a checkpoint went past without covering: they were put there by somebody else.
    pub fn read(&mut self, event: &Read<'_>) -> Vec<Uuid> {
        self.read.push_back((event.position, event.leaf.id));
        let state = self.chains.entry(event.chain).or_default();
        let mut foreign = Vec::new();
        if let Some(checkpoint) = event.checkpoint.filter(|c| c.content.chain == event.chain) {
            let content = &checkpoint.content;
            let covered: HashSet<Uuid> = content.events.iter().map(|leaf| leaf.id).collect();
            let through = state.pending.iter().rposition(|pending| covered.contains(&pending.leaf.id));
            let gone = state.pending.drain(..through.map_or(0, |at| at + 1));
            foreign.extend(gone.map(|pending| pending.leaf.id).filter(|id| !covered.contains(id)));
            if content.seq > state.seq {
                (state.seq, state.hash) = (content.seq, Some(checkpoint.hash));
                state.begins = state.begins.max(content.begins);
            }
        }
        state.pending.push_back(Pending {
            leaf: event.leaf,
            position: event.position,
            checkpoint: event.checkpoint.is_some(),
        });
        foreign
    }

    /// Whether an event waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.chains.values().any(State::is_waiting)
    }

    /// The checkpoints to write now, in order: all that waits, `MAX_EVENTS` each, at most `limit` per chain.
    #[must_use]
    pub fn next(&self, limit: usize) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for (chain, state) in self.chains.iter().filter(|(_, state)| state.is_waiting()) {
            let pending: Vec<Leaf> = state.pending.iter().map(|pending| pending.leaf).collect();
            let begins = state.next_begins.unwrap_or(state.begins).max(1);
            let stretches = pending.chunks(MAX_EVENTS).take(limit);
            let none: &[Leaf] = &[];
            for (seq, events) in (state.seq + 1..).zip(stretches.chain(pending.is_empty().then_some(none))) {
                drafts.push(Draft { chain: *chain, seq, begins, events: events.to_vec() });
            }
        }
        drafts
    }

    /// The hash of the newest checkpoint of a chain.
    #[must_use]
    pub fn newest(&self, chain: Chain) -> Option<Hash> {
        self.chains.get(&chain).and_then(|state| state.hash)
    }

    /// The newest checkpoints.
    #[must_use]
    pub fn heads(&self) -> Vec<Head> {
        let head = |(chain, state): (&Chain, &State)| {
            Some(Head { chain: *chain, seq: state.seq, hash: state.hash? })
        };
        self.chains.iter().filter_map(head).collect()
    }

    /// Lets go of everything before a number: the next checkpoint says so, even if no event waits.
    pub fn let_go(&mut self, chain: Chain, begins: u64) {
        if let Some(state) = self.chains.get_mut(&chain)
            && begins > state.begins.max(1)
            && begins <= state.seq + 1
        {
            state.next_begins = Some(begins);
        }
    }

    /// The first number that is kept, as the newest checkpoint says.
    #[must_use]
    pub fn begins(&self, chain: Chain) -> u64 {
        self.chains.get(&chain).map_or(1, |state| state.begins.max(1))
    }

    /// The same of all chains.
    #[must_use]
    pub fn beginnings(&self) -> BTreeMap<Chain, u64> {
        self.chains.iter().map(|(chain, state)| (*chain, state.begins.max(1))).collect()
    }

    /// A chain that ends before what was noted of it was cut, or its store was put back. It goes on after what was noted,
    /// so that the gap stays to be seen. Answers the chains that have one.
    pub fn keep_gaps(&mut self, noted: &[Head]) -> Vec<Chain> {
        let mut gaps = Vec::new();
        for head in noted {
            let state = self.chains.entry(head.chain).or_default();
            if state.seq < head.seq {
                (state.seq, state.hash) = (head.seq, Some(head.hash));
                gaps.push(head.chain);
            }
        }
        gaps
    }

    /// What to note, so that a later start goes on here.
    #[must_use]
    pub fn notes(&mut self) -> Notes {
        let waiting = |state: &State| state.pending.iter().find(|p| !p.checkpoint).map(|p| p.position);
        let waiting = self.chains.values().filter_map(waiting).min().unwrap_or(u64::MAX);
        while self.read.get(1).is_some_and(|(position, _)| *position < waiting) {
            self.read.pop_front();
        }
        let read = self.read.front().filter(|(position, _)| *position < waiting).copied();
        let through = read.map_or(0, |(position, _)| position);
        let chains = self.chains.iter().filter_map(|(chain, state)| {
            let uncovered = state.pending.iter().filter(|pending| pending.position <= through);
            Some(Noted {
                chain: chain.to_string(),
                seq: state.seq,
                hash: B64.encode(state.hash?),
                begins: state.begins,
                uncovered: uncovered
                    .map(|pending| (pending.position, pending.leaf.id, B64.encode(pending.leaf.hash)))
                    .collect(),
            })
        });
        Notes { read, chains: chains.collect() }
    }

    /// Goes on where notes were taken. `None` when they do not say enough.
    #[must_use]
    pub fn resume(notes: &Notes) -> Option<Self> {
        let read = VecDeque::from([notes.read?]);
        let mut chains = BTreeMap::new();
        for noted in &notes.chains {
            let pending = noted.uncovered.iter().map(|(position, id, hash)| {
                let leaf = Leaf { id: *id, hash: read_hash(hash)? };
                Some(Pending { leaf, position: *position, checkpoint: true })
            });
            chains.insert(
                Chain::parse(&noted.chain)?,
                State {
                    seq: noted.seq,
                    hash: Some(read_hash(&noted.hash)?),
                    begins: noted.begins,
                    pending: pending.collect::<Option<_>>()?,
                    next_begins: None,
                },
            );
        }
        Some(Self { chains, read })
    }

    /// The position of the last event that was read; 0 before the first.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.read.back().map_or(0, |(position, _)| *position)
    }
}

impl State {
    fn is_waiting(&self) -> bool {
        self.next_begins.is_some_and(|begins| begins > self.begins)
            || self.pending.iter().any(|p| !p.checkpoint)
    }
}

/// A checkpoint to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// The chain.
    pub chain: Chain,
    /// Its number.
    pub seq: u64,
    /// See [`Content::begins`].
    pub begins: u64,
    /// What it covers.
    pub events: Vec<Leaf>,
}

impl Draft {
    /// What the checkpoint says after this one.
    #[must_use]
    pub fn after(self, previous: Option<Hash>) -> Content {
        Content { chain: self.chain, seq: self.seq, previous, begins: self.begins, events: self.events }
    }
}

/// How far the chains of a store are: kept apart from the store, so that a cut at its end is seen.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Notes {
    /// The last event before which nothing waits.
    read: Option<(u64, Uuid)>,
    chains: Vec<Noted>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Noted {
    chain: String,
    seq: u64,
    hash: String,
    begins: u64,
    /// Events with checkpoints that the next checkpoint will list: position, id, hash.
    uncovered: Vec<(u64, Uuid, String)>,
}

impl Notes {
    /// The event after which to go on: position and id.
    #[must_use]
    pub fn read(&self) -> Option<(u64, Uuid)> {
        self.read
    }

    /// How far each chain is.
    #[must_use]
    pub fn heads(&self) -> Vec<Head> {
        self.heads_and_beginnings().into_iter().map(|(head, _)| head).collect()
    }

    /// The same, each with the number of the first checkpoint whose events are kept.
    #[must_use]
    pub fn heads_and_beginnings(&self) -> Vec<(Head, u64)> {
        let head = |noted: &Noted| {
            let (chain, hash) = (Chain::parse(&noted.chain)?, read_hash(&noted.hash)?);
            Some((Head { chain, seq: noted.seq, hash }, noted.begins.max(1)))
        };
        self.chains.iter().filter_map(head).collect()
    }
}

fn read_hash(text: &str) -> Option<Hash> {
    B64.decode(text).ok()?.try_into().ok()
}
