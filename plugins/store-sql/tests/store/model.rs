//! Random changes of tokens and sessions against a model in memory: the same outcomes, the same rows, the same events.

use patd_proto::rows::{Session, Token};
use patd_proto::store::{Changes, Expect, Query, Row, RowKey, Write};
use patd_proto::wire::{Micros, Nat};
use patd_store_model::Memory;
use proptest::prelude::*;

use crate::scratch::*;

/// One write of a step; small numbers, so that steps meet.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Mint { n: u128, name: u8 },
    EndToken { n: u128, version: u64 },
    Open { n: u128, token: u128 },
    EndSession { n: u128, version: u64 },
    Forget { n: u128, version: u64 },
    Most { max: u32 },
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6_u128, 0..3_u8).prop_map(|(n, name)| Step::Mint { n, name }),
        (0..6_u128, 1..4_u64).prop_map(|(n, version)| Step::EndToken { n, version }),
        (0..8_u128, 0..6_u128).prop_map(|(n, token)| Step::Open { n, token }),
        (0..8_u128, 1..3_u64).prop_map(|(n, version)| Step::EndSession { n, version }),
        (0..8_u128, 1..3_u64).prop_map(|(n, version)| Step::Forget { n, version }),
        (0..4_u32).prop_map(|max| Step::Most { max }),
    ]
}

fn minted(n: u128, name: u8) -> Token {
    Token { name: format!("name {name}"), ..token(1000 + n) }
}

pub(crate) fn changes(key: u128, steps: &[Step], model: &Memory) -> Changes {
    let mut all = change(key, vec![]);
    for step in steps {
        let write = match *step {
            Step::Mint { n, name } => insert_token(minted(n, name)),
            Step::EndToken { n, version } => {
                let mut t = token_of(model, 1000 + n).unwrap_or_else(|| minted(n, 0));
                t.version = Nat(version);
                t.ended = ended(None);
                t.last_used_at = Some(Micros(NOW + i64::try_from(version).expect("small")));
                Write::Update(Row::Token(t))
            }
            Step::Open { n, token: of } => insert_session(session(2000 + n, Some(&token(1000 + of)))),
            Step::EndSession { n, version } => {
                let mut s = session_of(model, 2000 + n).unwrap_or_else(|| session(2000 + n, None));
                s.version = Nat(version);
                s.ended = ended(Some(1));
                Write::Update(Row::Session(s))
            }
            Step::Forget { n, version } => {
                Write::Delete { row: RowKey::Session(id(2000 + n)), version: Nat(version) }
            }
            Step::Most { max } => {
                all.expect.push(Expect::LiveTokensAtMost { site: id(1), owner: id(2), max, besides: vec![] });
                continue;
            }
        };
        // No change makes one row twice.
        let twice = matches!(&write, Write::Insert(row) if all.write.iter().any(|w| matches!(w, Write::Insert(other) if other.key() == row.key())));
        if !twice {
            all.write.push(write);
        }
    }
    all
}

pub(crate) fn token_of(model: &Memory, n: u128) -> Option<Token> {
    match model.row(RowKey::Token(id(n))) {
        Some(Row::Token(token)) => Some(token.clone()),
        _ => None,
    }
}

pub(crate) fn session_of(model: &Memory, n: u128) -> Option<Session> {
    match model.row(RowKey::Session(id(n))) {
        Some(Row::Session(session)) => Some(session.clone()),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_store_agrees_with_the_model(
        history in prop::collection::vec((prop::collection::vec(step(), 1..4), any::<bool>()), 1..40)
    ) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let store = scratch().await;
            let mut model = Memory::default();
            for (key, (steps, again)) in (1..).zip(&history) {
                let all = changes(key, steps, &model);
                let wanted = model.apply(&all);
                prop_assert_eq!(store.apply(all.clone()).await, wanted, "change {}: {:?}", key, all);
                if *again {
                    let wanted = model.apply(&all);
                    prop_assert_eq!(store.apply(all).await, wanted);
                }
            }
            let wanted: Vec<u128> = model.events().iter().map(|event| event.id.as_u128()).collect();
            prop_assert_eq!(store.events().await, wanted);
            let live = Query::LiveSessions { now: Micros(NOW), after: None, limit: 100 };
            prop_assert_eq!(store.ask(live.clone()).await, model.query(&live));
            for n in 0..6 {
                prop_assert_eq!(store.token(1000 + n).await, token_of(&model, 1000 + n));
            }
            Ok(())
        })?;
    }
}
