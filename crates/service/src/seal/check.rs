//! Checks a trail, event by event, against its checkpoints, and names the first event that is not as it was sealed.
//!
//! Memory holds what no checkpoint has covered yet, never the trail. A fault in a stretch that a store was made to let go
//! (retention) is none.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use serde_json::Value;
use uuid::Uuid;

use super::canonical::{Hash, hash};
use super::checkpoint::{self, Chain, Checkpoint, Leaf};
use super::keys::Keys;
use super::outcome::first_bad;
pub use super::outcome::{Bad, Copy, Fault, Head, Outcome, Stores};
use super::pool::{Entry, Pool, Put};

mod orphans;

/// Faults that are kept of each chain, and of none; the first one that counts is told.
const MAX_FAULTS: usize = 1000;
/// Checkpoints that may wait for earlier ones.
const MAX_EARLY: usize = 1024;

/// Where a chain is.
struct At {
    seq: u64,
    hash: Hash,
    begins: u64,
    /// The first checkpoint that was read.
    first: u64,
    key: usize,
    /// The numbers in the pool of the first event that the first checkpoint covers and of the last that this one does.
    covered: Range<u64>,
    time: i64,
}

/// A checkpoint that was read and found genuine.
struct Waiting {
    read: Checkpoint,
    /// The place of its key in the list.
    place: usize,
    time: i64,
    position: u64,
}

/// A check under way.
pub struct Checker<'a> {
    keys: &'a Keys,
    copy: Copy,
    stores: Stores<'a>,
    /// The first checkpoint that each chain should have here, where that is known.
    begins: HashMap<Chain, u64>,
    chains: HashMap<Chain, At>,
    /// Checkpoints that came before those that should come first.
    early: HashMap<Chain, BTreeMap<u64, Waiting>>,
    pools: HashMap<String, Pool>,
    faults: Vec<Bad>,
    checked: u64,
    duplicates: u64,
    filtered: u64,
}

impl<'a> Checker<'a> {
    /// Begins a check. `begins`: the first checkpoint that each chain should have here, where that is known.
    #[must_use]
    pub fn new(keys: &'a Keys, copy: Copy, begins: HashMap<Chain, u64>) -> Self {
        Self {
            keys,
            copy,
            stores: Stores::Unknown,
            begins,
            chains: HashMap::new(),
            early: HashMap::new(),
            pools: HashMap::new(),
            faults: Vec::new(),
            checked: 0,
            duplicates: 0,
            filtered: 0,
        }
    }

    /// Tells what the stores have of the events in a file.
    #[must_use]
    pub fn beside(self, stores: Stores<'a>) -> Self {
        Self { stores, ..self }
    }

    /// The next event.
    pub fn event(&mut self, position: u64, event: &Value) {
        self.checked += 1;
        let id = event["id"].as_str().and_then(|id| Uuid::try_parse(id).ok());
        let (Some(id), Some(source)) = (id, event["source"].as_str()) else {
            return self.fault(id, position, Fault::Unreadable, None);
        };
        self.was_only_moved(id);
        let checkpoint = event["type"] == checkpoint::TYPE;
        let entry = Entry { id, hash: hash(event), position, time: time(event), checkpoint };
        match self.pool(source).put(entry) {
            Put::New => {}
            Put::Again => return self.duplicates += 1,
            Put::Differs => return self.fault(Some(id), position, Fault::Changed, None),
        }
        if checkpoint {
            match Checkpoint::text(event).and_then(Checkpoint::parse) {
                Some(checkpoint) => self.checkpoint(entry, event, source, checkpoint),
                None => self.fault(Some(id), position, Fault::Changed, None),
            }
        }
    }

    /// Something that is no event.
    pub fn unreadable(&mut self, position: u64) {
        self.checked += 1;
        self.fault(None, position, Fault::Unreadable, None);
    }

    fn pool(&mut self, source: &str) -> &mut Pool {
        if !self.pools.contains_key(source) {
            self.pools.insert(source.to_owned(), Pool::default());
        }
        self.pools.entry(source.to_owned()).or_default()
    }

    fn fault(&mut self, id: Option<Uuid>, position: u64, fault: Fault, stretch: Option<(Chain, u64)>) {
        self.push(Bad { id, position, fault, stretch, present: Vec::new() });
    }

    fn push(&mut self, bad: Bad) {
        // Those of a chain that are not faults after all must not keep another's from being told.
        let chain = |bad: &Bad| bad.stretch.map(|(chain, _)| chain);
        if self.faults.iter().filter(|known| chain(known) == chain(&bad)).count() < MAX_FAULTS {
            self.faults.push(bad);
        }
    }

    /// What was missing in its place is here.
    fn was_only_moved(&mut self, id: Uuid) {
        let missing =
            |bad: &&mut Bad| bad.id == Some(id) && matches!(bad.fault, Fault::Dropped | Fault::Changed);
        if let Some(bad) = self.faults.iter_mut().find(missing) {
            bad.fault = Fault::Swapped;
        }
    }

    fn checkpoint(&mut self, entry: Entry, event: &Value, source: &str, read: Checkpoint) {
        let (chain, seq) = (read.content.chain, read.content.seq);
        let stretch = Some((chain, seq));
        let known = self.chains.get(&chain);
        let place = read.signed_by(self.keys).filter(|place| known.is_none_or(|at| at.key <= *place));
        let Some(place) = place else {
            let present = self.present(source);
            let (id, position) = (Some(entry.id), entry.position);
            return self.push(Bad { id, position, fault: Fault::Forged, stretch, present });
        };
        // From here on the content is ours; what carries it may still be changed.
        let id = self.id(chain, seq);
        if entry.id != id || source != chain.source() || !read.is_carried_by(event) {
            return self.fault(Some(id), entry.position, Fault::Changed, stretch);
        }
        let read = Waiting { read, place, time: entry.time, position: entry.position };
        match known.map_or_else(|| self.begins.get(&chain).map(|begins| begins - 1), |at| Some(at.seq)) {
            Some(last) if seq <= last && known.is_some() => {
                self.fault(Some(id), entry.position, Fault::Swapped, stretch);
            }
            // Those before it may still come: then it is this one that is in the wrong place.
            Some(last) if seq > last + 1 => {
                self.early.entry(chain).or_default().insert(seq, read);
                if self.early.values().map(BTreeMap::len).sum::<usize>() > MAX_EARLY {
                    self.give_up_waiting();
                }
            }
            _ => {
                self.follow(read);
                while let Some(next) = self.next_early(chain) {
                    self.follow(next);
                }
            }
        }
    }

    fn id(&self, chain: Chain, seq: u64) -> Uuid {
        checkpoint::id(self.keys.anchor(), chain, seq).0
    }

    fn next_early(&mut self, chain: Chain) -> Option<Waiting> {
        let next = self.chains.get(&chain)?.seq + 1;
        self.early.get_mut(&chain)?.remove(&next)
    }

    /// Those that came early came rightly: what should have been before them is missing.
    fn give_up_waiting(&mut self) {
        for (chain, early) in std::mem::take(&mut self.early) {
            for (seq, read) in early {
                let begins = self.begins.get(&chain).copied().unwrap_or(1);
                let next = self.chains.get(&chain).map_or(begins, |at| at.seq + 1);
                if seq > next {
                    self.gap(&chain.source(), &read.read, next);
                }
                self.follow(read);
            }
        }
    }

    /// The next checkpoint of its chain, or the first.
    fn follow(&mut self, Waiting { read, place, time, position }: Waiting) {
        let (chain, seq, begins) = (read.content.chain, read.content.seq, read.content.begins);
        let known = self.chains.get(&chain).map(|at| (at.seq, at.hash, at.first, at.covered.start));
        if let Some((last, before, ..)) = known
            && seq == last + 1
            && read.content.previous != Some(before)
        {
            self.fault(Some(self.id(chain, last)), position, Fault::Changed, Some((chain, last)));
        }
        let covered = self.cover(&chain.source(), &read, known.is_none());
        // A file keeps what its store lets go, and may be the last that has it.
        let gone = |(of, seq)| self.copy == Copy::Store && of == chain && seq < begins;
        self.faults.retain(|bad| !bad.stretch.is_some_and(gone));
        let (first, start) = known.map_or((seq, covered.start), |(.., first, start)| (first, start));
        let covered = start..covered.end;
        let at = At { seq, hash: read.hash, begins, first, key: place, covered, time };
        self.chains.insert(chain, at);
    }

    /// What is in the pool of a source.
    fn present(&mut self, source: &str) -> Vec<Leaf> {
        let leaf = |(_, entry): (u64, Entry)| Leaf { id: entry.id, hash: entry.hash };
        self.pool(source).rest().map(leaf).take(4 * checkpoint::MAX_EVENTS).collect()
    }

    /// Checkpoints from `missing` on are not there. What only they could have covered is taken out of the way.
    fn gap(&mut self, source: &str, next: &Checkpoint, missing: u64) {
        let chain = next.content.chain;
        let (id, own) = (self.id(chain, missing), self.id(chain, next.content.seq));
        let present = self.present(source);
        let pool = self.pool(source);
        // A checkpoint that lists nothing but the missing one still lies behind it.
        let listed = next.content.events.iter().filter_map(|leaf| pool.find(leaf.id)).min();
        let begin = listed.or_else(|| pool.find(own));
        let mut changed = None;
        while let Some((number, entry)) = pool.front().filter(|(number, _)| begin.is_none_or(|b| *number < b))
        {
            if entry.id == id {
                changed = Some(entry.position);
            }
            if begin.is_none() && number + 1 == pool.end() {
                break;
            }
            pool.take(number);
        }
        let position = changed.unwrap_or(pool.last + 1);
        let fault = if changed.is_some() { Fault::Changed } else { Fault::Dropped };
        self.push(Bad { id: Some(id), position, fault, stretch: Some((chain, missing)), present });
    }

    /// Compares what a checkpoint lists with what was read. Answers the numbers of the first and the last event that it covers.
    fn cover(&mut self, source: &str, read: &Checkpoint, is_first: bool) -> Range<u64> {
        let (leaves, stretch) = (&read.content.events, Some((read.content.chain, read.content.seq)));
        let copy = self.copy;
        let mut faults = Vec::new();
        let mut filtered = 0;
        let pool = self.pool(source);
        let found: Vec<Option<u64>> = leaves.iter().map(|leaf| pool.find(leaf.id)).collect();
        let listed: HashSet<Uuid> = leaves.iter().map(|leaf| leaf.id).collect();
        // What comes after each leaf lies behind it, if nobody moved it.
        let mut behind = vec![u64::MAX; leaves.len() + 1];
        for at in (0..leaves.len()).rev() {
            behind[at] = behind[at + 1].min(found[at].unwrap_or(u64::MAX));
        }
        // A file may begin in the middle of a stretch.
        let mut may_lack = match copy {
            Copy::Store => false,
            Copy::File { shortened, .. } => is_first && (shortened || read.content.seq > 1),
        };
        let (mut covered, mut last) = (behind[0].min(pool.end())..pool.end(), pool.last);
        for (at, leaf) in leaves.iter().enumerate() {
            let mut in_its_place = None;
            while copy == Copy::Store
                && let Some((number, entry)) = pool.front().filter(|(_, entry)| !listed.contains(&entry.id))
                && behind[at] != u64::MAX
                && number < behind[at]
            {
                pool.take(number);
                if found[at].is_none_or(|found| behind[at + 1] < found) {
                    in_its_place = Some(entry.position);
                    break;
                }
                faults.push((Some(entry.id), entry.position, Fault::Inserted));
            }
            match found[at].and_then(|number| Some((number, pool.get(number)?))) {
                None if may_lack => {}
                None if matches!(copy, Copy::File { filtered: true, .. }) => filtered += 1,
                None => {
                    let (position, fault) = match in_its_place {
                        Some(position) => (position, Fault::Changed),
                        None => (last + 1, Fault::Dropped),
                    };
                    faults.push((Some(leaf.id), position, fault));
                    last = position;
                }
                Some((number, entry)) => {
                    may_lack = false;
                    if behind[at + 1] < number {
                        faults.push((Some(leaf.id), in_its_place.unwrap_or(last + 1), Fault::Swapped));
                    } else if entry.hash != leaf.hash {
                        faults.push((Some(leaf.id), entry.position, Fault::Changed));
                    }
                    pool.take(number);
                    (covered.end, last) = (number, entry.position);
                }
            }
        }
        self.filtered += filtered;
        for (id, position, fault) in faults {
            self.fault(id, position, fault, stretch);
        }
        covered
    }

    /// Ends the check. With heads, each chain must reach so far.
    #[must_use]
    pub fn finish(mut self, heads: &[Head]) -> Outcome {
        self.give_up_waiting();
        if self.copy == Copy::Store {
            self.beginnings();
        } else {
            self.orphans();
        }
        for head in heads {
            let begins = self.begins.get(&head.chain).copied().unwrap_or(1).clamp(1, head.seq.max(1));
            let at = self.chains.get(&head.chain).map_or(begins - 1, |at| at.seq);
            let source = head.chain.source();
            let last = self.pool(&source).rest().map(|(_, entry)| entry.position).last();
            let last = last.unwrap_or(self.pool(&source).last);
            let missing = self.id(head.chain, at + 1);
            let pool = self.pool(&source);
            let here = pool.find(missing).and_then(|number| pool.get(number)).map(|entry| entry.position);
            if at < head.seq {
                let present = self.present(&source);
                let (position, fault) = here.map_or((last + 1, Fault::Cut), |here| (here, Fault::Changed));
                let (id, stretch) = (Some(missing), Some((head.chain, at + 1)));
                self.push(Bad { id, position, fault, stretch, present });
            } else if self
                .chains
                .get(&head.chain)
                .is_some_and(|at| at.seq == head.seq && at.hash != head.hash)
            {
                let id = self.id(head.chain, at);
                self.fault(Some(id), last, Fault::Changed, Some((head.chain, at)));
            }
        }
        self.name_what_was_let_go_last();
        let rest = || self.pools.values().flat_map(Pool::rest).filter(|(_, entry)| !entry.checkpoint);
        let unsealed = rest().count() as u64;
        let first = rest().map(|(_, entry)| (entry.id, entry.position, entry.time));
        let unsealed_since = first.min_by_key(|(_, position, _)| *position);
        let at = |(chain, at): (&Chain, &At)| Head { chain: *chain, seq: at.seq, hash: at.hash };
        let mut heads: Vec<_> = self.chains.iter().map(at).collect();
        heads.sort_by_key(|head| head.chain);
        Outcome {
            checked: self.checked,
            first_bad: first_bad(&self.faults),
            unsealed,
            unsealed_since,
            duplicates: self.duplicates,
            filtered: self.filtered,
            heads,
        }
    }

    /// The checkpoint that signs what was let go may be missing. The note of it says which fault is named, not whether one is.
    fn name_what_was_let_go_last(&mut self) {
        let noted = |chain| self.begins.get(&chain).copied().unwrap_or(1);
        let let_go = |bad: &Bad| bad.stretch.is_some_and(|(chain, seq)| seq < noted(chain));
        let (last, first): (Vec<_>, Vec<_>) = std::mem::take(&mut self.faults).into_iter().partition(let_go);
        self.faults = if first.is_empty() { last } else { first };
    }

    /// A store's chains begin at 1, or where the newest checkpoint says.
    fn beginnings(&mut self) {
        let late = |(chain, at): &(&Chain, &At)| at.first > at.begins && !self.begins.contains_key(chain);
        let cut: Vec<_> = self.chains.iter().filter(late).map(|(chain, at)| (*chain, at.begins)).collect();
        for (chain, begins) in cut {
            self.fault(Some(self.id(chain, begins)), 1, Fault::Cut, Some((chain, begins)));
        }
    }
}

fn time(event: &Value) -> i64 {
    let time = event["time"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    time.map_or(0, jiff::Timestamp::as_microsecond)
}
