//! What was read and no checkpoint has covered yet, in the order of reading.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use super::canonical::Hash;

/// Sealed events that are remembered, so that one that comes again soon is known.
const REMEMBERED: usize = 65_536;

/// An event that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) id: Uuid,
    pub(super) hash: Hash,
    pub(super) position: u64,
    /// Microseconds since 1970, as the event says; 0 where it says nothing.
    pub(super) time: i64,
    /// It carries a checkpoint, which needs no further one.
    pub(super) checkpoint: bool,
}

/// What became of an event that is put in.
pub(super) enum Put {
    New,
    /// It is here already, or was sealed lately, with the same content.
    Again,
    /// The same id was here with another content.
    Differs,
}

/// The events of one source. An entry has a number, by which it is found as long as it is here.
#[derive(Default)]
pub(super) struct Pool {
    entries: VecDeque<Option<Entry>>,
    /// The number of the first entry.
    base: u64,
    by_id: HashMap<Uuid, u64>,
    sealed: HashMap<Uuid, Hash>,
    sealed_order: VecDeque<Uuid>,
    /// The position of the last one that was taken out.
    pub(super) last: u64,
}

impl Pool {
    pub(super) fn put(&mut self, entry: Entry) -> Put {
        let known = self.find(entry.id).and_then(|number| self.get(number)).map(|known| known.hash);
        if let Some(hash) = known.or_else(|| self.sealed.get(&entry.id).copied()) {
            return if hash == entry.hash { Put::Again } else { Put::Differs };
        }
        self.by_id.insert(entry.id, self.end());
        self.entries.push_back(Some(entry));
        Put::New
    }

    pub(super) fn find(&self, id: Uuid) -> Option<u64> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn get(&self, number: u64) -> Option<Entry> {
        let at = usize::try_from(number.checked_sub(self.base)?).ok()?;
        self.entries.get(at).copied().flatten()
    }

    /// The first entry that is still here, with its number.
    pub(super) fn front(&self) -> Option<(u64, Entry)> {
        (self.base..).zip(&self.entries).find_map(|(number, entry)| Some((number, (*entry)?)))
    }

    /// The number after the last.
    pub(super) fn end(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// Takes one out; it is remembered as sealed.
    pub(super) fn take(&mut self, number: u64) -> Option<Entry> {
        let at = usize::try_from(number.checked_sub(self.base)?).ok()?;
        let entry = self.entries.get_mut(at)?.take()?;
        self.by_id.remove(&entry.id);
        self.last = self.last.max(entry.position);
        self.sealed.insert(entry.id, entry.hash);
        self.sealed_order.push_back(entry.id);
        if self.sealed_order.len() > REMEMBERED
            && let Some(oldest) = self.sealed_order.pop_front()
        {
            self.sealed.remove(&oldest);
        }
        while self.entries.front().is_some_and(Option::is_none) {
            self.entries.pop_front();
            self.base += 1;
        }
        Some(entry)
    }

    /// Those that are still here, with their numbers.
    pub(super) fn rest(&self) -> impl Iterator<Item = (u64, Entry)> {
        (self.base..).zip(&self.entries).filter_map(|(number, entry)| Some((number, (*entry)?)))
    }
}
