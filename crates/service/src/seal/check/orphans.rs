//! Events of a file that no checkpoint in it covers: they still wait for theirs, or they were put there, or it is gone.
//!
//! An event of a file comes before its checkpoint, and whatever the file has of a chain goes on without a gap. So one that
//! does not wait any more is never the file's beginning.

use super::super::checkpoint::Chain;
use super::super::pool::Entry;
use super::{At, Bad, Checker, Copy, Fault, Stores};

/// So much of the trail's time, in microseconds, no event waits for its checkpoint.
const WAITS_AT_MOST: i64 = 60_000_000;

impl Checker<'_> {
    /// Finds those that do not wait.
    pub(super) fn orphans(&mut self) {
        let mut all: Vec<(String, u64, Entry)> = Vec::new();
        for (source, pool) in &self.pools {
            let rest = pool.rest().filter(|(_, entry)| !entry.checkpoint);
            let orphans = rest.filter(|(number, entry)| !self.may_wait(source, *number, entry));
            all.extend(orphans.map(|(number, entry)| (source.clone(), number, entry)));
        }
        all.sort_by_key(|(_, _, entry)| entry.position);
        let mut missing: Vec<(Chain, u64)> = Vec::new();
        for (source, number, entry) in all {
            let Some(stretch) = self.lacks_checkpoint(&source, number) else {
                self.fault(Some(entry.id), entry.position, Fault::Inserted, None);
                continue;
            };
            if missing.contains(&stretch) {
                continue;
            }
            missing.push(stretch);
            let (id, present) = (self.id(stretch.0, stretch.1), self.present(&source));
            let begin = self.chains.get(&stretch.0).map_or(number, |at| at.covered.start);
            let before = self.pool(&source).rest().filter(|(number, _)| *number < begin).last();
            let position = before.map_or(entry.position, |(_, last)| last.position) + 1;
            self.push(Bad { id: Some(id), position, fault: Fault::Dropped, stretch: Some(stretch), present });
        }
    }

    /// Whether the checkpoint of an event may still come.
    fn may_wait(&self, source: &str, number: u64, entry: &Entry) -> bool {
        let mut chains = self.chains_of(source).peekable();
        if chains.peek().is_none() && matches!(self.copy, Copy::File { filtered: true, .. }) {
            // The sink takes no checkpoints.
            return true;
        }
        match self.stores {
            Stores::Running(ids) | Stores::Stopped(ids) if ids.contains(&entry.id) => return true,
            Stores::Stopped(_) => return false,
            Stores::Running(_) | Stores::Unknown => {}
        }
        // The events of a site are in two chains at most: its store's and the directory's.
        let (passed, going): (Vec<&At>, Vec<&At>) =
            chains.map(|(_, at)| at).partition(|at| number < at.covered.end);
        let late = passed.iter().any(|at| entry.time + WAITS_AT_MOST < at.time);
        let is_passed = passed.len() > 1 && going.is_empty();
        !late && !is_passed
    }

    /// The checkpoint that an event before the first one of a chain must have had.
    fn lacks_checkpoint(&self, source: &str, number: u64) -> Option<(Chain, u64)> {
        let before = |(_, at): &(&Chain, &At)| at.first > 1 && number < at.covered.start;
        let next = self.chains_of(source).filter(before).min_by_key(|(_, at)| at.covered.start);
        next.map(|(chain, at)| (*chain, at.first - 1))
    }

    fn chains_of(&self, source: &str) -> impl Iterator<Item = (&Chain, &At)> {
        self.chains.iter().filter(move |(chain, _)| chain.source() == source)
    }
}
