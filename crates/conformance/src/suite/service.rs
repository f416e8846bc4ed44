//! What every store and sink promises of its requests: one answer each, in time, of the right shape.

use std::collections::HashMap;
use std::time::Duration;

use patd_abi::{op, status};
use patd_plugin_host::probe::Ask;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::SERVICES;
use super::load::panic_lines;
use super::running::{Running, empty, judged, start_payload};
use crate::case::{Case, Outcome, ensure, pass, pass_with};
use crate::subject::{Subject, status_name};

pub(crate) const CASES: &[Case] = &[
    Case::of(SERVICES, "service.life", "it starts, is healthy, serves and stops", life),
    Case::of(
        SERVICES,
        "service.answers",
        "each operation is answered OK, with JSON and without a detail",
        answers,
    ),
    Case::of(SERVICES, "service.before-start", "before START its own operations are refused", before_start),
    Case::of(
        SERVICES,
        "service.nonsense",
        "unknown operations, encodings and payloads are refused, with a detail",
        nonsense,
    ),
    Case::of(SERVICES, "service.one-answer", "10,000 mixed calls get exactly one answer each", one_answer)
        .within(120),
    Case::of(SERVICES, "service.submit", "submit only hands over", submit),
    Case::of(SERVICES, "service.time", "an answer comes within twice its budget", time),
    Case::of(SERVICES, "service.cancel", "cancelling before, during and after changes no count", cancel),
    Case::of(SERVICES, "service.crowd", "more at once than it takes are busy, not lost", crowd),
];

fn life(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    running.lifecycle(op::HEALTH, empty())?;
    let host = running.stop()?;
    ensure(panic_lines(host) == 0, || "a panic was logged".into())?;
    pass()
}

fn answers(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    for (op, payload) in running.all_good(1) {
        let answer = running.ask(op, &payload)?;
        ensure(answer.status == status::OK, || {
            format!(
                "operation {op} answers {}: {}",
                status_name(answer.status),
                String::from_utf8_lossy(&answer.detail)
            )
        })?;
        let silent = op < op::FIRST_DOMAIN || op == op::FLUSH;
        ensure(silent || !answer.payload.is_empty(), || {
            format!("operation {op} answers OK and nothing more")
        })?;
    }
    running.stop()?;
    pass()
}

fn before_start(subject: &Subject) -> Outcome {
    let running = Running::made(subject)?;
    let (op, payload) = running.good(1);
    let answer = running.ask(op, &payload)?;
    ensure(answer.status == status::UNAVAILABLE, || {
        format!(
            "operation {op} before START answers {}, UNAVAILABLE is asked for",
            status_name(answer.status)
        )
    })?;
    running.lifecycle(op::START, start_payload(subject.kind))?;
    running.stop()?;
    pass()
}

fn nonsense(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let long = vec![b'x'; 4 << 20];
    for op in running.own_ops() {
        let payloads: [&[u8]; 7] =
            [b"", b"[", b"null", b"{\"schema\":\"one\"}", b"{\"events\":7,\"\xff\":1}", &deep, &long];
        for payload in payloads {
            let answer = running.ask(*op, payload)?;
            if Running::is_optional(*op) && answer.status == status::UNSUPPORTED {
                continue;
            }
            let shown = String::from_utf8_lossy(&payload[..payload.len().min(12)]).into_owned();
            ensure(answer.status == status::INVALID, || {
                format!(
                    "operation {op} answers {} to the payload {shown:?}, INVALID is asked for",
                    status_name(answer.status)
                )
            })?;
            ensure(!answer.detail.is_empty(), || {
                format!("operation {op} refuses {shown:?} without a detail")
            })?;
        }
    }
    for unknown in [7, 255, 9999, u32::MAX] {
        let answer = running.ask(unknown, &empty())?;
        ensure(answer.status == status::UNSUPPORTED, || {
            format!(
                "the unknown operation {unknown} answers {}, UNSUPPORTED is asked for",
                status_name(answer.status)
            )
        })?;
    }
    let (op, payload) = running.good(1);
    let answer = running.ask_as(op, &payload, 99)?;
    ensure(matches!(answer.status, status::INVALID | status::UNSUPPORTED), || {
        format!("an unknown encoding is answered {}", status_name(answer.status))
    })?;
    running.stop()?;
    pass()
}

fn one_answer(subject: &Subject) -> Outcome {
    const CALLS: usize = 10_000;
    let running = Running::start(subject)?;
    let threads = running.max_in_flight.min(4);
    let taken = std::thread::scope(|scope| {
        let running = &running;
        let hands: Vec<_> = (0..threads)
            .map(|hand| scope.spawn(move || mixed(running, hand as u64, CALLS / threads)))
            .collect();
        let mut taken: HashMap<u64, bool> = HashMap::new();
        for hand in hands {
            taken.extend(hand.join().map_err(|_| "the kit itself panicked".to_owned())??);
        }
        Ok::<_, String>(taken)
    })?;
    let host = running.stop()?;
    let counts = host.counts();
    let (mut none, mut many, mut forged) = (0, 0, 0);
    for (id, accepted) in &taken {
        match (accepted, counts.get(id).copied().unwrap_or(0)) {
            (true, 0) => none += 1,
            (true, 1) | (false, 0) => {}
            (true, _) => many += 1,
            (false, _) => forged += 1,
        }
    }
    // START and STOP are the two that are not listed.
    let strangers = counts.keys().filter(|id| !taken.contains_key(*id)).count().saturating_sub(2);
    ensure(none == 0, || format!("{none} requests were taken and never answered"))?;
    ensure(many == 0, || format!("{many} requests were answered more than once"))?;
    ensure(forged == 0, || format!("{forged} requests were refused and answered all the same"))?;
    ensure(strangers == 0, || format!("{strangers} answers are for requests that nobody made"))?;
    pass_with(format!("{} calls", taken.len()))
}

/// Calls of all sorts, one after the other; which were taken.
fn mixed(running: &Running, hand: u64, calls: usize) -> Result<Vec<(u64, bool)>, String> {
    let mut dice = StdRng::seed_from_u64(hand);
    let mut taken = Vec::with_capacity(calls);
    for call in 0..calls {
        let (op, payload) = match dice.random_range(0..20_u32) {
            // Few, as a durable sink syncs each.
            0 => running.good(hand << 32 | call as u64),
            1..=3 => (9999, empty()),
            4..=6 => (running.own_ops()[0], b"{nonsense".to_vec()),
            _ => (op::HEALTH, empty()),
        };
        let (id, status) = running.submit(op, &payload);
        taken.push((id, status == status::OK));
        if dice.random_range(0..10_u32) == 0 {
            running.service.cancel(id);
        }
        if status == status::OK {
            running.host().wait(id, running.patience).ok_or_else(|| {
                format!(
                    "operation {op} was taken and not answered within {} ms",
                    running.patience.as_millis()
                )
            })?;
        }
    }
    Ok(taken)
}

/// What `submit` may take on a machine that has other things to do. The header asks for microseconds; what blocks on a file, a
/// socket or a lock that is held over one takes longer than this sooner or later.
const LONGEST_SUBMIT: Duration = Duration::from_millis(50);
/// How many of twenty may take longer all the same: the machine took the processor away.
const SLOW_SUBMITS: usize = 3;

fn submit(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    let mut slow = Vec::new();
    for number in 0..20 {
        let (op, payload) = running.good(number);
        let (host, timeout) = (running.host(), running.patience);
        let id = host.next_request();
        let ask = Ask { op, id, timeout, encoding: patd_abi::ENCODING_JSON, payload: &payload };
        let (status, took) = running.service.submit(ask);
        if took > LONGEST_SUBMIT {
            slow.push(took.as_millis());
        }
        if status == status::OK {
            host.wait(id, timeout).ok_or("a request was taken and never answered")?;
        }
        ensure(slow.len() <= SLOW_SUBMITS, || format!("submit blocks: {slow:?} ms"))?;
    }
    running.stop()?;
    pass()
}

/// A budget that a store or sink on a local disk keeps on any machine, and that the case waits out twice at most.
const BUDGET: Duration = Duration::from_millis(500);
/// How many of ten answers may come later than twice the budget: the disk was busy.
const LATE_ANSWERS: usize = 1;

fn time(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    let mut late = 0;
    for number in 0..10 {
        let (op, payload) = running.good(number);
        let id = running.host().next_request();
        let ask = Ask { op, id, timeout: BUDGET, encoding: patd_abi::ENCODING_JSON, payload: &payload };
        let (status, _) = running.service.submit(ask);
        if status == status::OK && running.host().wait(id, 2 * BUDGET).is_none() {
            late += 1;
            ensure(late <= LATE_ANSWERS, || {
                format!("no answer within twice the budget of {} ms", BUDGET.as_millis())
            })?;
            running.host().wait(id, running.patience).ok_or("a request was taken and never answered")?;
        }
    }
    running.stop()?;
    pass()
}

fn cancel(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    let host = running.host();
    let mut taken = Vec::new();
    for number in 0..50 {
        // Never made, and not made yet.
        running.service.cancel(u64::MAX - number);
        let (op, payload) = running.good(number);
        let id = host.next_request();
        running.service.cancel(id);
        let ask =
            Ask { op, id, timeout: running.patience, encoding: patd_abi::ENCODING_JSON, payload: &payload };
        let (status, _) = running.service.submit(ask);
        running.service.cancel(id);
        if status == status::OK {
            let completion =
                host.wait(id, running.patience).ok_or("a cancelled request is never answered")?;
            judged(op, completion)?;
            taken.push(id);
        }
        running.service.cancel(id);
    }
    let host = running.stop()?;
    let counts = host.counts();
    ensure(taken.iter().all(|id| counts.get(id) == Some(&1)), || {
        "a cancelled request is answered more than once".into()
    })?;
    let strangers = counts.len().saturating_sub(taken.len() + 2);
    ensure(strangers == 0, || format!("cancel made {strangers} answers to requests that nobody made"))?;
    ensure(panic_lines(host) == 0, || "cancel panics".into())?;
    pass()
}

fn crowd(subject: &Subject) -> Outcome {
    let running = Running::start(subject)?;
    let crowd = (running.max_in_flight * 4 + 8).min(2048) as u64;
    let asked: Vec<_> = (0..crowd)
        .map(|number| {
            let (op, payload) = running.good(number);
            let (id, status) = running.submit(op, &payload);
            (op, id, status)
        })
        .collect();
    let mut busy = 0;
    let mut taken = Vec::new();
    for (op, id, status) in &asked {
        match *status {
            status::OK => taken.push((*op, *id)),
            status::BUSY | status::UNAVAILABLE => busy += 1,
            other => return Err(format!("submit answers {} to a crowd", status_name(other))),
        }
    }
    let ids: Vec<u64> = taken.iter().map(|(_, id)| *id).collect();
    let lost = running.host().wait_all(&ids, running.patience * 3);
    ensure(lost.is_empty(), || format!("{} of {crowd} requests at once are never answered", lost.len()))?;
    for (op, id) in taken {
        for completion in running.host().completions(id) {
            let answer = judged(op, completion)?;
            match answer.status {
                status::OK => {}
                status::BUSY | status::UNAVAILABLE => busy += 1,
                other => return Err(format!("a request in a crowd is answered {}", status_name(other))),
            }
        }
    }
    running.stop()?;
    pass_with(format!("{crowd} at once, {busy} of them busy"))
}
