//! The sealer's view of a store: chains beside each other, starts and ends at any moment, keys that hand over.

use proptest::prelude::*;

use super::{Trail, chain_of, check, id_of, key, site, trail};
use crate::seal::chain::{Chains, Notes};
use crate::seal::check::Fault;
use crate::seal::keys::Keys;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_sealer_that_starts_again_goes_on_where_it_was(
        stretches in prop::collection::vec((0_u8..6, any::<bool>(), any::<bool>()), 1..12),
    ) {
        let mut trail = Trail::new(false);
        for (commits, crash, lost) in stretches {
            for n in 0..commits {
                trail.commit(Some(site(7 + u128::from(n % 2))));
            }
            let mut notes = trail.chains.notes();
            if crash {
                // The checkpoints are in the store; nobody has noted it.
                trail.read();
                let written = trail.checkpoints();
                written.into_iter().for_each(|event| trail.push(event));
            } else {
                trail.seal();
                notes = trail.chains.notes();
            }
            let text = serde_json::to_string(&notes).expect("text");
            let notes: Notes = serde_json::from_str(&text).expect("notes");
            let resumed = Chains::resume(&notes).filter(|_| !lost);
            trail.chains = resumed.unwrap_or_default();
            trail.read();
            prop_assert_eq!(trail.chains.keep_gaps(&notes.heads()), []);
        }
        trail.seal();
        let outcome = check(&trail.keys, &trail.events, &trail.heads());
        prop_assert_eq!(outcome.first_bad, None);
        prop_assert_eq!(outcome.unsealed, 0);
    }
}

#[test]
fn sites_in_one_store_have_chains_of_their_own() {
    let mut trail = Trail::new(false);
    for of in [7, 8, 7, 7, 8] {
        trail.commit(Some(site(of)));
    }
    trail.seal();
    trail.commit(Some(site(8)));
    trail.seal();
    let of_one: Vec<_> = trail
        .events
        .iter()
        .filter(|(_, event)| chain_of(false, event).site == Some(site(8)))
        .cloned()
        .collect();
    let heads: Vec<_> = trail.heads().into_iter().filter(|head| head.chain.site == Some(site(8))).collect();
    assert_eq!(heads[0].seq, 2);
    let outcome = check(&trail.keys, &of_one, &heads);
    assert_eq!((outcome.first_bad, outcome.checked), (None, 5));
    assert_eq!(check(&trail.keys, &trail.events, &trail.heads()).first_bad, None);
}

#[test]
fn a_checkpoint_is_needed_by_events_and_not_by_checkpoints() {
    let mut trail = trail(&[2]);
    let length = trail.events.len();
    assert_eq!(length, 3);
    trail.seal();
    assert_eq!(trail.events.len(), length);
}

#[test]
fn a_key_that_was_handed_over_to_signs_from_then_on_and_the_old_one_no_more() {
    let mut trail = trail(&[2, 2]);
    let new = key(2);
    trail.keys = trail.keys.hand_over(&trail.key, &new).expect("handed over");
    let old = std::mem::replace(&mut trail.key, new);
    trail.commit(Some(site(7)));
    trail.seal();
    assert_eq!(check(&trail.keys, &trail.events, &trail.heads()).first_bad, None);
    // Whoever checks with the old list sees a key that he does not know.
    let bad = check(&Keys::new(&old), &trail.events, &[]).first_bad.expect("found");
    assert_eq!((bad.fault, bad.id), (Fault::Forged, trail.events.last().map(|(_, event)| id_of(event))));
    trail.key = old;
    trail.commit(Some(site(7)));
    trail.seal();
    let bad = check(&trail.keys, &trail.events, &[]).first_bad.expect("found");
    assert_eq!((bad.fault, bad.id), (Fault::Forged, trail.events.last().map(|(_, event)| id_of(event))));
}
