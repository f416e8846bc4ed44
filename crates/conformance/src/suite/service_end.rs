//! How a store or sink ends: what is in flight is answered first, then nothing is left.

use std::time::Duration;

use patd_abi::{op, status};

use super::SERVICES;
use super::running::{Running, empty, judged, start_payload};
use crate::case::{Case, Outcome, ensure, pass, pass_with};
use crate::subject::{Subject, status_name};
use crate::system::{Captured, Snapshot, pause, resident};

pub(crate) const CASES: &[Case] = &[
    Case::of(
        SERVICES,
        "service.stop-in-flight",
        "STOP is answered after all that was taken before it",
        stop_in_flight,
    ),
    Case::of(SERVICES, "service.after-stop", "after STOP nothing is served and nothing works on", after_stop),
    Case::of(SERVICES, "service.untouched", "serving changes nothing of the process", untouched),
    Case::of(
        SERVICES,
        "service.nothing-left",
        "no thread and no open file outlives the instance",
        nothing_left,
    ),
    Case::of(SERVICES, "service.restarts", "fifty lives leave no growth", restarts).within(120),
];

fn stop_in_flight(subject: &Subject) -> Outcome {
    const ROUNDS: u64 = 8;
    let mut seen = 0;
    for round in 0..ROUNDS {
        let running = Running::start(subject)?;
        let host = running.host();
        let crowd = running.max_in_flight.min(32) as u64;
        let taken: Vec<(u32, u64)> = (0..crowd)
            .filter_map(|number| {
                let (op, payload) = running.good(round << 32 | number);
                let (id, status) = running.submit(op, &payload);
                (status == status::OK).then_some((op, id))
            })
            .collect();
        let (stop, status) = running.submit(op::STOP, &empty());
        ensure(status == status::OK, || format!("submit of STOP answers {}", status_name(status)))?;
        let stopped = host.wait(stop, running.patience).ok_or("STOP is not answered")?;
        let order = stopped.order;
        judged(op::STOP, stopped)?;
        for (op, id) in &taken {
            let completions = host.completions(*id);
            let completion = completions.into_iter().next();
            let completion = completion.ok_or("STOP is answered while requests before it are not")?;
            ensure(completion.order < order, || {
                "STOP is answered before a request that came before it".into()
            })?;
            let answer = judged(*op, completion)?;
            ensure(answer.status == status::OK, || {
                format!("a request that was taken before STOP is answered {}", status_name(answer.status))
            })?;
        }
        running.service.destroy();
        let counts = host.counts();
        ensure(counts.values().all(|count| *count == 1), || "requests are answered again after STOP".into())?;
        seen += taken.len();
    }
    pass_with(format!("{seen} requests in flight"))
}

fn after_stop(subject: &Subject) -> Outcome {
    const QUIET: Duration = Duration::from_millis(300);
    let running = Running::start(subject)?;
    let (op, payload) = running.good(1);
    running.ask(op, &payload)?;
    running.lifecycle(op::STOP, empty())?;
    let answer = running.ask(op, &payload)?;
    ensure(answer.status != status::OK, || format!("operation {op} is served after STOP"))?;
    let host = running.host();
    let seen = |host: &patd_plugin_host::probe::Host| (host.completed(), host.lines().len(), host.figures());
    let before = seen(host);
    pause(QUIET);
    running.service.destroy();
    pause(QUIET);
    let after = seen(host);
    ensure(before == after, || {
        format!(
            "after STOP it goes on: {} answers, {} log lines, {} figures",
            after.0 - before.0,
            after.1 - before.1,
            after.2 - before.2
        )
    })?;
    pass()
}

/// A whole life with a few requests.
fn live(subject: &Subject) -> Result<(), String> {
    let running = Running::made(subject)?;
    running.lifecycle(op::START, start_payload(subject.kind))?;
    for (op, payload) in running.all_good(7) {
        running.ask(op, &payload)?;
    }
    running.stop()?;
    Ok(())
}

fn untouched(subject: &Subject) -> Outcome {
    let mut printed = Captured::begin(&subject.scratch).map_err(|error| error.to_string())?;
    let before = Snapshot::take();
    let running = Running::start(subject)?;
    for (op, payload) in running.all_good(7) {
        running.ask(op, &payload)?;
    }
    let mut found = before.changes_while_running();
    running.stop()?;
    found.extend(before.changes_while_running());
    found.dedup();
    let text = printed.text();
    if !text.is_empty() {
        found.push(format!("it printed on standard output: {:?}", text.chars().take(60).collect::<String>()));
    }
    drop(printed);
    ensure(found.is_empty(), || found.join("; "))?;
    pass()
}

fn nothing_left(subject: &Subject) -> Outcome {
    let before = Snapshot::take();
    live(subject)?;
    let found = before.threads_left();
    ensure(found.is_empty(), || found.join("; "))?;
    // What a runtime opens once for the process is no leak; what each life leaves is.
    let before = Snapshot::take();
    live(subject)?;
    let found = before.differences();
    ensure(found.is_empty(), || found.join("; "))?;
    pass()
}

fn restarts(subject: &Subject) -> Outcome {
    const WARM: usize = 10;
    const LIVES: usize = 40;
    for _ in 0..WARM {
        live(subject)?;
    }
    let (before, memory) = (Snapshot::take(), resident());
    for _ in 0..LIVES {
        live(subject)?;
    }
    let grown = resident().saturating_sub(memory) >> 20;
    let _given_a_moment = before.threads_left();
    let after = Snapshot::take();
    let threads = after.thread_count().saturating_sub(before.thread_count());
    let files = after.file_count().saturating_sub(before.file_count());
    ensure(threads == 0 && files == 0, || {
        format!("{LIVES} lives left {threads} threads and {files} open files")
    })?;
    ensure(grown < 32, || format!("{LIVES} lives left {grown} MiB"))?;
    pass_with(format!("{} lives, {grown} MiB", WARM + LIVES))
}
