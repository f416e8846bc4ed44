//! One case in a process of its own, seen from both sides. The parent must never wait longer than the case's limit; the child
//! says how it went in a file, as the plug-in may print what it likes.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::arguments::Error;
use crate::case::{Case, Verdict, cases};
use crate::report::Outcome;
use crate::subject::Subject;
use crate::{suite, system};

/// How the plug-in names itself.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) kinds: Vec<String>,
}

/// What a child leaves.
#[derive(Serialize, Deserialize)]
struct Left {
    outcome: Outcome,
    detail: String,
}

/// Runs a case in a child process.
pub(crate) fn run(mut command: Command, scratch: &Path, limit: Duration) -> (Outcome, String) {
    let (result, said) = (scratch.join("result"), scratch.join("stderr"));
    command.arg("--result").arg(&result);
    let stderr = fs::File::create(&said).map_or_else(|_| Stdio::null(), Stdio::from);
    // A group of its own, so that a case that starts processes ends with them.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).process_group(0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return (Outcome::Failed, format!("no child process: {error}")),
    };
    let status = wait(&mut child, limit);
    end_group(&child);
    let left = fs::read(&result).ok().and_then(|bytes| serde_json::from_slice::<Left>(&bytes).ok());
    match (status, left) {
        (_, Some(left)) => (left.outcome, left.detail),
        (None, None) => (Outcome::Failed, format!("no end within {} s", limit.as_secs())),
        (Some(status), None) => (Outcome::Crashed, crash(status, &last_line(&said))),
    }
}

fn crash(status: ExitStatus, said: &str) -> String {
    let how = match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}{}", signal_name(signal)),
        (_, Some(code)) => format!("the process ended itself with code {code}"),
        _ => "the process ended".to_owned(),
    };
    if said.is_empty() { how } else { format!("{how}: {said}") }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        _ => "",
    }
}

fn last_line(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(1 << 16).read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(300).collect()
}

#[expect(clippy::disallowed_methods, reason = "a measured deadline")]
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if begin.elapsed() < limit => system::pause(Duration::from_millis(3)),
            _ => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Ends what the case started and left.
fn end_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// The child's side. Ends the process: a plug-in's threads may still run.
pub(crate) fn serve(subject: &Subject, name: &str, result: Option<&Path>) -> Result<bool, Error> {
    // Whoever ends the kit ends its children.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if name == suite::VICTIM {
        suite::victim(subject);
        std::process::exit(0);
    }
    let identify = Case::once(suite::IDENTIFY, "", suite::identify);
    let case = if name == suite::IDENTIFY { Some(&identify) } else { cases().find(|case| case.name == name) };
    let case = case.ok_or_else(|| Error::Usage(format!("there is no case {name}")))?;
    let (outcome, detail) = guarded(case, subject);
    let Some(result) = result else { return Ok(!outcome.is_bad()) };
    let left = serde_json::to_vec(&Left { outcome, detail }).unwrap_or_default();
    // Whole or not at all: the parent may look at any time.
    let fresh = result.with_extension("new");
    let written = fs::write(&fresh, left).and_then(|()| fs::rename(&fresh, result));
    std::process::exit(i32::from(written.is_err()))
}

/// Runs a case here; a panic of the kit is a failure.
pub(crate) fn guarded(case: &Case, subject: &Subject) -> (Outcome, String) {
    match catch_unwind(AssertUnwindSafe(|| (case.run)(subject))) {
        Ok(Ok(Verdict::Passed(detail))) => (Outcome::Passed, detail),
        Ok(Ok(Verdict::Skipped(detail))) => (Outcome::Skipped, detail),
        Ok(Ok(Verdict::Warning(detail))) => (Outcome::Warning, detail),
        Ok(Err(detail)) => (Outcome::Failed, detail),
        Err(_) => (Outcome::Failed, "the kit itself panicked; this is a bug of the kit".to_owned()),
    }
}
