//! `patd doctor`: one line for each thing that can be wrong, beside a running daemon and without one.
//!
//! Must never change anything, nor stop at the first thing that is wrong: what cannot be looked at is a line of its own.

mod files;
mod lines;
mod plugs;

use patd_config::Config;
use patd_service::ports::Clock as _;
use patd_service::schemes::{Judgement, REMEDY};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::Context;
use crate::control;
use crate::data_dir::{DataDir, Held, control_socket};
use crate::digests;
use crate::facts::{Digests, Facts};
use crate::failure::Failure;
use crate::look::Look;
use crate::operate::Operation;
use crate::output::{self, Format};
use crate::plugins::Wanted;
use crate::serve;
use crate::system::WallClock;

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Ok,
    Warn,
    Fail,
}

/// One line.
#[derive(Debug, Serialize)]
struct Line {
    check: &'static str,
    outcome: Outcome,
    what: String,
    #[serde(rename = "do")]
    todo: Option<String>,
}

/// The lines so far.
#[derive(Default)]
struct Report(Vec<Line>);

impl Report {
    fn ok(&mut self, check: &'static str, what: impl Into<String>) {
        self.0.push(Line { check, outcome: Outcome::Ok, what: what.into(), todo: None });
    }

    fn warn(&mut self, check: &'static str, what: impl Into<String>, todo: impl Into<String>) {
        self.0.push(Line { check, outcome: Outcome::Warn, what: what.into(), todo: Some(todo.into()) });
    }

    fn fail(&mut self, check: &'static str, what: impl Into<String>, todo: impl Into<String>) {
        self.0.push(Line { check, outcome: Outcome::Fail, what: what.into(), todo: Some(todo.into()) });
    }

    fn failed(&self) -> usize {
        self.0.iter().filter(|line| line.outcome == Outcome::Fail).count()
    }
}

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    let temporary = std::env::temp_dir();
    let scratch = tempfile::Builder::new()
        .prefix("patd-doctor-")
        .tempdir()
        .map_err(|e| Failure::io("make a folder in", &temporary, e))?;
    let runtime = serve::runtime()?;
    let mut report = Report::default();
    files::look(&config, &mut report);
    let builds = plugs::look(&config, scratch.path(), &mut report);
    let patience = config.plugins.start_timeout.duration();
    let wanted =
        runtime.block_on(Wanted::copied_to(scratch.path(), &config, &config.server.data_dir, patience));
    let wanted = match wanted {
        Ok(wanted) => Some(wanted),
        Err(e) => {
            // Where a plug-in itself is refused, its own line says so.
            if builds.is_ok() {
                report.fail("plug-ins", e.to_string(), "correct the config; nothing starts with it");
            }
            None
        }
    };
    let facts = facts(&config, wanted.as_ref(), &runtime, &mut report);
    if let Some(facts) = &facts {
        plugs::running(&builds.unwrap_or_else(|known| known), facts, &mut report);
        lines::clock(facts, WallClock::default().now(), &mut report);
        lines::stores(facts, &mut report);
        lines::sinks(&config, facts, &mut report);
        judge(&config, wanted, facts, &runtime, &mut report);
    }
    // A plug-in's call that hangs must not hold up the end.
    runtime.shutdown_timeout(serve::LEFT_BEHIND);
    tell(context, &report, facts.as_ref());
    match report.failed() {
        0 => Ok(()),
        failed => {
            Err(Failure::Refused(format!("{failed} of {} checks failed: see the lines", report.0.len())))
        }
    }
}

/// What the daemon, or its stores, say; none where nothing can be asked.
fn facts(config: &Config, wanted: Option<&Wanted>, runtime: &Runtime, report: &mut Report) -> Option<Facts> {
    let path = &config.server.data_dir;
    match DataDir::look(path) {
        Ok(Held::New) => {
            report.ok("daemon", format!("there is nothing in {} yet", path.display()));
            None
        }
        Ok(Held::Daemon) => {
            let answer = control::send(&control_socket(path), &Operation::Doctor).and_then(|value| {
                serde_json::from_value::<Facts>(value).map_err(|e| Failure::Refused(e.to_string()))
            });
            match answer {
                Ok(mut facts) => {
                    let live = facts.live_sessions.unwrap_or_default();
                    report.ok("daemon", format!("runs on {}, live sessions: {live}", path.display()));
                    facts.counted = digests::with_new_sites(facts.counted, config).within(config);
                    Some(facts)
                }
                Err(e) => {
                    let what = format!("{} is in use, and its user does not answer: {e}", path.display());
                    report.fail(
                        "daemon",
                        what,
                        "see the daemon's log; after an upgrade, restart the daemon; another command may just be running",
                    );
                    None
                }
            }
        }
        Ok(Held::Here(data_dir)) => {
            report.ok("daemon", format!("none runs on {}", path.display()));
            let Some(wanted) = wanted else {
                report.warn(
                    "stores",
                    "they were not looked at: not every plug-in can be loaded",
                    "mend the lines above first",
                );
                return None;
            };
            Some(runtime.block_on(async {
                let look = Look::open(config, wanted.sections.clone(), data_dir.path()).await;
                let facts = Facts::at(&look, config, WallClock::default().now()).await;
                look.close().await;
                facts
            }))
        }
        Err(e) => {
            report.fail("daemon", e.to_string(), "run this as the daemon's user");
            None
        }
    }
}

/// What stored digests were made with, and whether the config's hashers can check them.
fn judge(config: &Config, wanted: Option<Wanted>, facts: &Facts, runtime: &Runtime, report: &mut Report) {
    for one in &facts.counted.digests {
        report.ok("digests", one.share().to_string());
    }
    for what in &facts.counted.not_counted {
        report.warn(
            "digests",
            format!("not counted: {what}"),
            "mend what is said, or start the daemon, and look again",
        );
    }
    let Some(wanted) = wanted else { return };
    match runtime.block_on(digests::hold(config, wanted.hashers, &facts.counted)) {
        Ok(judgement) => {
            if let Some(refusal) = judgement.refusal() {
                report.fail(
                    "hashers",
                    refusal,
                    format!("{REMEDY}; a start and a reload with this file are refused"),
                );
            }
            let Judgement { unknown, missing } = judgement;
            for what in &unknown {
                report.warn(
                    "hashers",
                    format!("not known to be checked: {what}"),
                    "see why the hasher fails",
                );
            }
            if unknown.is_empty() && missing.is_empty() {
                report.ok("hashers", "can check every digest that was counted");
            }
        }
        Err(e) => report.fail("hashers", e.to_string(), "correct [hashers]; nothing starts with this file"),
    }
}

fn tell(context: &Context, report: &Report, facts: Option<&Facts>) {
    match context.format {
        Format::Json => {
            let digests: Vec<Value> = facts
                .map(|facts| facts.counted.digests.iter().map(Digests::told).collect())
                .unwrap_or_default();
            context.print(&json!({
                "healthy": report.failed() == 0, "lines": report.0, "digests": digests,
                "live_sessions": facts.and_then(|facts| facts.live_sessions),
                "plugins": facts.map(|facts| &facts.plugins),
            }));
        }
        Format::Text => {
            for Line { check, outcome, what, todo } in &report.0 {
                let outcome = match outcome {
                    Outcome::Ok => "ok  ",
                    Outcome::Warn => "warn",
                    Outcome::Fail => "FAIL",
                };
                output::line(&format!("{outcome}  {check}: {what}"));
                if let Some(todo) = todo {
                    output::line(&format!("      do: {todo}"));
                }
            }
        }
    }
}
