//! Groups of changes that reach the writer together: whatever it writes at once, the outcome is that of some order of
//! the changes, one after another.

use patd_proto::rows::{Session, Token};
use patd_proto::store::{Applied, Changes, Expect, Found, Query, Row, Write};
use patd_proto::wire::{Micros, Nat};
use patd_store_model::Memory;
use proptest::prelude::*;

use crate::model::{changes, session_of, step, token_of};
use crate::scratch::*;

/// A sign-in as the service makes it: the session before ends, the token tells which is next, and that one opens.
fn sign_in(key: u128, token: &Token, previous: Option<&Session>) -> Changes {
    let fresh = session(5000 + key, Some(token));
    let mut write = Vec::new();
    if let Some(previous) = previous {
        write.push(Write::Update(Row::Session(Session {
            ended: ended(Some(5000 + key)),
            ..previous.clone()
        })));
    }
    let used = Token {
        session: Some(fresh.id),
        last_used_at: Some(Micros(NOW + i64::try_from(key).expect("small"))),
        ..token.clone()
    };
    write.extend([Write::Update(Row::Token(used.clone())), insert_session(fresh)]);
    let expect = vec![Expect::Version { row: Row::Token(used).key(), version: token.version }];
    Changes { expect, ..change(key, write) }
}

async fn sign_ins_of(store: &Scratch, keys: std::ops::Range<u128>, tokens: u128) -> Vec<Applied> {
    let mut jobs = Vec::new();
    for key in keys {
        let asked = Query::TokenAndSession(id(10 + key % tokens));
        let Found::TokenAndSession(Some(read)) = store.ask(asked).await else { panic!("no token") };
        let previous = read.session.filter(|session| session.ended.is_none());
        jobs.push(store.engine.apply(sign_in(key, &read.token, previous.as_ref())));
    }
    join_all(jobs.into_iter()).await.into_iter().map(|outcome| outcome.expect("is answered")).collect()
}

#[tokio::test]
async fn sign_ins_of_many_tokens_at_once_are_all_done_and_keep_what_they_do_not_change() {
    let store = scratch().await;
    for n in 0..40 {
        store.done(change(1 + n, vec![insert_token(token(10 + n))])).await;
    }
    for (round, keys) in [(1, 120..160), (2, 160..200), (3, 200..240)] {
        let outcomes = sign_ins_of(&store, keys.clone(), 40).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Applied::Done), "{outcomes:?}");
        for key in keys {
            let kept = store.token(10 + key % 40).await.expect("is there");
            let wanted = Token {
                version: Nat(1 + round),
                session: kept.session,
                last_used_at: kept.last_used_at,
                ..token(10 + key % 40)
            };
            assert_eq!((kept.clone(), kept.session), (wanted, Some(id(5000 + key))));
            assert_eq!(
                store.session(5000 + key).await,
                Some(session(5000 + key, Some(&token(10 + key % 40))))
            );
            if round > 1 {
                let before = store.session(5000 + key - 40).await.expect("is kept");
                assert_eq!((before.ended, before.version), (ended(Some(5000 + key)), Nat(2)));
            }
        }
    }
    assert_eq!(store.events().await.len(), 40 + 120);
}

#[tokio::test]
async fn of_sign_ins_of_few_tokens_at_once_one_each_is_done_and_the_others_see_it() {
    let store = scratch().await;
    for n in 0..5 {
        store.done(change(1 + n, vec![insert_token(token(10 + n))])).await;
    }
    let outcomes = sign_ins_of(&store, 100..160, 5).await;
    let won = outcomes.iter().filter(|outcome| **outcome == Applied::Done).count();
    assert_eq!(won, 5, "{outcomes:?}");
    assert_eq!(store.events().await.len(), 5 + 5);
    for n in 0..5 {
        assert_eq!(store.token(10 + n).await.expect("is there").version, Nat(2));
    }
}

#[tokio::test]
async fn texts_of_every_kind_come_back_from_a_group_as_they_were() {
    let store = scratch().await;
    let names =
        ["plain", "\"quoted\" \\ and 'single'", "Zoë 🦀\u{7f}\n\t", "nul \0 inside", "", "null", "[1]"];
    for round in [0, 100] {
        let jobs = (10..).zip(names).map(|(n, name)| {
            let named = |name: String| Row::Token(Token { name, ..token(n) });
            let write = match round {
                0 => Write::Insert(named(name.to_owned())),
                _ => Write::Update(named(format!("{name}!"))),
            };
            store.engine.apply(change(n + round, vec![write]))
        });
        assert!(join_all(jobs).await.iter().all(|outcome| *outcome == Ok(Applied::Done)));
        for (n, name) in (10..).zip(names) {
            let kept = store.token(n).await.expect("is there").name;
            assert_eq!(kept, if round == 0 { name.to_owned() } else { format!("{name}!") });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_group_is_some_order_of_its_changes(
        groups in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(step(), 1..4), 1..24), 1..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = scratch().await;
            let (mut model, mut key) = (Memory::default(), 0);
            for group in &groups {
                let all: Vec<Changes> = group.iter().map(|steps| {
                    key += 1;
                    changes(key, steps, &model)
                }).collect();
                let outcomes = join_all(all.iter().map(|one| store.engine.apply(one.clone()))).await;
                // The order is that of the events.
                let mut states = vec![model.clone()];
                for event in store.events().await {
                    let Some(one) = all.iter().find(|one| one.id.as_u128() == event) else { continue };
                    prop_assert_eq!(model.apply(one), Applied::Done, "{:?} was done", one);
                    states.push(model.clone());
                }
                for (one, outcome) in all.iter().zip(outcomes) {
                    let outcome = outcome.expect("is answered");
                    let agrees = states.iter().any(|state| state.clone().apply(one) == outcome);
                    prop_assert!(agrees, "{:?} was answered {:?}", one, outcome);
                }
                for n in 0..6 {
                    prop_assert_eq!(store.token(1000 + n).await, token_of(&model, 1000 + n));
                }
                for n in 0..8 {
                    prop_assert_eq!(store.session(2000 + n).await, session_of(&model, 2000 + n));
                }
            }
            Ok(())
        })?;
    }
}
