//! Stores that lost their beginning, on purpose or not, or their end.

use serde_json::Value;

use super::{check, id_of, site, trail};
use crate::seal::chain::Chains;
use crate::seal::check::{Checker, Copy, Fault};
use crate::seal::checkpoint;

#[test]
fn what_was_let_go_on_purpose_is_told_from_what_was_cut() {
    let mut trail = trail(&[3, 3, 3]);
    let chain = trail.heads()[0].chain;
    let last_of_first_stretch = 3;
    let kept: Vec<_> =
        trail.events.iter().filter(|(position, _)| *position > last_of_first_stretch).cloned().collect();
    let bad = check(&trail.keys, &kept, &trail.heads()).first_bad.expect("a cut");
    assert_eq!((bad.fault, bad.id), (Fault::Dropped, Some(id_of(&trail.events[0].1))));
    // Said first, then let go; in between all is good as well.
    trail.chains.let_go(chain, 2);
    trail.seal();
    assert_eq!((trail.chains.begins(chain), trail.heads()[0].seq), (2, 4));
    assert_eq!(check(&trail.keys, &trail.events, &trail.heads()).first_bad, None);
    let kept: Vec<_> =
        trail.events.iter().filter(|(position, _)| *position > last_of_first_stretch).cloned().collect();
    assert_eq!(check(&trail.keys, &kept, &trail.heads()).first_bad, None);
    // More than was said is a cut.
    let kept: Vec<_> = trail.events.iter().filter(|(position, _)| *position > 5).cloned().collect();
    assert!(check(&trail.keys, &kept, &trail.heads()).first_bad.is_some());
    trail.seal();
    assert_eq!(trail.heads()[0].seq, 4, "said once");
}

#[test]
fn what_is_cut_or_dropped_behind_a_beginning_that_was_let_go_is_named_and_not_what_was_let_go() {
    let mut trail = trail(&[3, 3, 3]);
    let chain = trail.heads()[0].chain;
    trail.chains.let_go(chain, 2);
    trail.seal();
    let kept: Vec<_> = trail.events.iter().filter(|(position, _)| *position > 3).cloned().collect();
    let checked = |events: &[(u64, Value)]| {
        let mut checker = Checker::new(&trail.keys, Copy::Store, [(chain, 2)].into());
        events.iter().for_each(|(position, event)| checker.event(*position, event));
        let bad = checker.finish(&trail.heads()).first_bad.expect("found");
        (bad.fault, bad.id, bad.position)
    };
    let third = checkpoint::id(trail.keys.anchor(), chain, 3).0;
    // With the checkpoint that says what was let go.
    assert_eq!(checked(&kept[..6]), (Fault::Cut, Some(third), 10));
    let second = checkpoint::id(trail.keys.anchor(), chain, 2).0;
    assert_eq!(checked(&[]), (Fault::Cut, Some(second), 1));
    // The one after it lists nothing else.
    let at = kept.iter().position(|(_, event)| id_of(event) == third).expect("is there");
    let without = [&kept[..at], &kept[at + 1..]].concat();
    assert_eq!(checked(&without), (Fault::Dropped, Some(third), 12));
}

#[test]
fn a_store_that_was_put_back_goes_on_with_a_gap_that_stays() {
    let mut trail = trail(&[3, 3, 3]);
    let heads = trail.heads();
    trail.events.truncate(5);
    trail.chains = Chains::default();
    trail.read();
    assert_eq!(trail.chains.keep_gaps(&heads), [heads[0].chain]);
    trail.commit(Some(site(7)));
    trail.seal();
    let bad = check(&trail.keys, &trail.events, &trail.heads()).first_bad.expect("a gap");
    let missing = checkpoint::id(trail.keys.anchor(), heads[0].chain, 2).0;
    assert_eq!((bad.fault, bad.id), (Fault::Dropped, Some(missing)));
}
