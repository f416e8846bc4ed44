//! What a store promises of the outbox: order, cursors, dead letters, the backlog, removal, leases.

use patd_proto::store::{
    DeadLetter, DeadLetters, DeadLettersAsk, DeadLettersForget, DeadLettersForgotten, EventsRemove,
    EventsRemoved, LeaseClaim, LeaseSeen, OutboxAck, OutboxAsk, OutboxBatch, OutboxLease, OutboxLeases,
    OutboxStatus, OutboxTake, SCHEMA, Scope, Waiting, op,
};
use patd_proto::wire::{Micros, Nat};

use super::STORE;
use super::rows::{NOW, Store, change, event, id, insert_session, session};
use crate::case::{Case, Outcome, ensure, pass};
use crate::subject::Subject;

pub(crate) const CASES: &[Case] = &[
    Case::of(
        STORE,
        "store.outbox",
        "events wait in commit order, each sink with a cursor that never goes back",
        outbox,
    ),
    Case::of(
        STORE,
        "store.cursors",
        "a sink has a cursor per site, and its cursor for all counts too",
        cursors,
    ),
    Case::of(
        STORE,
        "store.dead-letters",
        "what a sink never takes is kept with the cursor's move, until it is forgotten",
        dead_letters,
    ),
    Case::of(STORE, "store.backlog", "what waits for a sink and site is counted", backlog),
    Case::of(
        STORE,
        "store.removal",
        "the oldest events of a scope are removed as asked, and nothing else",
        removal,
    ),
    Case::of(
        STORE,
        "store.leases",
        "a lease has one holder, who changes only when it was not renewed",
        leases,
    ),
];

fn outbox(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    // Ids and times that say otherwise.
    for number in [300, 100, 200_u128] {
        let mut all = change(number, vec![insert_session(session(2000 + number, None))]);
        all.events.push(event(number + 1));
        all.events[1].time.0 -= number as i64;
        store.done(&all)?;
    }
    let wanted: Vec<_> = [300, 301, 100, 101, 200, 201].map(id).to_vec();
    let all = store.take("file", None, 100)?;
    let seen: Vec<_> = all.iter().map(|waiting| waiting.event.id).collect();
    ensure(seen == wanted, || format!("the outbox gives {} events, not the six in their order", seen.len()))?;
    let rising = all.windows(2).all(|pair| pair[0].position < pair[1].position);
    ensure(rising && all.iter().all(|waiting| waiting.position.0 > 0), || {
        "positions do not rise from 1".into()
    })?;
    ensure(store.take("file", None, 2)?.len() == 2, || "a limit is not kept".into())?;
    store.acknowledge("file", all[2].position)?;
    let rest = store.take("file", None, 100)?;
    ensure(rest == all[3..], || "the cursor does not stand where it was acknowledged".into())?;
    ensure(store.take("hook", None, 100)? == all, || "one sink's cursor moves another's".into())?;
    store.acknowledge("file", all[0].position)?;
    ensure(store.take("file", None, 100)? == all[3..], || "a cursor goes back".into())?;
    let read = store.take("", Some(all[1].position.0), 100)?;
    ensure(read == all[2..], || "events cannot be read from a position".into())?;
    store.stop()?;
    let store = Store::start(subject)?;
    ensure(store.take("file", None, 100)? == all[3..], || "a restart forgets the cursor".into())?;
    store.acknowledge("file", all[5].position)?;
    ensure(store.take("file", None, 100)?.is_empty(), || "acknowledged events come again".into())?;
    store.stop()?;
    pass()
}

/// Six events: of site 1, site 2, no site, and again.
fn three_scopes(store: &Store) -> Result<(), String> {
    for number in 1..=6_u128 {
        let mut one = change(100 + number, vec![insert_session(session(2000 + number, None))]);
        one.events[0].site = [None, Some(id(1)), Some(id(2))][(number % 3) as usize];
        one.events[0].time = Micros(NOW + number as i64);
        store.done(&one)?;
    }
    Ok(())
}

fn scoped(store: &Store, sink: &str, scope: Scope) -> Result<Vec<Waiting>, String> {
    let request =
        OutboxTake { schema: SCHEMA, sink: sink.into(), scope: Some(scope), after: None, limit: 100 };
    store.exchange::<OutboxBatch>(op::OUTBOX_TAKE, &request).map(|batch| batch.events)
}

fn acknowledge(store: &Store, scope: Scope, through: Nat, dead: Vec<DeadLetter>) -> Result<(), String> {
    let request = OutboxAck { schema: SCHEMA, sink: "file".into(), scope: Some(scope), through, dead };
    store.exchange::<serde_json::Value>(op::OUTBOX_ACK, &request).map(drop)
}

fn numbers(waiting: &[Waiting]) -> Vec<u128> {
    waiting.iter().map(|waiting| waiting.event.id.as_u128()).collect()
}

fn must_wait(store: &Store, sink: &str, scope: Scope, wanted: &[u128]) -> Result<(), String> {
    let found = numbers(&scoped(store, sink, scope)?);
    ensure(found == wanted, || format!("{scope:?} has {found:?} waiting instead of {wanted:?}"))
}

const ONE: Scope = Scope::Site(id(1));
const TWO: Scope = Scope::Site(id(2));

fn cursors(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    three_scopes(&store)?;
    must_wait(&store, "file", ONE, &[101, 104])?;
    must_wait(&store, "file", TWO, &[102, 105])?;
    must_wait(&store, "file", Scope::Directory, &[103, 106])?;
    let last = scoped(&store, "file", ONE)?[1].position;
    acknowledge(&store, ONE, last, Vec::new())?;
    must_wait(&store, "file", ONE, &[])?;
    must_wait(&store, "file", TWO, &[102, 105])?;
    must_wait(&store, "file", Scope::Directory, &[103, 106])?;
    must_wait(&store, "hook", ONE, &[101, 104])?;
    store.stop()?;
    let store = Store::start(subject)?;
    must_wait(&store, "file", ONE, &[])?;
    must_wait(&store, "file", TWO, &[102, 105])?;
    // A cursor for all events counts for each scope.
    let all = store.take("hook", None, 100)?;
    store.acknowledge("hook", all[3].position)?;
    must_wait(&store, "hook", ONE, &[])?;
    must_wait(&store, "hook", TWO, &[105])?;
    must_wait(&store, "hook", Scope::Directory, &[106])?;
    store.stop()?;
    pass()
}

fn dead_letters(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    three_scopes(&store)?;
    let all = store.take("file", None, 100)?;
    let letter = |at: usize| DeadLetter {
        position: all[at].position,
        event: all[at].event.clone(),
        reason: "too \u{1f511} 'long'".into(),
        at: Micros(NOW + 9),
    };
    let listed = |store: &Store, sink: &str, scope, after, limit| {
        let request = DeadLettersAsk { schema: SCHEMA, sink: sink.into(), scope, after, limit };
        store.exchange::<DeadLetters>(op::DEAD_LETTERS, &request).map(|reply| reply.letters)
    };
    let must_list = |store: &Store, scope, after, wanted: &[DeadLetter]| {
        let found = listed(store, "file", scope, after, 10)?;
        ensure(found == wanted, || format!("the dead letters are {found:?} instead of {wanted:?}"))
    };
    let (first, fourth, second) = (letter(0), letter(3), letter(1));
    // The same again, as after an answer that was lost.
    for _ in 0..2 {
        acknowledge(&store, ONE, all[3].position, vec![first.clone(), fourth.clone()])?;
    }
    acknowledge(&store, TWO, all[1].position, vec![second.clone()])?;
    store.stop()?;
    let store = Store::start(subject)?;
    must_wait(&store, "file", ONE, &[])?;
    must_wait(&store, "file", TWO, &[105])?;
    must_list(&store, None, Nat(0), &[first.clone(), second.clone(), fourth.clone()])?;
    must_list(&store, Some(ONE), Nat(0), &[first.clone(), fourth.clone()])?;
    must_list(&store, Some(ONE), first.position, std::slice::from_ref(&fourth))?;
    must_list(&store, Some(Scope::Directory), Nat(0), &[])?;
    ensure(listed(&store, "file", None, Nat(0), 2)?.len() == 2, || "a limit is not kept".into())?;
    ensure(listed(&store, "hook", None, Nat(0), 2)?.is_empty(), || {
        "another sink has the letters, too".into()
    })?;
    let positions = vec![first.position, Nat(1_000_000)];
    let request = DeadLettersForget { schema: SCHEMA, sink: "file".into(), positions };
    let forgotten: DeadLettersForgotten = store.exchange(op::DEAD_LETTERS_FORGET, &request)?;
    ensure(forgotten.forgotten == Nat(1), || {
        format!("{} letters are forgotten, 1 was asked for", forgotten.forgotten.0)
    })?;
    store.stop()?;
    let store = Store::start(subject)?;
    must_list(&store, None, Nat(0), &[second, fourth])?;
    store.stop()?;
    pass()
}

fn backlog(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let status = |scope| {
        store.exchange::<OutboxStatus>(
            op::OUTBOX_STATUS,
            &OutboxAsk { schema: SCHEMA, sink: "file".into(), scope },
        )
    };
    let must_be = |scope, through, waiting, oldest: Option<i64>, dead| {
        let (oldest, found) = (oldest.map(|after| Micros(NOW + after)), status(scope)?);
        let wanted = OutboxStatus { schema: SCHEMA, through, waiting: Nat(waiting), oldest, dead: Nat(dead) };
        ensure(found == wanted, || format!("{scope:?} has {found:?} instead of {wanted:?}"))
    };
    must_be(ONE, Nat(0), 0, None, 0)?;
    three_scopes(&store)?;
    must_be(ONE, Nat(0), 2, Some(1), 0)?;
    must_be(Scope::Directory, Nat(0), 2, Some(3), 0)?;
    let first = scoped(&store, "file", ONE)?.remove(0);
    let letter =
        DeadLetter { position: first.position, event: first.event, reason: String::new(), at: Micros(NOW) };
    acknowledge(&store, ONE, first.position, vec![letter])?;
    must_be(ONE, first.position, 1, Some(4), 1)?;
    must_be(TWO, Nat(0), 2, Some(2), 0)?;
    store.stop()?;
    pass()
}

fn removal(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let remove = |store: &Store, scope, through, limit| {
        let request = EventsRemove { schema: SCHEMA, scope, through, limit };
        store.exchange::<EventsRemoved>(op::EVENTS_REMOVE, &request).map(|reply| reply.removed.0)
    };
    let must_remove = |store: &Store, scope, through, limit, wanted: u64| {
        let removed = remove(store, scope, through, limit)?;
        ensure(removed == wanted, || format!("{removed} events are removed instead of {wanted}"))
    };
    three_scopes(&store)?;
    let all = store.take("hook", None, 100)?;
    let letter = DeadLetter {
        position: all[0].position,
        event: all[0].event.clone(),
        reason: String::new(),
        at: Micros(NOW),
    };
    acknowledge(&store, ONE, all[0].position, vec![letter.clone()])?;
    // Events 101 and 104 are of the first site; only the first lies before this position.
    must_remove(&store, ONE, all[2].position, 100, 1)?;
    must_remove(&store, ONE, all[2].position, 100, 0)?;
    ensure(store.take("hook", None, 100)? == all[1..], || "another event is gone, or has moved".into())?;
    must_remove(&store, TWO, all[4].position, 1, 1)?;
    must_wait(&store, "hook", TWO, &[105])?;
    store.stop()?;
    let store = Store::start(subject)?;
    let rest = store.take("hook", None, 100)?;
    ensure(numbers(&rest) == [103, 104, 105, 106], || {
        format!("after a restart {:?} are left", numbers(&rest))
    })?;
    // The newest event of all stays, so that its position is never given again.
    must_remove(&store, Scope::Directory, Nat(u64::MAX >> 1), 100, 1)?;
    let mut one = change(107, vec![insert_session(session(2007, None))]);
    one.events[0].site = Some(id(1));
    store.done(&one)?;
    let newest = store.take("hook", Some(all[5].position.0), 100)?;
    ensure(numbers(&newest) == [107], || "a position is given again".into())?;
    must_wait(&store, "file", ONE, &[104, 107])?;
    let asked = DeadLettersAsk { schema: SCHEMA, sink: "file".into(), scope: None, after: Nat(0), limit: 9 };
    let letters = store.exchange::<DeadLetters>(op::DEAD_LETTERS, &asked)?.letters;
    ensure(letters == [letter], || "a dead letter went with its event".into())?;
    store.stop()?;
    pass()
}

fn leases(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let claim = |store: &Store, holder: u128, seen: Option<LeaseSeen>| {
        let claims = vec![LeaseClaim { name: "file/x".into(), seen }];
        let request = OutboxLease { schema: SCHEMA, holder: id(holder), claims, release: Vec::new() };
        let leases = store.exchange::<OutboxLeases>(op::OUTBOX_LEASE, &request)?.leases;
        leases.first().copied().ok_or_else(|| "a claim gets no answer".to_owned())
    };
    let first = claim(&store, 1, None)?;
    ensure(first.holder == id(1), || "nobody's lease is not granted".into())?;
    ensure(claim(&store, 2, None)? == first, || "a lease that another holds is granted".into())?;
    let renewed = claim(&store, 1, None)?;
    ensure(renewed.holder == id(1) && renewed.beat > first.beat, || {
        "a renewal does not raise the beat".into()
    })?;
    ensure(claim(&store, 2, Some(first))? == renewed, || {
        "a lease that was renewed is granted to another".into()
    })?;
    store.stop()?;
    let store = Store::start(subject)?;
    let taken = claim(&store, 2, Some(renewed))?;
    ensure(taken.holder == id(2) && taken.beat > renewed.beat, || {
        "a lease that was not renewed is not granted".into()
    })?;
    ensure(claim(&store, 1, Some(renewed))? == taken, || "a lost lease is granted again".into())?;
    for holder in [1, 2] {
        let release = vec!["file/x".to_owned()];
        let request = OutboxLease { schema: SCHEMA, holder: id(holder), claims: Vec::new(), release };
        store.exchange::<OutboxLeases>(op::OUTBOX_LEASE, &request)?;
        let after = claim(&store, 3, None)?;
        let wanted = if holder == 1 { 2 } else { 3 };
        ensure(after.holder == id(wanted), || {
            format!("after {holder} gave it back, {} holds it", after.holder)
        })?;
    }
    store.stop()?;
    pass()
}
