//! Files: chains of two stores in one, batches that come again, beginnings anywhere, and events that their store let go.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{FILE, Trail, check_as, id_of, site, trail};
use crate::seal::check::{Bad, Checker, Copy, Fault, Stores};
use crate::seal::checkpoint::{self, Checkpoint};
use crate::seal::keys::Keys;

fn lines(events: Vec<Value>) -> Vec<(u64, Value)> {
    (1..).zip(events).collect()
}

/// Checks a file that may begin anywhere.
fn check_file(copy: Copy, keys: &Keys, stores: Stores<'_>, file: &[Value]) -> Option<Bad> {
    let mut begins = HashMap::new();
    for read in file.iter().filter_map(|event| Checkpoint::genuine(event, keys)) {
        begins.entry(read.content.chain).or_insert(read.content.seq);
    }
    let mut checker = Checker::new(keys, copy, begins).beside(stores);
    lines(file.to_vec()).iter().for_each(|(line, event)| checker.event(*line, event));
    checker.finish(&[]).first_bad
}

fn site_and_directory() -> [Trail; 2] {
    [Trail::new(false), Trail::new(true)]
}

/// Commits for the site, and seals.
fn stretch(trail: &mut Trail, commits: u8) -> Vec<Value> {
    let before = trail.events.len();
    (0..commits).for_each(|_| trail.commit(Some(site(7))));
    trail.seal();
    trail.events[before..].iter().map(|(_, event)| event.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_file_with_two_stores_chains_and_batches_that_came_again_is_good(
        order in prop::collection::vec((any::<bool>(), 0_u8..4), 1..20), again in prop::collection::vec((any::<Index>(), 1_usize..9), 0..4),
    ) {
        let mut trails = site_and_directory();
        let parts = order.iter().map(|(of, commits)| stretch(&mut trails[usize::from(*of)], *commits));
        let mut file: Vec<Value> = parts.flatten().collect();
        let [home, directory] = &trails;
        let heads = [home.heads(), directory.heads()].concat();
        for (at, length) in again {
            if !file.is_empty() {
                let begin = at.index(file.len());
                let end = (begin + length).min(file.len());
                let batch = file[begin..end].to_vec();
                file.splice(end..end, batch);
            }
        }
        let outcome = check_as(FILE, &home.keys, &lines(file.clone()), &heads);
        prop_assert_eq!(&outcome.first_bad, &None);
        prop_assert_eq!(outcome.unsealed, 0);
        let distinct: HashSet<Uuid> = file.iter().map(id_of).collect();
        prop_assert_eq!(outcome.duplicates, (file.len() - distinct.len()) as u64);
    }

    #[test]
    fn a_file_that_begins_anywhere_is_good_whatever_its_stores_have_let_go(
        order in prop::collection::vec((any::<bool>(), 0_u8..4), 1..20), waiting in prop::collection::vec(any::<bool>(), 0..4),
        begin in any::<Index>(), let_go in any::<Index>(),
    ) {
        let mut trails = site_and_directory();
        let parts = order.iter().map(|(of, commits)| stretch(&mut trails[usize::from(*of)], *commits));
        let mut file: Vec<Value> = parts.flatten().collect();
        let sealed = file.len();
        for of in waiting {
            let trail = &mut trails[usize::from(of)];
            trail.commit(Some(site(7)));
            file.extend(trail.events.last().map(|(_, event)| event.clone()));
        }
        let ids: HashSet<Uuid> = file[let_go.index(sealed + 1)..].iter().map(id_of).collect();
        let file = &file[begin.index(file.len() + 1)..];
        for stores in [Stores::Unknown, Stores::Running(&ids), Stores::Running(&HashSet::new()), Stores::Stopped(&ids)] {
            let shortened = Copy::File { filtered: false, shortened: true };
            prop_assert_eq!(check_file(shortened, &trails[0].keys, stores, file), None, "{:?}", stores);
        }
    }

    #[test]
    fn what_is_put_into_a_file_is_found_while_the_other_store_is_silent(
        silent: bool, stretches in prop::collection::vec(1_u8..4, 2..8), at in any::<Index>(),
    ) {
        let mut trails = site_and_directory();
        let mut file = stretch(&mut trails[usize::from(silent)], 2);
        let silence = file.len();
        file.extend(stretches.iter().flat_map(|commits| stretch(&mut trails[usize::from(!silent)], *commits)).collect::<Vec<_>>());
        let forged = json!({
            "id": Uuid::from_u128(0xbad), "source": file[0]["source"], "type": "patd.token.revoked", "time": "2026-01-01T00:00:04Z",
        });
        let at = silence + at.index(file.len() - silence - 2);
        file.insert(at, forged);
        for stores in [Stores::Unknown, Stores::Running(&HashSet::new()), Stores::Stopped(&HashSet::new())] {
            let bad = check_file(FILE, &trails[0].keys, stores, &file).expect("found");
            prop_assert_eq!((bad.id, bad.fault), (Some(Uuid::from_u128(0xbad)), Fault::Inserted), "{:?}", stores);
            prop_assert_eq!(bad.position, at as u64 + 1);
        }
    }
}

#[test]
fn what_is_done_in_a_file_to_events_that_their_store_let_go_is_found() {
    let mut trail = trail(&[3, 3, 3]);
    let chain = trail.heads()[0].chain;
    trail.chains.let_go(chain, 3);
    trail.seal();
    assert_eq!(check_as(FILE, &trail.keys, &trail.events, &trail.heads()).first_bad, None);
    for at in 0..3 {
        let mut changed = trail.events.clone();
        changed[at].1["data"]["count"] = json!(3);
        let dropped = [&trail.events[..at], &trail.events[at + 1..]].concat();
        for (events, fault) in [(changed, Fault::Changed), (dropped, Fault::Dropped)] {
            let bad = check_as(FILE, &trail.keys, &events, &trail.heads()).first_bad;
            let found = bad.map(|bad| (bad.fault, bad.id));
            assert_eq!(found, Some((fault, Some(id_of(&trail.events[at].1)))), "event {at}");
        }
    }
}

#[test]
fn a_first_checkpoint_that_is_gone_from_a_file_is_missed_by_the_events_before_it() {
    let trail = trail(&[3, 3, 3]);
    let chain = trail.heads()[0].chain;
    let first = checkpoint::id(trail.keys.anchor(), chain, 1).0;
    let mut file: Vec<Value> = trail.events.iter().map(|(_, event)| event.clone()).collect();
    let at = file.iter().position(|event| id_of(event) == first).expect("is there");
    file.remove(at);
    let kept: HashSet<Uuid> = file[8..].iter().map(id_of).collect();
    for stores in [Stores::Unknown, Stores::Running(&kept), Stores::Stopped(&kept)] {
        let bad = check_file(FILE, &trail.keys, stores, &file).expect("found");
        let found = (bad.fault, bad.id, bad.position);
        assert_eq!(found, (Fault::Dropped, Some(first), at as u64 + 1), "{stores:?}");
    }
    // All of it goes on to be good where nobody can have known the beginning.
    assert_eq!(check_file(FILE, &trail.keys, Stores::Stopped(&kept), &file[3..]), None);
}

#[test]
fn a_file_of_a_sink_that_takes_no_checkpoints_is_good_when_its_store_has_let_go_of_them() {
    let trail = trail(&[3, 3]);
    let (none, filtered) = (HashSet::new(), Copy::File { filtered: true, shortened: false });
    let mut checker = Checker::new(&trail.keys, filtered, HashMap::new()).beside(Stores::Stopped(&none));
    let events = trail.events.iter().filter(|(_, event)| Checkpoint::text(event).is_none());
    events.for_each(|(position, event)| checker.event(*position, event));
    assert_eq!(checker.finish(&[]).first_bad, None);
}
