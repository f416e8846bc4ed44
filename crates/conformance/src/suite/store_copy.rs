//! What a store promises of being copied piece by piece. A store may do without; then the cases are skipped.

use patd_abi::status;
use patd_proto::rows::MemberState;
use patd_proto::store::{
    Changes, DeadLetter, Export, Exported, Import, OutboxAck, Piece, Query, Row, RowKey, SCHEMA, Scope,
    Tally, Waiting, Write, op,
};
use patd_proto::wire::{Micros, Nat};
use patd_store_model::{Memory, in_order, tally};
use serde_json::Value;

use super::STORE;
use super::rows::{
    NOW, Store, change, ended, event, id, insert_session, insert_token, invitation, member, pair, password,
    session, site, token, totp, update_token, user,
};
use super::running::bytes;
use crate::case::{Case, Outcome, Verdict, ensure, pass, pass_with};
use crate::subject::{Subject, status_name};

pub(crate) const CASES: &[Case] = &[
    Case::of(
        STORE,
        "store.export",
        "an export has every piece once and in order, whatever the size of its pages",
        export,
    ),
    Case::of(
        STORE,
        "store.import",
        "an import into an empty store gives the same store, which goes on",
        import,
    ),
    Case::of(STORE, "store.import-full", "a store that is not empty takes no import", import_full),
    Case::of(STORE, "store.import-undone", "an import that does not end well leaves nothing", import_undone),
];

/// Changes that leave rows of every kind, versions above 1, and tokens of one key that sort another way than they came.
fn changes() -> Vec<Changes> {
    let insert = |rows: Vec<Row>| rows.into_iter().map(Write::Insert).collect::<Vec<_>>();
    let people = (30..=33_u128).map(|number| {
        let of = |site| Row::Membership(member(site, number, MemberState::Active));
        let mut all =
            change(number, insert(vec![Row::User(user(number, &format!("Ann{number}"))), of(9), of(3)]));
        all.events[0].site = None;
        all
    });
    let of_people =
        insert(vec![Row::Password(password(30)), Row::Totp(totp(30)), Row::Invitation(invitation(40, 30))]);
    let mut used = token(12);
    used.session = Some(id(20));
    used.last_used_at = Some(Micros(NOW + 5));
    let over = patd_proto::rows::Token { ended: ended(Some(21)), ..token(11) };
    let quiet = |number, write| Changes { events: Vec::new(), ..change(number, write) };
    let mut several = change(104, vec![insert_session(session(22, None))]);
    several.events[0].site = Some(id(9));
    several.events.push(event(105));
    let mut all = vec![change(1, insert(vec![Row::Site(site(3))]))];
    all.extend(people);
    all.extend([
        change(100, of_people),
        change(101, vec![insert_token(token(12)), insert_token(over), insert_token(token(10))]),
        change(102, vec![insert_session(session(20, Some(12))), update_token(used)]),
        quiet(103, vec![insert_session(session(21, None))]),
        several,
    ]);
    all
}

/// How far sinks have come, with places by the number of the event.
fn acknowledgements(memory: &Memory) -> Vec<OutboxAck> {
    let ack = |sink: &str, scope, through, dead| OutboxAck {
        schema: SCHEMA,
        sink: sink.into(),
        scope,
        through: Nat(through),
        dead,
    };
    let letter = |at: u64| DeadLetter {
        position: Nat(at),
        event: memory.events()[at as usize - 1].clone(),
        reason: "too \u{1f511} 'long'".into(),
        at: Micros(NOW + 9),
    };
    vec![
        ack("file", None, 2, Vec::new()),
        ack("hook", Some(Scope::Site(id(1))), 7, vec![letter(6), letter(1)]),
        ack("file", Some(Scope::Directory), memory.events().len() as u64, Vec::new()),
        ack("a sink: of mine", Some(Scope::Site(id(9))), 1, vec![letter(1)]),
    ]
}

/// The contract's store after all that.
fn model() -> Memory {
    let mut memory = Memory::default();
    for all in changes() {
        memory.apply(&all);
    }
    for ack in acknowledgements(&memory) {
        memory.outbox_ack(&ack);
    }
    memory
}

/// The same in a store; the positions that its events have.
fn fill(store: &Store, memory: &Memory) -> Result<Vec<Nat>, String> {
    for all in changes() {
        store.done(&all)?;
        // What is refused leaves nothing, in some stores not even its position.
        store
            .conflict(&Changes { id: id(all.id.as_u128() + (1 << 50)), ..all }, "with rows that are there")?;
    }
    let positions: Vec<Nat> =
        store.take("nobody", None, 1_000_000)?.iter().map(|waiting| waiting.position).collect();
    let wanted = memory.events().len();
    ensure(positions.len() == wanted, || format!("{} events instead of {wanted}", positions.len()))?;
    for mut ack in acknowledgements(memory) {
        ack.through = at(&positions, ack.through);
        ack.dead.iter_mut().for_each(|letter| letter.position = at(&positions, letter.position));
        store.exchange::<Value>(op::OUTBOX_ACK, &ack)?;
    }
    Ok(positions)
}

/// The position of the event with this number.
fn at(positions: &[Nat], number: Nat) -> Nat {
    positions[number.0 as usize - 1]
}

/// The model's pieces with other positions.
fn pieces(memory: &Memory, positions: &[Nat]) -> Vec<Piece> {
    let mut all = memory.pieces();
    for piece in &mut all {
        match piece {
            Piece::Event(Waiting { position, .. }) | Piece::Cursor { through: position, .. } => {
                *position = at(positions, *position);
            }
            Piece::DeadLetter { letter, .. } => letter.position = at(positions, letter.position),
            Piece::Row(_) => {}
        }
    }
    all
}

/// Positions that no store gives by itself.
fn gaps(memory: &Memory) -> Vec<Nat> {
    (1..=memory.events().len() as u64).map(|number| Nat(number * number * 10)).collect()
}

/// Everything that a store exports, in pages of about `limit`; `None` when it does without.
fn exported(store: &Store, limit: u32) -> Result<Option<(Vec<Piece>, Tally)>, String> {
    const PAGES: usize = 2000;
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..PAGES {
        let request = Export { schema: SCHEMA, after, limit };
        let Some(page) = store.optional::<Exported>(op::EXPORT, &request)? else { return Ok(None) };
        all.extend(page.pieces);
        match (page.next, page.has) {
            (Some(next), None) => after = Some(next),
            (None, Some(has)) => return Ok(Some((all, has))),
            (next, _) => {
                let last = if next.is_none() { "" } else { "not " };
                return Err(format!(
                    "the count comes with the last answer and only there; this is {last}the last"
                ));
            }
        }
    }
    Err(format!("an export does not end within {PAGES} pages of {limit}"))
}

/// What is wrong with an export that should have these pieces.
fn compare(found: &[Piece], wanted: &[Piece]) -> Result<(), String> {
    let lost = wanted.iter().find(|piece| !found.contains(piece));
    let strange = found.iter().find(|piece| !wanted.contains(piece));
    let wrong = found.windows(2).find(|two| in_order(&two[0], &two[1]).is_gt());
    let told = match (lost, strange, wrong) {
        (Some(lost), Some(strange), _) => format!("an export has {strange:?} and lacks {lost:?}"),
        (Some(lost), None, _) => format!("an export lacks {lost:?}"),
        (None, Some(strange), _) => format!("an export has {strange:?}, which nobody wrote"),
        (None, None, _) if found.len() != wanted.len() => "an export has a piece twice".to_owned(),
        (None, None, Some(wrong)) => format!("an export is out of order: {wrong:?}"),
        (None, None, None) => return Ok(()),
    };
    Err(told.chars().take(1500).collect())
}

fn without(store: Store) -> Outcome {
    store.stop()?;
    Ok(Verdict::Skipped("it cannot be copied".into()))
}

fn export(subject: &Subject) -> Outcome {
    let (store, memory) = (Store::start(subject)?, model());
    let Some(nothing) = exported(&store, 10)? else { return without(store) };
    ensure(nothing == (Vec::new(), Tally::default()), || "an empty store exports something".into())?;
    let positions = fill(&store, &memory)?;
    let wanted = pieces(&memory, &positions);
    for limit in [1, 2, 3, 1000] {
        let (found, has) = exported(&store, limit)?.ok_or("EXPORT is answered UNSUPPORTED now and then")?;
        compare(&found, &wanted).map_err(|error| format!("in pages of {limit}: {error}"))?;
        ensure(has == tally(&wanted), || format!("it counts {has:?} instead of {:?}", tally(&wanted)))?;
    }
    let nowhere = Export { schema: SCHEMA, after: Some("nowhere at all".into()), limit: 1 };
    store.refused(op::EXPORT, &nowhere, "EXPORT after what is no place")?;
    store.stop()?;
    pass_with(format!("{} pieces", wanted.len()))
}

/// Some pieces, and the end of the copy with `finish`; `false` when the store does without.
fn add(store: &Store, pieces: &[Piece], finish: Option<Tally>) -> Result<bool, String> {
    let request = Import { schema: SCHEMA, pieces: pieces.to_vec(), finish };
    Ok(store.optional::<Value>(op::IMPORT, &request)?.is_some())
}

/// A whole copy, a few pieces at a time.
fn fill_with(store: &Store, pieces: &[Piece]) -> Result<bool, String> {
    for some in pieces.chunks(5) {
        if !add(store, some, None)? {
            return Ok(false);
        }
    }
    add(store, &[], Some(tally(pieces)))
}

/// The query for a row.
fn query_of(row: &Row) -> Query {
    match row.key() {
        RowKey::Site(_) => Query::Sites,
        RowKey::User(id) => Query::User(id),
        RowKey::Membership(site, user) => Query::Membership(site, user),
        RowKey::Password(id) => Query::Password(id),
        RowKey::Totp(id) => Query::Totp(id),
        RowKey::Invitation(id) => Query::Invitation(id),
        RowKey::Token(id) => Query::Token(id),
        RowKey::Session(id) => Query::Session(id),
    }
}

/// Fails unless the store reads back as these pieces, which are the model's with other positions.
fn must_be(store: &Store, memory: &Memory, pieces: &[Piece]) -> Result<(), String> {
    let mut events = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Row(row) => {
                let query = query_of(row);
                let (wanted, found) = (memory.query(&query), store.ask(query.clone())?);
                ensure(found == wanted, || format!("{query:?} gives {found:?} instead of {wanted:?}"))?;
            }
            Piece::Event(waiting) => events.push(waiting.clone()),
            Piece::Cursor { .. } | Piece::DeadLetter { .. } => {}
        }
    }
    let found = store.take("nobody", None, 1_000_000)?;
    ensure(found == events, || "events or their positions are not those of the import".into())?;
    match exported(store, 1000)? {
        Some((found, _)) => compare(&found, pieces),
        None => Ok(()),
    }
}

/// Fails unless the store is as one that was just made.
fn must_be_empty(store: &Store, after: &str) -> Result<(), String> {
    let there = store.token(10)?.is_some() || !store.events()?.is_empty();
    let has = exported(store, 1000)?.map_or(0, |(_, has)| has.total());
    ensure(!there && has == 0, || format!("{after} something of the import is there"))
}

fn import(subject: &Subject) -> Outcome {
    let (store, memory) = (Store::start(subject)?, model());
    let positions = gaps(&memory);
    let wanted = pieces(&memory, &positions);
    if !fill_with(&store, &wanted)? {
        return without(store);
    }
    must_be(&store, &memory, &wanted)?;
    store.stop()?;
    let store = Store::start(subject)?;
    must_be(&store, &memory, &wanted)?;
    // The copy of a copy, as the store itself tells it.
    if let (Some((found, _)), Some(place)) = (exported(&store, 4)?, subject.elsewhere("copy")?) {
        let copy = Store::start_at(subject, &place)?;
        fill_with(&copy, &found)?;
        must_be(&copy, &memory, &wanted)?;
        copy.stop()?;
    }
    let mut newer = token(12);
    newer.version = Nat(2);
    store.done(&change(200, vec![update_token(newer)]))?;
    store.done(&pair(201))?;
    let new: Vec<_> = store.take("file", positions.last().map(|last| last.0), 10)?;
    let seen: Vec<u128> = new.iter().map(|waiting| waiting.event.id.as_u128()).collect();
    ensure(seen == [200, 201], || {
        format!("after those imported come the events {seen:?}, not the two new ones")
    })?;
    store.stop()?;
    pass_with(format!("{} pieces", wanted.len()))
}

fn import_full(subject: &Subject) -> Outcome {
    let (store, memory) = (Store::start(subject)?, model());
    let wanted = pieces(&memory, &gaps(&memory));
    // Of a key that no piece has, so that only the rule can refuse them.
    store.done(&pair(300))?;
    let before = exported(&store, 1000)?;
    let has = before.as_ref().map_or_else(Tally::default, |(_, has)| *has);
    for finish in [None, Some(tally(&wanted)), Some(has)] {
        let request = Import { schema: SCHEMA, pieces: wanted.clone(), finish };
        let answer = store.running.ask(op::IMPORT, &bytes(&request))?;
        if answer.status == status::UNSUPPORTED {
            return without(store);
        }
        ensure(answer.status == status::INVALID, || {
            format!("an import into a store with rows is answered {}", status_name(answer.status))
        })?;
        ensure(!answer.detail.is_empty(), || "an import is refused without a detail".into())?;
    }
    let same = |store: &Store| {
        ensure(exported(store, 1000)? == before, || "a refused import changes the store".into())?;
        ensure(store.has_pair(300)? == [true; 2], || "a refused import takes rows away".into())?;
        ensure(store.token(10)?.is_none(), || "a refused import leaves rows".into())?;
        ensure(store.events()? == [id(300)], || "a refused import changes the events".into())
    };
    same(&store)?;
    store.stop()?;
    let store = Store::start(subject)?;
    same(&store)?;
    store.done(&pair(301))?;
    store.stop()?;
    pass()
}

fn import_undone(subject: &Subject) -> Outcome {
    let (store, memory) = (Store::start(subject)?, model());
    let wanted = pieces(&memory, &gaps(&memory));
    let has = tally(&wanted);
    if !add(&store, &wanted, None)? {
        return without(store);
    }
    let finish = Some(Tally { events: has.events + 1, ..has });
    store.refused(
        op::IMPORT,
        &Import { schema: SCHEMA, pieces: Vec::new(), finish },
        "the end of an import that lacks an event",
    )?;
    must_be_empty(&store, "after an import that lacks an event")?;
    add(&store, &wanted, None)?;
    let twice = Import { schema: SCHEMA, pieces: wanted[..1].to_vec(), finish: Some(has) };
    let answer = store.running.ask(op::IMPORT, &bytes(&twice))?;
    ensure(answer.status != status::OK, || "an import with a piece twice is answered OK".into())?;
    must_be_empty(&store, "after an import with a piece twice")?;
    add(&store, &wanted, None)?;
    store.stop()?;
    let store = Store::start(subject)?;
    must_be_empty(&store, "after STOP in an import")?;
    fill_with(&store, &wanted)?;
    must_be(&store, &memory, &wanted)?;
    store.stop()?;
    pass()
}
