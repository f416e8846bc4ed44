//! How many sign-ins a second one file takes: `sign_ins FILE [IN_FLIGHT] [SECONDS] [EVENTS]`. Without EVENTS (`no`), sign-ins leave
//! no audit events, which shows what the outbox costs. Prints sign-ins per second.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures and reports")]

mod rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use patd_proto::rows::{Actor, Ended, Event, Session, SessionEpochs, SessionKind, SessionToken, Token};
use patd_proto::store::{Applied, Changes, Found, Query, Row, Write};
use patd_proto::wire::{Bytes, Micros, Nat};
use rows::{DAY, token};
use store_sql::{Config, Engine};
use uuid::Uuid;

fn event(id: Uuid, time: i64, kind: &str, token: &Token, session: Uuid) -> Event {
    Event {
        id,
        time: Micros(time),
        site: Some(token.site),
        kind: kind.to_owned(),
        actor: Actor::User { luid: token.owner, username: "somebody".to_owned() },
        user: Some(token.owner),
        token: Some(token.id),
        session: Some(session),
        address: "192.0.2.1".to_owned(),
        user_agent: "bench/1.0".to_owned(),
        reason: String::new(),
        count: 1,
        detail: None,
        seq: Nat(u64::try_from(time).expect("small")),
    }
}

/// One sign-in as the service makes it: read, then supersede, open, mark the token, two events.
async fn sign_in(engine: &Engine, id: Uuid, serial: u128, with_events: bool) {
    let found = engine.query(vec![Query::TokenAndSession(id)]).await.expect("is answered");
    let Some(Found::TokenAndSession(Some(read))) = found.into_iter().next() else { panic!("no token") };
    let now = 1_763_000_000_000_000 + i64::try_from(serial).expect("small");
    // As version 7 has it: what is made later sorts later.
    let later = |kind: u128| Uuid::from_u128(serial << 70 | kind);
    let fresh = later(0);
    let mut events = vec![event(later(1), now, "patd.session.opened", &read.token, fresh)];
    let mut write = Vec::new();
    if let Some(mut old) = read.session.filter(|old| old.ended.is_none()) {
        events.push(event(later(2), now, "patd.session.superseded", &read.token, old.id));
        old.ended = Some(Ended { at: Micros(now), reason: "superseded".to_owned(), successor: Some(fresh) });
        write.push(Write::Update(Row::Session(old)));
    }
    // In the order in which the service writes them.
    let token = Token { session: Some(fresh), last_used_at: Some(Micros(now)), ..read.token.clone() };
    write.push(Write::Update(Row::Token(token)));
    write.push(Write::Insert(Row::Session(Session {
        id: fresh,
        kind: SessionKind::Token,
        token: Some(SessionToken {
            id,
            home: read.token.site,
            minted_at: read.token.created_at,
            expires_at: read.token.expires_at,
            idle_expires_at: Micros(now + 15 * DAY),
        }),
        user: read.token.owner,
        site: read.token.site,
        digest: Bytes(vec![7; 32]),
        created_at: Micros(now),
        expires_at: Micros(now + DAY),
        ended: None,
        epochs: SessionEpochs {
            person: Nat(1),
            credential: Nat(0),
            member: Nat(1),
            home_member: Nat(1),
            token: Nat(1),
        },
        version: Nat(1),
    })));
    let id = events[0].id;
    if !with_events {
        events.clear();
    }
    let changes = Changes { id, expect: Vec::new(), write, events };
    assert_eq!(engine.apply(changes).await, Ok(Applied::Done));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("a file");
    let in_flight: u128 = arguments.next().map_or(256, |n| n.parse().expect("a number"));
    let seconds: u64 = arguments.next().map_or(5, |n| n.parse().expect("a number"));
    let with_events = arguments.next().is_none_or(|events| events != "no");
    let engine = Arc::new(Engine::open(Config::at(path.as_ref()), None).await.expect("opens"));
    rows::insert_tokens(&engine, in_flight).await;
    let (begun, done, start) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Instant::now());
    let workers: Vec<_> = (0..in_flight)
        .map(|n| {
            let (engine, begun, done) = (Arc::clone(&engine), Arc::clone(&begun), Arc::clone(&done));
            tokio::spawn(async move {
                while start.elapsed() < Duration::from_secs(seconds) {
                    let serial = 1 + begun.fetch_add(1, Ordering::Relaxed);
                    sign_in(&engine, token(n).id, serial.into(), with_events).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("ends");
    }
    let rate = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    println!("{rate:.0}");
}
