//! One copy of a trail, and what somebody without the keys may do to it.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{FILE, Trail, check_as, id_of, key, site, trail};
use crate::seal::canonical::hash;
use crate::seal::check::{Copy, Fault};
use crate::seal::checkpoint::{Chain, Checkpoint, sign};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_trail_that_nobody_touched_is_good_and_all_of_it_is_sealed(
        stretches in prop::collection::vec(0_u8..9, 1..12), tail in 0_u8..4,
    ) {
        let mut trail = trail(&stretches);
        (0..tail).for_each(|_| trail.commit(Some(site(7))));
        for copy in [Copy::Store, FILE] {
            let outcome = check_as(copy, &trail.keys, &trail.events, &trail.heads());
            prop_assert_eq!(outcome.first_bad, None);
            prop_assert_eq!(outcome.checked, trail.events.len() as u64);
            prop_assert_eq!(outcome.unsealed, u64::from(tail));
            prop_assert_eq!(outcome.heads, trail.heads());
        }
    }

    #[test]
    fn what_was_tampered_with_is_named(
        stretches in prop::collection::vec(1_u8..9, 1..12), at in any::<Index>(), other in any::<Index>(), attack in 0..5,
        in_file: bool,
    ) {
        let trail = trail(&stretches);
        let (i, j) = (at.index(trail.events.len()), other.index(trail.events.len()));
        let (i, j) = (i.min(j), i.max(j));
        let named = id_of(&trail.events[i].1);
        let (copy, heads) = (if in_file { FILE } else { Copy::Store }, trail.heads());
        let mut events = trail.events.clone();
        let place = events[i].0;
        let faults: &[Fault] = match attack {
            0 => {
                flip(&mut events[i].1);
                &[Fault::Changed, Fault::Forged, Fault::Dropped]
            }
            1 => {
                events.remove(i);
                &[Fault::Dropped, Fault::Cut, Fault::Changed]
            }
            2 if i != j => {
                let (a, b) = (events[i].1.clone(), events[j].1.clone());
                (events[i].1, events[j].1) = (b, a);
                &[Fault::Swapped]
            }
            3 => {
                events.truncate(i);
                &[Fault::Cut]
            }
            4 => {
                rechain(&trail, &mut events, i);
                &[Fault::Forged]
            }
            _ => return Ok(()),
        };
        let outcome = check_as(copy, &trail.keys, &events, &heads);
        let bad = outcome.first_bad.expect("found");
        prop_assert!(faults.contains(&bad.fault), "{:?} by attack {}", bad, attack);
        // What cannot be known from this copy is known from another.
        let genuine = bad.stretch.and_then(|(chain, seq)| genuine(&trail, chain, seq));
        let vague = bad.is_vague();
        let bad = match genuine {
            Some(genuine) if vague => bad.explained_by(&genuine),
            _ => bad,
        };
        prop_assert_eq!(bad.id, Some(named), "attack {} fault {:?} position {}", attack, bad.fault, bad.position);
        if attack != 4 {
            prop_assert_eq!(bad.position, place, "attack {} fault {:?}", attack, bad.fault);
        }
    }
}

/// Changes one thing in an event, its id and what says which trail it is in included.
fn flip(event: &mut Value) {
    let kind = event["id"].as_str().map_or(0, |id| id.as_bytes()[35] % 4);
    match kind {
        0 => event["time"] = json!("2026-01-01T00:00:59.5Z"),
        1 => event["type"] = json!("patd.token.revoked"),
        2 if event["data"]["seal"].is_string() => {
            let seal = event["data"]["seal"].as_str().expect("text").replacen("\"seq\":", "\"seq\":1", 1);
            event["data"]["seal"] = json!(seal);
        }
        2 => event["data"]["count"] = json!(3),
        _ => event["id"] = json!(Uuid::from_u128(0xdead)),
    }
}

/// Changes an event and makes all checkpoints after it anew, with a key of one's own.
fn rechain(trail: &Trail, events: &mut [(u64, Value)], from: usize) {
    let own = key(9);
    let mut changed: std::collections::HashMap<Uuid, Value> = std::collections::HashMap::new();
    let mut previous = None;
    for (_, event) in &mut events[from..] {
        match Checkpoint::text(event).and_then(Checkpoint::parse) {
            None if changed.is_empty() => {
                event["data"]["count"] = json!(9);
                changed.insert(id_of(event), event.clone());
            }
            None => {}
            Some(checkpoint) => {
                let mut content = checkpoint.content;
                content.previous = previous.or(content.previous);
                for leaf in &mut content.events {
                    leaf.hash = changed.get(&leaf.id).map_or(leaf.hash, hash);
                }
                event["data"] = json!({});
                let text = sign(&content, event, &own);
                previous = Some(Checkpoint::parse(&text).expect("a checkpoint").hash);
                event["data"]["seal"] = json!(text);
                changed.insert(id_of(event), event.clone());
            }
        }
    }
    assert_ne!(events, trail.events);
}

fn genuine(trail: &Trail, chain: Chain, seq: u64) -> Option<Checkpoint> {
    let checkpoints =
        trail.events.iter().filter_map(|(_, event)| Checkpoint::parse(Checkpoint::text(event)?));
    let mut all = checkpoints;
    all.find(|checkpoint| (checkpoint.content.chain, checkpoint.content.seq) == (chain, seq))
}

#[test]
fn what_is_put_in_between_sealed_events_is_found() {
    let trail = trail(&[3, 3, 3]);
    for copy in [Copy::Store, FILE] {
        let mut events = trail.events.clone();
        let forged = json!({"id": Uuid::from_u128(0xbad), "source": events[0].1["source"], "type": "patd.token.revoked", "time": "2026-01-01T00:00:04Z"});
        events.insert(5, (5, forged));
        let bad = check_as(copy, &trail.keys, &events, &trail.heads()).first_bad.expect("found");
        assert_eq!((bad.id, bad.fault, bad.position), (Some(Uuid::from_u128(0xbad)), Fault::Inserted, 5));
    }
}
