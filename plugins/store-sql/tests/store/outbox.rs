//! Events wait in commit order; each sink has a cursor of its own.

use patd_proto::store::{Applied, DeadLetter, LeaseClaim, LeaseSeen, Scope};
use patd_proto::wire::{Micros, Nat};

use crate::scratch::*;

async fn waiting(store: &Scratch, sink: &str, limit: u32) -> Vec<(u64, u128)> {
    let waiting = store.engine.outbox_take(sink, None, None, limit).await.expect("the store answers");
    waiting.into_iter().map(|w| (w.position.0, w.event.id.as_u128())).collect()
}

#[tokio::test]
async fn events_come_in_commit_order_and_whole() {
    let store = scratch().await;
    // Ids and times that say otherwise.
    for n in [30, 10, 20] {
        let mut all = change(n, vec![]);
        all.events.push(event(n + 1));
        all.events[1].time.0 -= i64::try_from(n).expect("small");
        store.done(all).await;
    }
    let taken = waiting(&store, "file", 100).await;
    assert_eq!(taken.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [30, 31, 10, 11, 20, 21]);
    assert!(taken.windows(2).all(|pair| pair[0].0 < pair[1].0), "{taken:?}");
    let whole = store.engine.outbox_take("file", None, None, 1).await.expect("the store answers");
    assert_eq!(whole[0].event, event(30));
}

#[tokio::test]
async fn events_can_be_read_from_any_position_without_a_cursor() {
    let store = scratch().await;
    for n in 1..=3 {
        store.done(change(n, vec![])).await;
    }
    let all = waiting(&store, "file", 100).await;
    store.engine.outbox_ack("file", None, Nat(all[2].0), &[]).await.expect("acknowledged");
    for skipped in 0..=3 {
        let after = if skipped == 0 { 0 } else { all[skipped - 1].0 };
        let read =
            store.engine.outbox_take("", None, Some(Nat(after)), 100).await.expect("the store answers");
        assert_eq!(
            read.iter().map(|w| w.position.0).collect::<Vec<_>>(),
            all[skipped..].iter().map(|w| w.0).collect::<Vec<_>>()
        );
    }
    assert!(
        store
            .engine
            .outbox_take("", None, Some(Nat(u64::MAX)), 1)
            .await
            .expect("the store answers")
            .is_empty()
    );
    assert!(waiting(&store, "file", 100).await.is_empty());
}

#[tokio::test]
async fn each_sink_has_its_own_cursor_that_never_goes_back() {
    let store = scratch().await;
    for n in 1..=5 {
        store.done(change(n, vec![])).await;
    }
    let all = waiting(&store, "file", 100).await;
    let third = Nat(all[2].0);
    store.engine.outbox_ack("file", None, third, &[]).await.expect("acknowledged");
    assert_eq!(waiting(&store, "file", 1).await, all[3..4]);
    assert_eq!(waiting(&store, "hook", 100).await, all);
    store.engine.outbox_ack("file", None, Nat(all[0].0), &[]).await.expect("acknowledged");
    assert_eq!(waiting(&store, "file", 100).await, all[3..]);
    store.engine.outbox_ack("file", None, Nat(all[4].0), &[]).await.expect("acknowledged");
    assert_eq!(waiting(&store, "file", 100).await, []);
    assert!(store.engine.outbox_ack("file", None, Nat(u64::MAX), &[]).await.is_err());
}

#[tokio::test]
async fn an_event_of_a_known_id_in_another_change_is_a_conflict() {
    let store = scratch().await;
    store.done(change(1, vec![])).await;
    let mut other = change(2, vec![insert_token(token(10))]);
    other.events.push(event(1));
    assert!(matches!(store.apply(other).await, Applied::Conflict(_)));
    assert_eq!(store.token(10).await, None);
    assert_eq!(store.events().await, [1]);
}

/// The ids of what waits in a scope.
async fn scoped(store: &Scratch, sink: &str, scope: Scope, after: Option<u64>) -> Vec<u128> {
    let taken = store.engine.outbox_take(sink, Some(scope), after.map(Nat), 100).await;
    taken.expect("the store answers").into_iter().map(|w| w.event.id.as_u128()).collect()
}

/// Events 1 to 6: of site 1, site 2, no site, and again.
async fn three_scopes(store: &Scratch) {
    for n in 1..=6 {
        let mut all = change(n, vec![]);
        all.events[0].site = [None, Some(id(1)), Some(id(2))][usize::try_from(n % 3).expect("small")];
        store.done(all).await;
    }
}

#[tokio::test]
async fn a_sink_has_a_cursor_per_site_and_one_for_what_is_of_no_site() {
    let store = scratch().await;
    three_scopes(&store).await;
    let (one, two) = (Scope::Site(id(1)), Scope::Site(id(2)));
    assert_eq!(scoped(&store, "file", one, None).await, [1, 4]);
    assert_eq!(scoped(&store, "file", two, None).await, [2, 5]);
    assert_eq!(scoped(&store, "file", Scope::Directory, None).await, [3, 6]);
    store.engine.outbox_ack("file", Some(one), Nat(4), &[]).await.expect("acknowledged");
    assert_eq!(scoped(&store, "file", one, None).await, [] as [u128; 0]);
    assert_eq!(scoped(&store, "file", one, Some(0)).await, [1, 4]);
    assert_eq!(scoped(&store, "file", two, None).await, [2, 5]);
    assert_eq!(scoped(&store, "file", Scope::Directory, None).await, [3, 6]);
    let status = store.engine.outbox_status("file", two).await.expect("the store answers");
    assert_eq!((status.through, status.waiting, status.oldest), (Nat(0), Nat(2), Some(Micros(NOW))));
    let status = store.engine.outbox_status("file", one).await.expect("the store answers");
    assert_eq!((status.through, status.waiting, status.oldest), (Nat(4), Nat(0), None));
}

#[tokio::test]
async fn a_cursor_from_before_there_were_sites_counts_for_each() {
    let store = scratch().await;
    three_scopes(&store).await;
    store.engine.outbox_ack("file", None, Nat(4), &[]).await.expect("acknowledged");
    assert_eq!(scoped(&store, "file", Scope::Site(id(1)), None).await, [] as [u128; 0]);
    assert_eq!(scoped(&store, "file", Scope::Site(id(2)), None).await, [5]);
    assert_eq!(scoped(&store, "file", Scope::Directory, None).await, [6]);
}

fn letter(n: u128, position: u64) -> DeadLetter {
    DeadLetter { position: Nat(position), event: event(n), reason: "no".into(), at: Micros(NOW + 5) }
}

#[tokio::test]
async fn dead_letters_are_kept_with_the_cursors_move_and_forgotten_one_by_one() {
    let store = scratch().await;
    for n in 1..=4 {
        store.done(change(n, vec![])).await;
    }
    let site = Scope::Site(id(1));
    let dead = [letter(1, 1), letter(3, 3)];
    for _twice in 0..2 {
        store.engine.outbox_ack("file", Some(site), Nat(3), &dead).await.expect("acknowledged");
    }
    let listed = async |sink: &str, scope, after| {
        store.engine.dead_letters(sink, scope, Nat(after), 10).await.expect("the store answers")
    };
    assert_eq!(listed("file", None, 0).await, dead);
    assert_eq!(listed("file", Some(site), 1).await, dead[1..]);
    assert_eq!(listed("file", Some(Scope::Directory), 0).await, []);
    assert_eq!(listed("hook", None, 0).await, []);
    assert_eq!(scoped(&store, "file", site, None).await, [4]);
    assert_eq!(store.engine.outbox_status("file", site).await.expect("answers").dead, Nat(2));
    // A cursor that cannot be moved keeps no letter.
    assert!(store.engine.outbox_ack("file", Some(site), Nat(u64::MAX), &[letter(4, 4)]).await.is_err());
    assert_eq!(listed("file", None, 0).await, dead);
    let forgotten = store.engine.dead_letters_forget("file".into(), &[Nat(1), Nat(9)]).await;
    assert_eq!(forgotten.expect("forgotten"), 1);
    assert_eq!(listed("file", None, 0).await, dead[1..]);
}

#[tokio::test]
async fn the_oldest_events_of_a_scope_are_removed_and_no_position_is_given_again() {
    let store = scratch().await;
    for n in 1..=6 {
        store.done(change(n, vec![])).await;
    }
    let site = Scope::Site(id(1));
    store.engine.outbox_ack("file", Some(site), Nat(2), &[letter(1, 1)]).await.expect("acknowledged");
    let remove = async |scope, through, limit| {
        store.engine.events_remove(scope, Nat(through), limit).await.expect("removed")
    };
    assert_eq!(remove(site, 4, 3).await, 3);
    assert_eq!(remove(site, 4, 3).await, 1);
    assert_eq!(remove(site, 4, 3).await, 0);
    assert_eq!(remove(Scope::Directory, 6, 3).await, 0, "another scope");
    assert_eq!(scoped(&store, "hook", site, None).await, [5, 6]);
    // The cursor is behind what is left; what it counts is what is left.
    let status = store.engine.outbox_status("file", site).await.expect("answers");
    assert_eq!((status.through, status.waiting, status.dead), (Nat(2), Nat(2), Nat(1)));
    assert_eq!(remove(site, u64::MAX, 9).await, 1, "the newest stays");
    store.done(change(7, vec![])).await;
    let events = store.engine.outbox_take("hook", None, None, 9).await.expect("answers");
    let positions: Vec<_> = events.iter().map(|waiting| waiting.position.0).collect();
    assert_eq!(positions, [6, 7]);
    // The id of an event that is gone can be given again; whoever removes events sees to it that nobody does.
    store.done(change(1, vec![])).await;
}

#[tokio::test]
async fn a_lease_goes_to_another_only_when_it_was_given_back_or_not_renewed() {
    let store = scratch().await;
    let claim = async |holder, seen| {
        let claims = vec![LeaseClaim { name: "file/x".into(), seen }];
        let leases = store.engine.outbox_lease(id(holder), claims, Vec::new()).await.expect("answers");
        (leases[0].holder.as_u128(), leases[0].beat.0)
    };
    let seen = |holder, beat| Some(LeaseSeen { holder: id(holder), beat: Nat(beat) });
    assert_eq!(claim(1, None).await, (1, 1));
    assert_eq!(claim(2, None).await, (1, 1));
    assert_eq!(claim(1, None).await, (1, 2));
    // It was renewed since.
    assert_eq!(claim(2, seen(1, 1)).await, (1, 2));
    assert_eq!(claim(2, seen(1, 2)).await, (2, 3));
    assert_eq!(claim(1, seen(1, 2)).await, (2, 3));
    let given_back = vec!["file/x".to_owned(), "file/unknown".to_owned()];
    store.engine.outbox_lease(id(1), Vec::new(), given_back.clone()).await.expect("answers");
    assert_eq!(claim(1, None).await, (2, 3));
    store.engine.outbox_lease(id(2), Vec::new(), given_back).await.expect("answers");
    // The beat goes on, so no lease ever looks as before.
    assert_eq!(claim(1, None).await, (1, 5));
}
