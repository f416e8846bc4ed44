//! Events wait in commit order; each sink has a cursor of its own.

use patd_proto::store::Applied;
use patd_proto::wire::Nat;

use crate::scratch::*;

async fn waiting(store: &Scratch, sink: &str, limit: u32) -> Vec<(u64, u128)> {
    let waiting = store.engine.outbox_take(sink, limit).await.expect("the store answers");
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
    let whole = store.engine.outbox_take("file", 1).await.expect("the store answers");
    assert_eq!(whole[0].event, event(30));
}

#[tokio::test]
async fn events_can_be_read_from_any_position_without_a_cursor() {
    let store = scratch().await;
    for n in 1..=3 {
        store.done(change(n, vec![])).await;
    }
    let all = waiting(&store, "file", 100).await;
    store.engine.outbox_ack("file", Nat(all[2].0)).await.expect("acknowledged");
    for skipped in 0..=3 {
        let after = if skipped == 0 { 0 } else { all[skipped - 1].0 };
        let read = store.engine.events_after(Nat(after), 100).await.expect("the store answers");
        assert_eq!(
            read.iter().map(|w| w.position.0).collect::<Vec<_>>(),
            all[skipped..].iter().map(|w| w.0).collect::<Vec<_>>()
        );
    }
    assert!(store.engine.events_after(Nat(u64::MAX), 1).await.expect("the store answers").is_empty());
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
    store.engine.outbox_ack("file", third).await.expect("acknowledged");
    assert_eq!(waiting(&store, "file", 1).await, all[3..4]);
    assert_eq!(waiting(&store, "hook", 100).await, all);
    store.engine.outbox_ack("file", Nat(all[0].0)).await.expect("acknowledged");
    assert_eq!(waiting(&store, "file", 100).await, all[3..]);
    store.engine.outbox_ack("file", Nat(all[4].0)).await.expect("acknowledged");
    assert_eq!(waiting(&store, "file", 100).await, []);
    assert!(store.engine.outbox_ack("file", Nat(u64::MAX)).await.is_err());
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
