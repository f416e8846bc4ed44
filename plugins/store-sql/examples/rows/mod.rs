//! Rows of the measuring programs.

use patd_proto::rows::{Token, TokenEpochs, Told};
use patd_proto::store::{Changes, Row, Write};
use patd_proto::wire::{Micros, Nat, Phc};
use store_sql::Engine;
use uuid::Uuid;

/// In microseconds.
pub(crate) const DAY: i64 = 86_400_000_000;

/// A token of its own for each number.
pub(crate) fn token(n: u128) -> Token {
    Token {
        id: Uuid::from_u128(n << 64 | 0x1234),
        site: Uuid::from_u128(1),
        owner: Uuid::from_u128(n / 10),
        name: format!("token {n}"),
        digest: Phc(
            "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
                .to_owned(),
        ),
        created_at: Micros(1_763_000_000_000_000),
        expires_at: Micros(1_763_000_000_000_000 + 365 * DAY),
        last_used_at: None,
        idle_limit: Micros(15 * DAY),
        due_at: Micros(1_763_000_000_000_000 + 10 * DAY),
        told: Told { absolute_days: None, idle_days: None },
        networks: vec!["192.0.2.0/24".to_owned()],
        session: None,
        ended: None,
        epochs: TokenEpochs { person: Nat(1), member: Nat(1), token: Nat(1) },
        version: Nat(1),
    }
}

/// So many tokens, one transaction each.
pub(crate) async fn insert_tokens(engine: &Engine, count: u128) {
    for n in 0..count {
        let insert = vec![Write::Insert(Row::Token(token(n)))];
        let changes = Changes {
            id: Uuid::from_u128(n << 80 | 5),
            expect: Vec::new(),
            write: insert,
            events: Vec::new(),
        };
        engine.apply(changes).await.expect("is answered");
    }
}
