//! Stores that grow, are sealed and let go of what is old, in any order and with ends at any moment: what may go goes, nothing
//! else does, and the trail verifies all the time.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Found, Oldest, Seen};
use crate::seal::canonical::hash;
use crate::seal::check::{Checker, Copy, Fault, Outcome};
use crate::seal::checkpoint::{Chain, Checkpoint, Leaf};
use crate::seal::tests::{Trail, id_of, site};

#[derive(Clone, Copy, Debug)]
enum Step {
    Commit(u8),
    Seal,
    /// Events are committed between what a checkpoint covers and the checkpoint.
    SealBehind(u8),
    /// So many more events may go.
    Age(u8),
    Sign,
    Remove(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u8..5).prop_map(Step::Commit),
        Just(Step::Seal),
        (1_u8..4).prop_map(Step::SealBehind),
        (1_u8..12).prop_map(Step::Age),
        Just(Step::Sign),
        (1_u8..9).prop_map(Step::Remove),
    ]
}

struct Story {
    trail: Trail,
    chain: Chain,
    /// Everything that ever was, as a file has it.
    all: Vec<(u64, Value)>,
    /// Events up to this position may go.
    old: u64,
}

impl Story {
    fn new() -> Self {
        let chain = Chain { directory: false, site: Some(site(7)) };
        Self { trail: Trail::new(false), chain, all: Vec::new(), old: 0 }
    }

    fn commit(&mut self, count: u8) {
        (0..count).for_each(|_| self.trail.commit(self.chain.site));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Commit(count) => self.commit(count),
            Step::Seal => self.trail.seal(),
            Step::SealBehind(count) => {
                self.trail.read();
                let checkpoints = self.trail.checkpoints();
                self.commit(count);
                checkpoints.into_iter().for_each(|event| self.trail.push(event));
                self.trail.read();
            }
            Step::Age(count) => self.old += u64::from(count),
            Step::Sign => self.sign(),
            Step::Remove(count) => {
                self.remove(count);
            }
        }
        let known = self.all.last().map_or(0, |(position, _)| *position);
        let new = self.trail.events.iter().filter(|(position, _)| *position > known).cloned();
        self.all.extend(new.collect::<Vec<_>>());
        self.old = self.old.min(self.all.len() as u64);
    }

    fn found(&self) -> Found {
        let mut oldest = Oldest::new(self.trail.chains.begins(self.chain));
        for (position, event) in &self.trail.events {
            let checkpoint = Checkpoint::genuine(event, &self.trail.keys);
            let leaf = Leaf { id: id_of(event), hash: hash(event) };
            let may_go = *position <= self.old;
            if !oldest.read(&Seen { position: *position, leaf, checkpoint: checkpoint.as_ref(), may_go }) {
                break;
            }
        }
        oldest.found()
    }

    fn sign(&mut self) {
        // As the sealer does: what it has not read yet it reads first.
        self.trail.read();
        if let Some(begins) = self.found().begins {
            self.trail.chains.let_go(self.chain, begins);
        }
        self.trail.seal();
    }

    /// Removes so many of what was let go; whether there were any.
    fn remove(&mut self, count: u8) -> bool {
        let Some(gone) = self.found().gone else { return false };
        let before = self.trail.events.len();
        let mut left = count;
        self.trail.events.retain(|(position, _)| {
            let goes = *position <= gone && left > 0;
            left -= u8::from(goes);
            !goes
        });
        self.trail.events.len() < before
    }

    /// Checks a copy; `noted`: with the notes that lie apart from the stores.
    fn check(&self, copy: Copy, events: &[(u64, Value)], noted: bool) -> Outcome {
        let begins =
            if noted { self.trail.chains.beginnings().into_iter().collect() } else { HashMap::new() };
        let mut checker = Checker::new(&self.trail.keys, copy, begins);
        events.iter().for_each(|(position, event)| checker.event(*position, event));
        checker.finish(&self.trail.heads())
    }

    fn must_verify(&self) {
        for noted in [true, false] {
            let outcome = self.check(Copy::Store, &self.trail.events, noted);
            assert_eq!(outcome.first_bad, None, "the store, noted: {noted}");
        }
        let file = Copy::File { filtered: false, shortened: false };
        let mut checker = Checker::new(&self.trail.keys, file, HashMap::from([(self.chain, 1)]));
        self.all.iter().for_each(|(position, event)| checker.event(*position, event));
        assert_eq!(checker.finish(&self.trail.heads()).first_bad, None, "the file");
    }

    /// The position of the first event that has to stay, told by looking at everything that ever was.
    fn first_to_stay(&self) -> u64 {
        let positions: HashMap<_, _> =
            self.all.iter().map(|(position, event)| (id_of(event), *position)).collect();
        let stretches = self.all.iter().filter_map(|(_, event)| Checkpoint::genuine(event, &self.trail.keys));
        let mut first = 1;
        for checkpoint in stretches {
            let mut of_stretch = checkpoint.content.events.iter().map(|leaf| positions[&leaf.id]);
            let last = of_stretch.next_back().expect("no checkpoint without an event");
            if last > self.old {
                break;
            }
            first = last + 1;
        }
        first
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_old_and_sealed_goes_in_whole_stretches_and_the_trail_verifies_at_each_moment(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut story = Story::new();
        for step in steps {
            story.step(step);
            story.must_verify();
            prop_assert_eq!(story.found().damaged, None);
            let left = story.trail.events.first().map_or(1, |(position, _)| *position);
            prop_assert!(left <= story.first_to_stay(), "{} went too early", left);
        }
        // In the end everything that may go is gone, but for checkpoints that nothing else goes with.
        story.step(Step::Seal);
        loop {
            while story.remove(7) {
                story.must_verify();
            }
            if story.found().begins.is_none() {
                break;
            }
            story.step(Step::Sign);
        }
        let ever = story.all.len();
        story.step(Step::Sign);
        prop_assert_eq!(story.all.len(), ever, "a beginning is said once");
        let kept: Vec<_> = story.trail.events.iter().map(|(position, _)| *position).collect();
        let stay = story.first_to_stay();
        let first = kept.first().copied().unwrap_or(1);
        prop_assert!(first <= stay);
        prop_assert!(kept.iter().copied().eq(first..=ever as u64), "nothing from the middle");
        let spared = story.trail.events.iter().filter(|(position, _)| *position < stay);
        prop_assert!(spared.into_iter().all(|(_, event)| Checkpoint::text(event).is_some()));
        // One event more from the beginning is a cut.
        if !story.trail.heads().is_empty() {
            for noted in [true, false] {
                let outcome = story.check(Copy::Store, &story.trail.events[1..], noted);
                let bad = outcome.first_bad.expect("found");
                prop_assert!(matches!(bad.fault, Fault::Dropped | Fault::Cut), "{:?}", bad.fault);
            }
        }
    }

    #[test]
    fn what_is_not_as_it_was_sealed_stays_with_everything_after_it(
        stretches in prop::collection::vec(1_u8..5, 3..8), at in any::<prop::sample::Index>(), drop: bool,
    ) {
        let mut story = Story::new();
        for count in stretches {
            story.step(Step::Commit(count));
            story.step(Step::Seal);
        }
        story.old = u64::MAX;
        // The last one is sealed by nothing yet.
        let at = at.index(story.trail.events.len() - 1);
        if drop {
            story.trail.events.remove(at);
        } else {
            story.trail.events[at].1["time"] = json!("2020-01-01T00:00:00Z");
        }
        let found = story.found();
        let damaged = found.damaged.expect("found");
        prop_assert!(found.begins.is_none_or(|begins| begins <= damaged));
        story.sign();
        while story.remove(9) {}
        let bad = story.check(Copy::Store, &story.trail.events, true).first_bad;
        prop_assert!(bad.is_some(), "still to be seen");
    }
}

#[test]
fn what_many_chains_of_one_store_have_let_go_does_not_hide_what_is_missing_in_one() {
    let mut trail = Trail::new(false);
    let sites: Vec<_> = (7..13).map(site).collect();
    for commits in [250, 3] {
        sites.iter().for_each(|of| (0..commits).for_each(|_| trail.commit(Some(*of))));
        trail.seal();
    }
    let missing = trail.events.iter().rev().find(|(_, event)| Checkpoint::text(event).is_none());
    let missing = missing.map(|(_, event)| id_of(event)).expect("an event");
    let chains: Vec<_> = sites.iter().map(|of| Chain { directory: false, site: Some(*of) }).collect();
    chains.iter().for_each(|chain| trail.chains.let_go(*chain, 2));
    trail.seal();
    trail.events.retain(|(position, _)| *position > 6 * 250);
    let check = |events: &[(u64, Value)]| {
        let mut checker = Checker::new(&trail.keys, Copy::Store, HashMap::new());
        events.iter().for_each(|(position, event)| checker.event(*position, event));
        checker.finish(&trail.heads()).first_bad
    };
    assert_eq!(check(&trail.events), None);
    let cut: Vec<_> = trail.events.iter().filter(|(_, event)| id_of(event) != missing).cloned().collect();
    let bad = check(&cut).expect("found");
    assert_eq!((bad.fault, bad.id), (Fault::Dropped, Some(missing)));
}
