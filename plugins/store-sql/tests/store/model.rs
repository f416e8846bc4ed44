//! Random changes of tokens and sessions against a model in memory: the same outcomes, the same rows, the same events.

use std::collections::{BTreeMap, BTreeSet};

use patd_proto::rows::{Session, Token};
use patd_proto::store::{Applied, Changes, Conflict, Expect, Found, Query, Row, RowKey, Write};
use patd_proto::wire::{Micros, Nat};
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

pub(crate) fn changes(key: u128, steps: &[Step], model: &Model) -> Changes {
    let mut all = change(key, vec![]);
    for step in steps {
        let write = match *step {
            Step::Mint { n, name } => insert_token(minted(n, name)),
            Step::EndToken { n, version } => {
                let mut t = model.tokens.get(&(1000 + n)).cloned().unwrap_or_else(|| minted(n, 0));
                t.version = Nat(version);
                t.ended = ended(None);
                t.last_used_at = Some(Micros(NOW + i64::try_from(version).expect("small")));
                Write::Update(Row::Token(t))
            }
            Step::Open { n, token: of } => insert_session(session(2000 + n, Some(&token(1000 + of)))),
            Step::EndSession { n, version } => {
                let mut s =
                    model.sessions.get(&(2000 + n)).cloned().unwrap_or_else(|| session(2000 + n, None));
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

/// The contract, as plain maps.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) tokens: BTreeMap<u128, Token>,
    pub(crate) sessions: BTreeMap<u128, Session>,
    events: Vec<u128>,
    applied: BTreeSet<u128>,
}

/// Why the model refuses.
enum No {
    Row(RowKey),
    Rule(Conflict),
}

impl Model {
    pub(crate) fn apply(&mut self, changes: &Changes) -> Applied {
        if self.applied.contains(&changes.id.as_u128()) {
            return Applied::Done;
        }
        let mut next = self.clone();
        match next.attempt(changes) {
            Ok(()) => {
                next.applied.insert(changes.id.as_u128());
                *self = next;
                Applied::Done
            }
            // A conflict over a row tells what the row was before this change.
            Err(No::Row(row)) => {
                Applied::Conflict(Conflict::Row { row, current: self.row(row).map(Box::new) })
            }
            Err(No::Rule(conflict)) => Applied::Conflict(conflict),
        }
    }

    fn row(&self, key: RowKey) -> Option<Row> {
        match key {
            RowKey::Token(id) => self.tokens.get(&id.as_u128()).cloned().map(Row::Token),
            RowKey::Session(id) => self.sessions.get(&id.as_u128()).cloned().map(Row::Session),
            other => panic!("{other:?}"),
        }
    }

    fn attempt(&mut self, changes: &Changes) -> Result<(), No> {
        for expect in &changes.expect {
            let Expect::LiveTokensAtMost { max, .. } = expect else { panic!("{expect:?}") };
            let live = self.tokens.values().filter(|t| t.ended.is_none()).count();
            if live > usize::try_from(*max).expect("small") {
                return Err(No::Rule(Conflict::TooManyTokens));
            }
        }
        for write in &changes.write {
            self.write(write)?;
        }
        self.events.extend(changes.events.iter().map(|event| event.id.as_u128()));
        Ok(())
    }

    fn write(&mut self, write: &Write) -> Result<(), No> {
        let (row, read) = match write {
            Write::Insert(row) => (row.clone(), None),
            Write::Update(row) => (row.clone(), Some(row.version())),
            Write::Delete { row, version } => {
                if self.row(*row).is_none_or(|kept| kept.version() != *version) {
                    return Err(No::Row(*row));
                }
                let RowKey::Session(id) = row else { panic!("{row:?}") };
                self.sessions.remove(&id.as_u128());
                return Ok(());
            }
            other => panic!("{other:?}"),
        };
        let key = row.key();
        if self.row(key).map(|kept| kept.version()) != read {
            return Err(No::Row(key));
        }
        let version = Nat(read.map_or(1, |read| read.0 + 1));
        match row {
            Row::Token(t) => {
                let taken = |other: &Token| other.id != t.id && other.ended.is_none() && other.name == t.name;
                if t.ended.is_none() && self.tokens.values().any(taken) {
                    return Err(No::Rule(Conflict::TokenNameTaken(t.name)));
                }
                self.tokens.insert(t.id.as_u128(), Token { version, ..t });
            }
            Row::Session(s) => {
                let of = |s: &Session| s.token.map(|t| t.id);
                let rival =
                    |other: &Session| other.id != s.id && other.ended.is_none() && of(other) == of(&s);
                if s.ended.is_none() && of(&s).is_some() && self.sessions.values().any(rival) {
                    return Err(No::Rule(Conflict::Unique("sessions_live_token".into())));
                }
                self.sessions.insert(s.id.as_u128(), Session { version, ..s });
            }
            other => panic!("{other:?}"),
        }
        Ok(())
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
            let mut model = Model::default();
            for (key, (steps, again)) in (1..).zip(&history) {
                let all = changes(key, steps, &model);
                let wanted = model.apply(&all);
                prop_assert_eq!(store.apply(all.clone()).await, wanted, "change {}: {:?}", key, all);
                if *again {
                    let wanted = model.apply(&all);
                    prop_assert_eq!(store.apply(all).await, wanted);
                }
            }
            prop_assert_eq!(store.events().await, model.events.clone());
            let Found::Sessions(kept) =
                store.ask(Query::LiveSessions { now: Micros(NOW), after: None, limit: 100 }).await
            else {
                panic!("no sessions")
            };
            let live: Vec<Session> = model.sessions.values().filter(|s| s.ended.is_none()).cloned().collect();
            prop_assert_eq!(kept, live);
            for n in 0..6 {
                prop_assert_eq!(store.token(1000 + n).await, model.tokens.get(&(1000 + n)).cloned());
            }
            Ok(())
        })?;
    }
}
