//! What a store promises of many changes: at once, at random, and through a kill.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use patd_proto::rows::{MemberState, Token};
use patd_proto::store::{Applied, Changes, Conflict, EventFilter, Expect, Found, Query, Row, RowKey, Write};
use patd_proto::wire::{Micros, Nat, Phc};
use patd_store_model::Memory;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::rows::{
    DAY, NOW, Store, change, ended, id, insert_session, insert_token, member, pair, session, token,
    update_token, user,
};
use super::{STORE, VICTIM};
use crate::case::{Case, Outcome, ensure, pass, pass_with};
use crate::subject::Subject;

pub(crate) const CASES: &[Case] = &[
    Case::of(STORE, "store.race", "of many changes of one row at once exactly one wins", race),
    Case::of(STORE, "store.snapshot", "the queries of one request see one moment", snapshot),
    Case::of(
        STORE,
        "store.events",
        "events are found by each of their filters, by time and in their order",
        events,
    ),
    Case::of(STORE, "store.model", "random changes end as in the model of the contract", model).within(120),
    Case::of(STORE, "store.crash", "what was answered survives a kill, whole and in order", crash)
        .within(120),
];

fn race(subject: &Subject) -> Outcome {
    const RACERS: u128 = 8;
    const ROUNDS: u128 = 12;
    let store = Store::start(subject)?;
    store.done(&change(1, vec![insert_token(token(10))]))?;
    for round in 0..ROUNDS {
        let read = store.token(10)?.ok_or("the row is gone")?;
        let start = Barrier::new(RACERS as usize);
        let outcomes = std::thread::scope(|scope| {
            let (store, start, read) = (&store, &start, &read);
            let racers: Vec<_> = (0..RACERS)
                .map(|racer| {
                    scope.spawn(move || {
                        let mut mine = read.clone();
                        mine.last_used_at = Some(Micros(NOW + racer as i64));
                        let all = change(1000 + round * RACERS + racer, vec![update_token(mine)]);
                        start.wait();
                        store.apply(&all)
                    })
                })
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap_or_else(|_| Err("the kit itself panicked".into())))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let won = outcomes.iter().filter(|outcome| **outcome == Applied::Done).count();
        ensure(won == 1, || format!("{won} of {RACERS} changes of one row at once won"))?;
        let now = store.token(10)?.ok_or("the row is gone")?;
        ensure(now.version.0 == read.version.0 + 1, || "the winner's write is lost".into())?;
    }
    let events = store.events()?.len() as u128;
    ensure(events == ROUNDS + 1, || format!("{events} events of {} changes", ROUNDS + 1))?;
    store.stop()?;
    pass()
}

fn snapshot(subject: &Subject) -> Outcome {
    const READS: usize = 60;
    let store = Store::start(subject)?;
    store.done(&change(1, vec![insert_token(token(10)), insert_token(token(11))]))?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (store, over) = (&store, &over);
        let writer = scope.spawn(move || {
            for number in 1.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let at = |token: Token| Token { version: Nat(number), ..token };
                let both = vec![update_token(at(token(10))), update_token(at(token(11)))];
                store.done(&change(1000 + u128::from(number), both))?;
            }
            Ok::<_, String>(())
        });
        let read = (0..READS).try_for_each(|_| {
            let found =
                store.query(vec![Query::Token(id(10)), Query::Token(id(11)), Query::Token(id(10))])?;
            let versions: Vec<Option<Nat>> = found
                .iter()
                .map(|found| match found {
                    Found::Tokens(tokens) => tokens.first().map(|token| token.version),
                    _ => None,
                })
                .collect();
            ensure(versions.windows(2).all(|pair| pair[0].is_some() && pair[0] == pair[1]), || {
                format!("one request sees rows of several moments: versions {versions:?}")
            })
        });
        over.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| "the kit itself panicked".to_owned())??;
        read
    })?;
    store.stop()?;
    pass()
}

/// A random change; small numbers, so that changes meet.
fn random(dice: &mut StdRng, number: u128, memory: &Memory) -> Changes {
    let mut all = change(10_000 + number, Vec::new());
    if dice.random_range(0..8_u32) == 0 {
        all.events.clear();
    }
    for _ in 0..dice.random_range(1..4_u32) {
        let (small, version) = (dice.random_range(0..6_u128), Nat(dice.random_range(1..4_u64)));
        let mut kept = match memory.row(RowKey::Token(id(100 + small))) {
            Some(Row::Token(kept)) => kept.clone(),
            _ => token(100 + small),
        };
        let current = kept.version;
        let write = match dice.random_range(0..12_u32) {
            0 | 1 => {
                let name = format!("name {}", dice.random_range(0..3_u32));
                insert_token(Token { name, ..token(100 + small) })
            }
            2..=4 => {
                // Mostly the version that is there.
                kept.version = if dice.random_range(0..4_u32) == 0 { version } else { current };
                kept.last_used_at = Some(Micros(NOW + dice.random_range(0..1000_i64)));
                if dice.random_range(0..3_u32) == 0 {
                    kept.ended = ended(None);
                }
                update_token(kept)
            }
            5 | 6 => insert_session(session(200 + dice.random_range(0..8_u128), Some(100 + small))),
            7 => {
                let key = RowKey::Session(id(200 + small));
                match memory.row(key) {
                    Some(Row::Session(open)) => {
                        let mut open = open.clone();
                        open.ended = ended(Some(1));
                        Write::Update(Row::Session(open))
                    }
                    _ => Write::Delete { row: key, version },
                }
            }
            8 => Write::Insert(Row::User(user(300 + small, ["ann", "ANN", "bob"][small as usize % 3]))),
            // A membership has a person: the service sees to that, no store need.
            9 if memory.row(RowKey::User(id(300 + small))).is_none() => continue,
            9 => Write::Insert(Row::Membership(member(1 + small % 2, 300 + small, MemberState::Active))),
            10 => {
                let (old, new) = (kept.digest, Phc(format!("$re{number}")));
                Write::RehashToken { id: id(100 + small), old, new }
            }
            _ => {
                all.expect.push(match dice.random_range(0..3_u32) {
                    0 => Expect::Absent(RowKey::Token(id(100 + small))),
                    1 => Expect::Version { row: RowKey::Token(id(100 + small)), version: current },
                    _ => Expect::LiveTokensAtMost {
                        site: id(1),
                        owner: id(2),
                        max: 2,
                        besides: vec![id(100 + small)],
                    },
                });
                continue;
            }
        };
        // No change touches one row twice: what that means the contract leaves open.
        let key = key_of(&write);
        if !all.write.iter().any(|other| key_of(other) == key) {
            all.write.push(write);
        }
    }
    all
}

fn key_of(write: &Write) -> RowKey {
    match write {
        Write::Insert(row) | Write::Update(row) => row.key(),
        Write::Delete { row, .. } => *row,
        Write::RehashToken { id, .. } => RowKey::Token(*id),
        Write::RehashPassword { user, .. } => RowKey::Password(*user),
    }
}

/// Questions about everything that random changes touch.
fn questions() -> Vec<Query> {
    let mut all = vec![Query::NewestEvent, Query::Sites, Query::CountMembers(id(1))];
    all.extend((0..6).map(|number| Query::TokenAndSession(id(100 + number))));
    all.extend((0..8).map(|number| Query::Session(id(200 + number))));
    all.extend(
        (0..6).flat_map(|number| [Query::User(id(300 + number)), Query::MembershipsOf(id(300 + number))]),
    );
    all.extend([
        Query::UserByName("ann".into()),
        Query::MembersOf { site: id(1), after: None, offset: 1, limit: 2 },
        Query::OpenTokensOf { site: id(1), owner: id(2) },
        Query::Tokens { site: id(1), owner: None, ended_since: Some(Micros(NOW)), after: None, limit: 100 },
        Query::Tokens { site: id(1), owner: Some(id(2)), ended_since: None, after: None, limit: 2 },
        Query::LiveSessions { now: Micros(NOW), after: Some(id(202)), limit: 3 },
        Query::CountMintedBefore { site: id(1), before: Micros(NOW + 1) },
        Query::Events {
            site: id(1),
            filter: EventFilter::default(),
            after: Some((Micros(NOW), id(10_050))),
            limit: 7,
        },
        Query::EventsInOrder {
            site: id(1),
            filter: EventFilter { user: Some(id(2)), ..EventFilter::default() },
            after: Nat(10_020),
            through: Nat(10_060),
            limit: 9,
        },
        Query::Event(id(10_030)),
        Query::NewestSeq,
        Query::CountStale {
            site: id(1),
            expires_before: Micros(NOW + 366 * DAY),
            used_before: Micros(NOW + 1),
        },
    ]);
    all.push(Query::PastSessions { before: Micros(NOW + 2 * DAY), limit: 100 });
    all
}

/// Rows for the sweeper, which have no order among those of one time, by their ids.
fn swept(query: &Query, found: Found) -> Found {
    match (query, found) {
        (Query::PastSessions { .. }, Found::Sessions(mut rows)) => {
            rows.sort_by_key(|row| row.id);
            Found::Sessions(rows)
        }
        (_, found) => found,
    }
}

fn events(subject: &Subject) -> Outcome {
    let (store, mut memory) = (Store::start(subject)?, Memory::default());
    for number in 0..24_u128 {
        let mut all = change(100 + number, Vec::new());
        let event = &mut all.events[0];
        // Times, numbers and commits have three different orders.
        event.time = Micros(NOW + (number * 7 % 24) as i64);
        event.seq = Nat((number * 5 % 24) as u64 + 1);
        event.site = (number % 6 != 5).then(|| id(1 + number % 2));
        event.kind =
            ["patd.token.minted", "patd.token.revoked", "patd.session.opened"][(number % 3) as usize].into();
        event.user = Some(id(300 + number % 4));
        event.token = (number % 5 != 0).then(|| id(400 + number % 3));
        event.session = (number % 7 == 0).then(|| id(500));
        store.done(&all)?;
        memory.apply(&all);
    }
    let types = |types: &[&str]| Some(types.iter().map(|kind| (*kind).to_owned()).collect());
    let none = EventFilter::default;
    let filters = [
        none(),
        EventFilter { types: types(&["patd.token.minted", "patd.session.opened"]), ..none() },
        EventFilter { types: types(&[]), ..none() },
        EventFilter { user: Some(id(301)), ..none() },
        EventFilter { token: Some(id(402)), ..none() },
        EventFilter { session: Some(id(500)), ..none() },
        EventFilter { since: Some(Micros(NOW + 5)), until: Some(Micros(NOW + 17)), ..none() },
        EventFilter {
            types: types(&["patd.token.revoked"]),
            token: Some(id(401)),
            until: Some(Micros(NOW + 20)),
            ..none()
        },
    ];
    let mut questions = vec![Query::Event(id(103)), Query::Event(id(99)), Query::NewestSeq];
    for filter in filters {
        for (after, limit) in [(None, 100), (Some((Micros(NOW + 12), id(112))), 3)] {
            questions.push(Query::Events { site: id(1), filter: filter.clone(), after, limit });
        }
        for (after, through, limit) in [(Nat(0), Nat(100), 100), (Nat(4), Nat(19), 100), (Nat(4), Nat(19), 2)]
        {
            questions.push(Query::EventsInOrder {
                site: id(2),
                filter: filter.clone(),
                after,
                through,
                limit,
            });
        }
    }
    for query in questions {
        let (wanted, found) = (memory.query(&query), store.ask(query.clone())?);
        let told = || format!("{query:?} gives {found:?}, by the contract {wanted:?}");
        ensure(found == wanted, || told().chars().take(1500).collect())?;
    }
    store.stop()?;
    pass()
}

fn model(subject: &Subject) -> Outcome {
    const CHANGES: u128 = 400;
    const SEED: u64 = 0x7061_7464;
    let store = Store::start(subject)?;
    let (mut memory, mut dice) = (Memory::default(), StdRng::seed_from_u64(SEED));
    let mut done = 0;
    for number in 0..CHANGES {
        let all = random(&mut dice, number, &memory);
        for _ in 0..dice.random_range(1..3_u32) {
            let wanted = memory.apply(&all);
            let found = store.apply(&all)?;
            let same = match (&wanted, &found) {
                (Applied::Done, Applied::Done) => true,
                // Of several conflicts a store may tell any, but never a row that is not so.
                (Applied::Conflict(_), Applied::Conflict(Conflict::Row { row, current })) => {
                    memory.row(*row) == current.as_deref()
                }
                (Applied::Conflict(_), Applied::Conflict(_)) => true,
                _ => false,
            };
            let told =
                || format!("change {number} ends with {found:?}, by the contract with {wanted:?}: {all:?}");
            ensure(same, || told().chars().take(1500).collect())?;
            done += u32::from(wanted == Applied::Done);
        }
        if number % 20 == 19 {
            for query in questions() {
                let (wanted, found) =
                    (swept(&query, memory.query(&query)), swept(&query, store.ask(query.clone())?));
                let told =
                    || format!("after change {number} {query:?} gives {found:?}, by the contract {wanted:?}");
                ensure(found == wanted, || told().chars().take(1500).collect())?;
            }
        }
    }
    let wanted: Vec<_> = memory.events().iter().map(|event| event.id).collect();
    ensure(store.events()? == wanted, || "the events are not those of the changes, in their order".into())?;
    store.stop()?;
    pass_with(format!("{CHANGES} changes, {done} applied"))
}

/// Writers of the victim.
const WRITERS: u64 = 8;
/// Applies changes from several threads and prints the number of each as soon as it is answered, until it is killed.
pub(crate) fn victim(subject: &Subject) {
    let Ok(store) = Store::start(subject) else { return };
    let Ok(kept) = store.events() else { return };
    let next = AtomicU64::new(kept.iter().map(|event| event.as_u128() as u64).max().unwrap_or(0) + 1);
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if store.done(&pair(u128::from(number))).is_err() {
                        return;
                    }
                    let mut out = std::io::stdout().lock();
                    if writeln!(out, "{number}").and_then(|()| out.flush()).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

fn crash(subject: &Subject) -> Outcome {
    const KILLS: usize = 3;
    const ANSWERS: usize = 80;
    let mut answered: HashSet<u128> = HashSet::new();
    // Each life goes on where the last was killed.
    for _ in 0..KILLS {
        let mut command = (subject.relaunch)(VICTIM);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut victim = command.spawn().map_err(|error| format!("no victim: {error}"))?;
        let out = victim.stdout.take().ok_or("the victim has no output")?;
        let mut seen = 0;
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Ok(number) = line.parse() {
                answered.insert(number);
                seen += 1;
            }
            if seen == ANSWERS {
                let _ = victim.kill();
            }
        }
        let _ = victim.wait();
        ensure(seen >= ANSWERS, || format!("the victim ended after {seen} answers"))?;
    }
    let store = Store::start(subject)?;
    let mut kept: Vec<u128> = store.events()?.iter().map(|event| event.as_u128()).collect();
    for number in &answered {
        ensure(kept.contains(number), || format!("change {number} was answered and is gone after a kill"))?;
    }
    for number in &kept {
        let whole = store.has_pair(*number)?;
        ensure(whole == [true; 2], || format!("of change {number} only a part is there after a kill"))?;
    }
    let last = kept.iter().max().copied().unwrap_or(0);
    for number in (1..last + 40).filter(|number| !kept.contains(number)) {
        let torn = store.has_pair(number)?;
        ensure(torn == [false; 2], || format!("change {number} is there without its event after a kill"))?;
    }
    let count = kept.len();
    kept.sort_unstable();
    kept.dedup();
    ensure(kept.len() == count, || "an event is there twice after a kill".into())?;
    store.stop()?;
    pass_with(format!("{} answered changes survived {KILLS} kills", answered.len()))
}
