//! A store copied piece by piece is the same store.

use patd_proto::rows::MemberState;
use patd_proto::store::{Piece, Row, Tally, Write};
use patd_proto::wire::Nat;
use store_sql::{Config, Engine, Role};

use crate::scratch::*;

/// A store with rows of several kinds, versions above 1 and gaps between positions.
async fn filled() -> Scratch {
    let store = scratch().await;
    store.done(change(1, vec![Write::Insert(Row::Site(site(1)))])).await;
    for n in 2..=4 {
        let rows = vec![
            Write::Insert(Row::User(user(n, &format!("Ann{n}")))),
            Write::Insert(Row::Membership(member(1, n, MemberState::Active))),
            Write::Insert(Row::Membership(member(9, n, MemberState::Removed))),
        ];
        store.done(change(n, rows)).await;
    }
    let mut with_session = token(10);
    with_session.session = Some(id(20));
    let session = session(20, Some(&with_session));
    store.done(change(10, vec![insert_token(with_session.clone()), insert_session(session)])).await;
    store.done(change(11, vec![Write::Update(Row::Token(with_session))])).await;
    // A position that no event has.
    let mut refused = change(12, vec![insert_token(token(10))]);
    refused.events.push(event(13));
    store.apply(refused).await;
    store.done(change(14, vec![insert_token(token(14))])).await;
    store.engine.outbox_ack("file", None, Nat(3), &[]).await.expect("acknowledged");
    store.engine.outbox_ack("a sink: of mine", None, Nat(1_000), &[]).await.expect("acknowledged");
    store
}

async fn pieces(engine: &Engine, limit: u32) -> (Vec<Piece>, Tally) {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let answer = engine.export(after.as_deref(), limit).await.expect("the store answers");
        all.extend(answer.pieces);
        match (answer.next, answer.has) {
            (Some(next), None) => after = Some(next),
            (None, Some(has)) => return (all, has),
            other => panic!("counts come with the last answer and only there: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_export_has_every_piece_once_whatever_the_size_of_its_pages() {
    let store = filled().await;
    let (whole, has) = pieces(&store.engine, 1000).await;
    let mut counted = Tally::default();
    whole.iter().for_each(|piece| counted.add(piece));
    assert_eq!(counted, has);
    assert_eq!((has.sites, has.users, has.memberships, has.tokens, has.sessions), (1, 3, 6, 2, 1));
    assert_eq!((has.events, has.cursors, has.total()), (7, 2, 22));
    for limit in [1, 2, 3] {
        assert_eq!(pieces(&store.engine, limit).await, (whole.clone(), has), "pages of {limit}");
    }
    assert!(store.engine.export(Some("nowhere 1"), 1).await.is_err());
    assert!(store.engine.export(Some("memberships 1"), 1).await.is_err());
}

#[tokio::test]
async fn an_import_gives_the_same_store_and_goes_on_from_its_positions() {
    let store = filled().await;
    let (whole, has) = pieces(&store.engine, 1000).await;
    let copy = scratch().await;
    for some in whole.chunks(5) {
        copy.engine.import(some.to_vec(), None).await.expect("imported");
    }
    copy.engine.import(Vec::new(), Some(has)).await.expect("finished");
    assert_eq!(pieces(&copy.engine, 1000).await, (whole, has));
    assert_eq!(copy.token(10).await.expect("the token").version, Nat(2));
    let last = store
        .engine
        .outbox_take("nobody", None, None, 100)
        .await
        .expect("events")
        .last()
        .expect("one")
        .position;
    copy.done(change(30, vec![insert_token(token(30))])).await;
    let new = copy.engine.outbox_take("a sink: of mine", None, None, 100).await.expect("events");
    assert!(new.len() == 1 && new[0].position > last, "{new:?}");
}

#[tokio::test]
async fn an_import_that_does_not_end_leaves_nothing() {
    let store = filled().await;
    let (whole, has) = pieces(&store.engine, 1000).await;
    let copy = scratch().await;
    // Counts that differ.
    copy.engine.import(whole.clone(), None).await.expect("imported");
    copy.engine.import(Vec::new(), Some(Tally { events: 1, ..has })).await.expect_err("counted");
    assert_eq!(pieces(&copy.engine, 10).await, (Vec::new(), Tally::default()));
    // A piece twice.
    copy.engine.import(whole.clone(), None).await.expect("imported");
    copy.engine.import(whole[..1].to_vec(), None).await.expect_err("known");
    assert_eq!(pieces(&copy.engine, 10).await, (Vec::new(), Tally::default()));
    // A stop in between.
    copy.engine.import(whole.clone(), None).await.expect("imported");
    copy.engine.close().await.expect("closed");
    let path = copy.folder.path().join("in/store.db");
    let again = Engine::open(Config::at(&path), None).await.expect("it opens");
    assert_eq!(pieces(&again, 10).await, (Vec::new(), Tally::default()));
    again.import(whole, Some(has)).await.expect("imported");
}

#[tokio::test]
async fn only_an_empty_store_of_the_right_role_takes_an_import() {
    let store = filled().await;
    let (whole, has) = pieces(&store.engine, 1000).await;
    let error = store.engine.import(whole.clone(), Some(has)).await.expect_err("not empty").to_string();
    assert!(error.contains("not empty") && error.contains("22 rows"), "{error}");
    store.done(change(40, vec![])).await;
    let folder = tempfile::tempdir().expect("a folder");
    let of_site =
        Engine::open(Config::at(&folder.path().join("a.db")), Some(Role::Site)).await.expect("opens");
    let error = of_site.import(whole, Some(has)).await.expect_err("directory rows").to_string();
    assert!(error.contains("no rows of a directory"), "{error}");
    assert_eq!(pieces(&of_site, 10).await, (Vec::new(), Tally::default()));
}
