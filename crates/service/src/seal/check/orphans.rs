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
        let mut all = Vec::new();
        for (source, pool) in &self.pools {
            let chains = self.chains.iter().filter(|(chain, _)| chain.source() == *source);
            let chains: Vec<(Chain, &At)> = chains.map(|(chain, at)| (*chain, at)).collect();
            let rest = pool.rest().filter(|(_, entry)| !entry.checkpoint);
            let orphans = rest.filter(|(number, entry)| !self.may_wait(&chains, *number, entry));
            all.extend(orphans.map(|(number, entry)| (entry, lacks_checkpoint(&chains, number))));
        }
        all.sort_by_key(|(entry, _)| entry.position);
        let mut missing: Vec<(Chain, u64)> = Vec::new();
        for (entry, lacking) in all {
            let Some((stretch, begin)) = lacking else {
                self.fault(Some(entry.id), entry.position, Fault::Inserted, None);
                continue;
            };
            if missing.contains(&stretch) {
                continue;
            }
            missing.push(stretch);
            let source = stretch.0.source();
            let (id, present) = (self.id(stretch.0, stretch.1), self.present(&source));
            let before = self.pool(&source).rest().filter(|(number, _)| *number < begin).last();
            let position = before.map_or(entry.position, |(_, last)| last.position) + 1;
            self.push(Bad { id: Some(id), position, fault: Fault::Dropped, stretch: Some(stretch), present });
        }
    }

    /// Whether the checkpoint of an event may still come; `chains`: those of its source.
    fn may_wait(&self, chains: &[(Chain, &At)], number: u64, entry: &Entry) -> bool {
        if chains.is_empty() && matches!(self.copy, Copy::File { filtered: true, .. }) {
            // The sink takes no checkpoints.
            return true;
        }
        match self.stores {
            Stores::Running(ids) | Stores::Stopped(ids) if ids.contains(&entry.id) => return true,
            Stores::Stopped(_) => return false,
            Stores::Running(_) | Stores::Unknown => {}
        }
        let passed = || chains.iter().filter(|(_, at)| number < at.covered.end);
        let late = passed().any(|(_, at)| entry.time + WAITS_AT_MOST < at.time);
        // The events of a site are in two chains at most: its store's and the directory's.
        let is_passed = chains.len() > 1 && passed().count() == chains.len();
        !late && !is_passed
    }
}

/// The checkpoint that an event before the first one of a chain must have had, and the number of what that first one begins with.
fn lacks_checkpoint(chains: &[(Chain, &At)], number: u64) -> Option<((Chain, u64), u64)> {
    let before = |(_, at): &&(Chain, &At)| at.first > 1 && number < at.covered.start;
    let next = chains.iter().filter(before).min_by_key(|(_, at)| at.covered.start);
    next.map(|(chain, at)| ((*chain, at.first - 1), at.covered.start))
}
