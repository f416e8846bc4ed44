//! A change is applied whole or not at all: expectations, uniqueness, replay, groups.

use crate::scratch::*;
use patd_proto::rows::{MemberState, SiteState};
use patd_proto::store::{Applied, Changes, Conflict, Expect, Found, Query, Row, RowKey, Write};
use patd_proto::wire::{Micros, Nat, Phc};
use store_sql::Engine;

fn conflict(applied: Applied) -> Conflict {
    match applied {
        Applied::Conflict(conflict) => conflict,
        Applied::Done => panic!("was applied"),
    }
}

#[tokio::test]
async fn rows_come_back_as_they_were_written() {
    let store = scratch().await;
    let mut t = token(10);
    t.last_used_at = Some(Micros(NOW + 5));
    t.session = Some(id(20));
    t.ended = ended(Some(21));
    let mut s = session(20, Some(&t));
    s.ended = ended(None);
    store.done(change(100, vec![insert_token(t.clone()), insert_session(s.clone())])).await;
    assert_eq!(store.token(10).await, Some(t.clone()));
    assert_eq!(store.session(20).await, Some(s.clone()));
    let Found::TokenAndSession(Some(both)) = store.ask(Query::TokenAndSession(id(10))).await else {
        panic!("none")
    };
    assert_eq!((both.token, both.session), (t, Some(s)));
}

#[tokio::test]
async fn an_update_of_a_stale_row_changes_nothing_and_gives_the_current_row() {
    let store = scratch().await;
    store.done(change(100, vec![insert_token(token(10))])).await;
    let mut newer = token(10);
    newer.last_used_at = Some(Micros(NOW + 1));
    store.done(change(101, vec![Write::Update(Row::Token(newer.clone()))])).await;
    newer.version = Nat(2);
    let stale = change(102, vec![insert_session(session(20, None)), Write::Update(Row::Token(token(10)))]);
    assert_eq!(
        conflict(store.apply(stale).await),
        Conflict::Row { row: RowKey::Token(id(10)), current: Some(Box::new(Row::Token(newer.clone()))) }
    );
    assert_eq!(store.session(20).await, None);
    assert_eq!(store.events().await, [100, 101]);
    let unknown = change(103, vec![Write::Update(Row::Token(token(11)))]);
    assert_eq!(
        conflict(store.apply(unknown).await),
        Conflict::Row { row: RowKey::Token(id(11)), current: None }
    );
}

#[tokio::test]
async fn expectations_hold_or_nothing_is_written() {
    let store = scratch().await;
    store.done(change(100, vec![insert_token(token(10))])).await;
    let row = RowKey::Token(id(10));
    let held = Some(Box::new(Row::Token(token(10))));
    for (n, expect, wanted) in [
        (1, Expect::Version { row, version: Nat(1) }, None),
        (2, Expect::Version { row, version: Nat(2) }, Some(Conflict::Row { row, current: held.clone() })),
        (3, Expect::Absent(row), Some(Conflict::Row { row, current: held })),
        (4, Expect::Absent(RowKey::Membership(id(1), id(2))), None),
        (5, Expect::LiveTokensAtMost { site: id(1), owner: id(2), max: 1, besides: vec![] }, None),
        (
            6,
            Expect::LiveTokensAtMost { site: id(1), owner: id(2), max: 0, besides: vec![] },
            Some(Conflict::TooManyTokens),
        ),
        (7, Expect::LiveTokensAtMost { site: id(1), owner: id(2), max: 0, besides: vec![id(10)] }, None),
        (8, Expect::LiveTokensAtMost { site: id(3), owner: id(2), max: 0, besides: vec![] }, None),
    ] {
        let write = vec![insert_session(session(200 + n, None))];
        let applied = store.apply(Changes { expect: vec![expect], ..change(300 + n, write) }).await;
        assert_eq!(applied, wanted.clone().map_or(Applied::Done, Applied::Conflict), "case {n}");
        assert_eq!(store.session(200 + n).await.is_none(), wanted.is_some(), "case {n}");
    }
}

#[tokio::test]
async fn an_inserted_row_that_exists_is_a_conflict_with_the_row() {
    let store = scratch().await;
    store.done(change(100, vec![insert_token(token(10))])).await;
    let mut other = token(10);
    other.name = "other".into();
    let found = conflict(store.apply(change(101, vec![insert_token(other)])).await);
    assert_eq!(
        found,
        Conflict::Row { row: RowKey::Token(id(10)), current: Some(Box::new(Row::Token(token(10)))) }
    );
}

#[tokio::test]
async fn live_token_names_are_unique_per_owner_and_site_and_ended_ones_are_free() {
    let store = scratch().await;
    let mut first = token(10);
    first.name = "Same".into();
    store.done(change(100, vec![insert_token(first.clone())])).await;
    let mut second = token(11);
    second.name = "Same".into();
    let taken = store.apply(change(101, vec![insert_token(second.clone())])).await;
    assert_eq!(conflict(taken), Conflict::TokenNameTaken("Same".into()));
    let mut elsewhere = token(12);
    elsewhere.name = "Same".into();
    elsewhere.site = id(9);
    let mut of_another = token(13);
    of_another.name = "Same".into();
    of_another.owner = id(9);
    let mut other_case = token(14);
    other_case.name = "same".into();
    store.done(change(102, [elsewhere, of_another, other_case].map(insert_token).to_vec())).await;
    first.ended = ended(None);
    store.done(change(103, vec![Write::Update(Row::Token(first)), insert_token(second)])).await;
}

#[tokio::test]
async fn r3_two_live_sessions_of_one_token_are_impossible() {
    let store = scratch().await;
    let t = token(10);
    let mut first = session(20, Some(&t));
    store.done(change(100, vec![insert_token(t.clone()), insert_session(first.clone())])).await;
    let second = session(21, Some(&t));
    let refused = store.apply(change(101, vec![insert_session(second.clone())])).await;
    assert_eq!(conflict(refused), Conflict::Unique("sessions_live_token".into()));
    first.ended = ended(Some(21));
    store.done(change(102, vec![Write::Update(Row::Session(first.clone())), insert_session(second)])).await;
    first.version = Nat(2);
    let mut revived = first.clone();
    revived.ended = None;
    let refused = store.apply(change(103, vec![Write::Update(Row::Session(revived))])).await;
    assert_eq!(conflict(refused), Conflict::Unique("sessions_live_token".into()));
    // Sessions without a token are no rivals of each other.
    store.done(change(104, vec![insert_session(session(30, None)), insert_session(session(31, None))])).await;
}

#[tokio::test]
async fn user_names_and_content_urls_are_unique_without_case_and_home_numbers_for_ever() {
    let store = scratch().await;
    store
        .done(change(100, vec![Write::Insert(Row::User(user(2, "Ann"))), Write::Insert(Row::Site(site(1)))]))
        .await;
    let taken = store.apply(change(101, vec![Write::Insert(Row::User(user(3, "aNN")))])).await;
    assert_eq!(conflict(taken), Conflict::UsernameTaken);
    store.done(change(102, vec![Write::Insert(Row::User(user(3, "Bob")))])).await;
    let mut renamed = user(3, "ANN");
    let taken = store.apply(change(103, vec![Write::Update(Row::User(renamed.clone()))])).await;
    assert_eq!(conflict(taken), Conflict::UsernameTaken);
    renamed.username = "bOB".into();
    store.done(change(104, vec![Write::Update(Row::User(renamed))])).await;

    let mut twin = site(5);
    twin.content_url = "sITE1".into();
    let taken = store.apply(change(105, vec![Write::Insert(Row::Site(twin.clone()))])).await;
    assert_eq!(conflict(taken), Conflict::Unique("sites_content_url".into()));
    let mut gone = site(1);
    gone.state = SiteState::Deleted;
    store.done(change(106, vec![Write::Update(Row::Site(gone)), Write::Insert(Row::Site(twin))])).await;
    let mut reuse = site(6);
    reuse.home = 1;
    let taken = store.apply(change(107, vec![Write::Insert(Row::Site(reuse))])).await;
    assert_eq!(conflict(taken), Conflict::Unique("sites_home".into()));
    assert_eq!(store.ask(Query::HomeNumberUsed(1)).await, Found::Counts(Nat(1), Nat(0)));
    assert_eq!(store.ask(Query::HomeNumberUsed(99)).await, Found::Counts(Nat(0), Nat(0)));
}

#[tokio::test]
async fn a_replay_is_done_without_writing() {
    let store = scratch().await;
    let mint = change(100, vec![insert_token(token(10))]);
    store.done(mint.clone()).await;
    store.done(mint.clone()).await;
    assert_eq!(store.events().await, [100]);
    let quiet = Changes { id: id(500), expect: vec![], write: vec![insert_token(token(11))], events: vec![] };
    store.done(quiet.clone()).await;
    store.done(quiet).await;
    // Both in one group.
    let again = change(101, vec![insert_token(token(12))]);
    let (a, b) = tokio::join!(store.engine.apply(again.clone()), store.engine.apply(again));
    assert_eq!((a, b), (Ok(Applied::Done), Ok(Applied::Done)));
    assert_eq!(store.events().await, [100, 101]);
}

#[tokio::test]
async fn a_rehash_needs_the_old_digest_and_keeps_the_version() {
    let store = scratch().await;
    let t = token(10);
    store.done(change(100, vec![insert_token(t.clone())])).await;
    let rehash = |n, old: &Phc, new: &str| Changes {
        id: id(n),
        expect: vec![],
        write: vec![Write::RehashToken { id: id(10), old: old.clone(), new: Phc(new.into()) }],
        events: vec![],
    };
    store.done(rehash(101, &t.digest, "$new")).await;
    store.done(rehash(102, &t.digest, "$newer")).await;
    let now = store.token(10).await.expect("is there");
    assert_eq!((now.digest, now.version), (Phc("$new".into()), Nat(1)));
}

#[tokio::test]
async fn a_delete_expects_the_version() {
    let store = scratch().await;
    store.done(change(100, vec![insert_session(session(20, None))])).await;
    let row = RowKey::Session(id(20));
    let wrong = store.apply(change(101, vec![Write::Delete { row, version: Nat(2) }])).await;
    assert_eq!(
        conflict(wrong),
        Conflict::Row { row, current: Some(Box::new(Row::Session(session(20, None)))) }
    );
    store.done(change(102, vec![Write::Delete { row, version: Nat(1) }])).await;
    assert_eq!(store.session(20).await, None);
}

#[tokio::test]
async fn of_many_concurrent_changes_of_one_row_exactly_one_wins() {
    let store = scratch().await;
    store.done(change(100, vec![insert_token(token(10))])).await;
    let racers = (0..64).map(|n| {
        let mut mine = token(10);
        mine.last_used_at = Some(Micros(NOW + n));
        store
            .engine
            .apply(change(1000 + u128::try_from(n).expect("positive"), vec![Write::Update(Row::Token(mine))]))
    });
    let outcomes = join_all(racers).await;
    let won = outcomes.iter().filter(|outcome| **outcome == Ok(Applied::Done)).count();
    assert_eq!(won, 1, "{outcomes:?}");
    assert_eq!(store.token(10).await.expect("is there").version, Nat(2));
    assert_eq!(store.events().await.len(), 2);
}

#[tokio::test]
async fn a_group_keeps_the_good_changes_beside_a_failing_one() {
    let store = scratch().await;
    let jobs = (0..50_u128).map(|n| {
        let mut t = token(10 + n);
        if n % 5 == 0 {
            t.name = "the same".into();
        }
        store.engine.apply(change(1000 + n, vec![insert_session(session(500 + n, None)), insert_token(t)]))
    });
    let outcomes = join_all(jobs).await;
    let done: Vec<usize> = (0..50).filter(|n| outcomes[*n] == Ok(Applied::Done)).collect();
    assert_eq!(done.len(), 41);
    for n in 0..50_u128 {
        let kept = done.contains(&usize::try_from(n).expect("small"));
        assert_eq!(store.token(10 + n).await.is_some(), kept);
        assert_eq!(store.session(500 + n).await.is_some(), kept);
    }
    assert_eq!(store.events().await.len(), 41);
}

#[tokio::test]
async fn a_change_that_does_not_fit_is_refused_and_spares_its_neighbours() {
    let store = scratch().await;
    let mut huge = token(10);
    huge.epochs.person = Nat(u64::MAX);
    let (bad, good) = tokio::join!(
        store.engine.apply(change(100, vec![insert_token(huge)])),
        store.engine.apply(change(101, vec![insert_token(token(11))])),
    );
    assert!(bad.expect_err("does not fit").to_string().contains("tokens.person_epoch"));
    assert_eq!(good, Ok(Applied::Done));
}

#[tokio::test]
async fn memberships_have_two_keys() {
    let store = scratch().await;
    let write = vec![Write::Insert(Row::Membership(member(1, 2, MemberState::Pending)))];
    store.done(change(100, write)).await;
    store.done(change(101, vec![Write::Update(Row::Membership(member(1, 2, MemberState::Active)))])).await;
    let Found::Memberships(found) = store.ask(Query::Membership(id(1), id(2))).await else { panic!("none") };
    assert_eq!((found[0].state, found[0].version), (MemberState::Active, Nat(2)));
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_reopening() {
    let store = scratch().await;
    store.done(change(100, vec![insert_token(token(10))])).await;
    let Scratch { folder, engine } = store;
    engine.close().await.expect("closes");
    let config = store_sql::Config::at(&folder.path().join("in/store.db"));
    let store = Scratch { engine: Engine::open(config, None).await.expect("opens again"), folder };
    assert_eq!(store.token(10).await, Some(token(10)));
    assert_eq!(store.events().await, [100]);
}
