//! What an audit sink promises: an answer accounts for the events that it names, and what came twice is taken twice.

use patd_abi::{op, status};
use patd_proto::audit::{Deliver, Delivered};
use serde_json::json;

use super::AUDIT;
use super::running::{Running, batch, bytes, event, event_id};
use crate::case::{Case, Outcome, ensure, pass, pass_with};
use crate::subject::{Subject, status_name};

pub(crate) const CASES: &[Case] = &[
    Case::of(AUDIT, "audit.accepts", "a batch is accepted in the end, part by part if need be", accepts),
    Case::of(AUDIT, "audit.accounts", "an answer names events of its batch only", accounts),
    Case::of(AUDIT, "audit.duplicates", "a batch that comes again is accepted again", duplicates),
    Case::of(AUDIT, "audit.large", "a batch of a thousand events is accepted", large),
    Case::of(AUDIT, "audit.without-id", "an event that cannot be named is refused for good", without_id),
    Case::of(AUDIT, "audit.flush", "FLUSH goes well, also before STOP with something to flush", flush),
];

/// The sink's answer to events.
fn deliver(running: &Running, numbers: &[u64]) -> Result<Delivered, String> {
    let answer = running.ask(op::DELIVER, &batch(numbers))?;
    ensure(answer.status == status::OK, || {
        format!("DELIVER answers {}: {}", status_name(answer.status), String::from_utf8_lossy(&answer.detail))
    })?;
    serde_json::from_slice(&answer.payload)
        .map_err(|error| format!("DELIVER's answer does not read: {error}"))
}

/// How many of the events the sink is done with.
fn accepted(answer: &Delivered, numbers: &[u64]) -> Result<usize, String> {
    let Some(last) = &answer.accepted_through else { return Ok(0) };
    numbers
        .iter()
        .position(|number| event_id(*number) == *last)
        .map(|at| at + 1)
        .ok_or_else(|| format!("accepted_through is {last:?}, no event of the batch"))
}

/// Delivers events until the sink is done with all; how many calls that took.
fn all(running: &Running, numbers: &[u64]) -> Result<usize, String> {
    let (mut rest, mut calls, mut idle) = (numbers, 0, 0);
    while !rest.is_empty() {
        let done = accepted(&deliver(running, rest)?, rest)?;
        calls += 1;
        idle = if done == 0 { idle + 1 } else { 0 };
        ensure(idle < 10, || format!("{} events are never accepted, in {idle} calls", rest.len()))?;
        rest = &rest[done..];
    }
    Ok(calls)
}

fn accepts(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    let mut calls = 0;
    for first in 0..10 {
        let numbers: Vec<u64> = (first * 100..first * 100 + 1 + first * 3).collect();
        calls += all(&running, &numbers)?;
    }
    running.stop()?;
    pass_with(format!("10 batches in {calls} calls"))
}

fn accounts(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    for first in [1, 11, 21] {
        let numbers: Vec<u64> = (first..first + 5).collect();
        let answer = deliver(&running, &numbers)?;
        let done = accepted(&answer, &numbers)?;
        for id in &answer.rejected {
            let known = numbers[..done].iter().any(|number| event_id(*number) == *id);
            ensure(known, || format!("{id:?} is rejected, no event of the batch up to accepted_through"))?;
        }
    }
    let empty = deliver(&running, &[])?;
    ensure(empty.accepted_through.is_none() && empty.rejected.is_empty(), || {
        "an empty batch is answered with events".into()
    })?;
    running.stop()?;
    pass()
}

fn duplicates(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    let numbers = [1, 2, 3];
    for _ in 0..3 {
        all(&running, &numbers)?;
    }
    all(&running, &[2, 3, 4])?;
    running.stop()?;
    pass()
}

fn large(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    let numbers: Vec<u64> = (0..1000).collect();
    let calls = all(&running, &numbers)?;
    running.stop()?;
    pass_with(format!("1000 events in {calls} calls"))
}

fn without_id(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    let mut nameless = event(1);
    nameless["id"] = json!(7);
    for events in [vec![json!({})], vec![event(1), nameless], vec![json!("text")]] {
        let payload = bytes(&Deliver { batch_id: "kit".into(), events, ..Deliver::default() });
        let answer = running.ask(op::DELIVER, &payload)?;
        ensure(answer.status == status::INVALID, || {
            format!(
                "DELIVER answers {} to an event without an id, INVALID is asked for",
                status_name(answer.status)
            )
        })?;
    }
    running.stop()?;
    pass()
}

fn flush(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    for number in 0..3 {
        all(&running, &[number])?;
        let answer = running.ask(op::FLUSH, b"")?;
        ensure(answer.status == status::OK, || format!("FLUSH answers {}", status_name(answer.status)))?;
    }
    let numbers: Vec<u64> = (10..30).collect();
    all(&running, &numbers)?;
    running.stop()?;
    pass()
}
