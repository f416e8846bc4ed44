//! Starting a daemon, knowing it again, stopping it.
//!
//! A pid alone proves nothing after a while, so a process is recorded with its start time and the boot it belongs to,
//! and signals go through a pidfd that was opened before the check: no other process is ever hit.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use serde::{Deserialize, Serialize};

use super::Folder;
use crate::failure::{Context, Failure};
use crate::http::Client;
use crate::out;

/// How long a daemon may take to become ready, and to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(25);

/// A process that this task or an earlier one started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    start_time: u64,
    boot_id: String,
}

impl Process {
    /// Records a running process.
    fn identify(pid: u32) -> Option<Self> {
        Some(Self { pid, start_time: start_time(pid)?, boot_id: boot_id()? })
    }

    /// Whether it still runs: same boot, same pid, same start time, not a zombie.
    pub(crate) fn is_alive(&self) -> bool {
        Self::identify(self.pid).is_some_and(|found| found == *self)
    }

    /// Asks it to end and waits; kills it when it does not.
    pub(crate) fn stop(&self) -> Result<(), Failure> {
        if self.end_by(Signal::TERM)? {
            return Ok(());
        }
        out::warn(format_args!(
            "pid {} did not end within {} s of SIGTERM, killing it",
            self.pid,
            PATIENCE.as_secs()
        ));
        if self.end_by(Signal::KILL)? {
            return Ok(());
        }
        Err(Failure::new(format!("pid {} does not end", self.pid)))
    }

    fn end_by(&self, signal: Signal) -> Result<bool, Failure> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(true) };
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(true) };
        if !self.is_alive() {
            return Ok(true);
        }
        pidfd_send_signal(&pidfd, signal).context(format_args!("cannot signal pid {}", self.pid))?;
        let deadline = Instant::now() + PATIENCE;
        while self.is_alive() {
            if Instant::now() > deadline {
                return Ok(false);
            }
            sleep(POLL);
        }
        // Takes the zombie away where it is this task's child; where it is not, there is nothing to take.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        Ok(true)
    }
}

/// Starts `patd serve`.
pub(crate) fn start(patd: &Path, folder: &Folder) -> Result<Process, Failure> {
    let mut command = Command::new(patd);
    command.arg("--config").arg(folder.config()).arg("serve");
    spawn(&mut command, &folder.log())?.ok_or_else(|| ended_at_once(folder))
}

/// Starts a program in its own process group, so that a Ctrl-C for this task does not reach it; `None` when it has ended
/// already.
pub(crate) fn spawn(command: &mut Command, log: &Path) -> Result<Option<Process>, Failure> {
    let output = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)
        .context(format_args!("cannot open {}", log.display()))?;
    let errors = output.try_clone().context("cannot share the log")?;
    let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).spawn();
    let child = child.context(format_args!("cannot start {}", command.get_program().display()))?;
    Ok(Process::identify(child.id()))
}

/// Waits until the daemon says that it is ready.
pub(crate) fn wait_until_ready(
    process: &Process,
    management_url: &str,
    folder: &Folder,
) -> Result<(), Failure> {
    let client = Client::new(management_url);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let last = match client.get("/readyz", None) {
            Ok(answer) if answer.status == 200 => return Ok(()),
            Ok(answer) => answer.shown(),
            Err(failure) => failure.to_string(),
        };
        if !process.is_alive() {
            return Err(ended_at_once(folder));
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!(
                "patd is not ready after {} s ({management_url}/readyz: {last}); the end of its log:\n{}",
                PATIENCE.as_secs(),
                folder.log_tail()
            )));
        }
        sleep(POLL);
    }
}

fn ended_at_once(folder: &Folder) -> Failure {
    Failure::new(format!("patd ended before it was ready; the end of its log:\n{}", folder.log_tail()))
}

/// Clock ticks between boot and the start of a process; none for a process that is gone or a zombie.
fn start_time(pid: u32) -> Option<u64> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields are counted from the last parenthesis: the command name before it may hold anything.
fn parse_stat(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let state = fields.first()?;
    if matches!(*state, "Z" | "X") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

fn boot_id() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Process, parse_stat};

    #[test]
    fn the_start_time_is_read_behind_a_command_name_with_blanks_and_parentheses() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9";
        assert_eq!(parse_stat(stat), Some(4711));
    }

    #[test]
    fn a_zombie_does_not_count_as_running() {
        let stat = "7 (patd) Z 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9";
        assert_eq!(parse_stat(stat), None);
    }

    #[test]
    fn a_process_with_another_start_time_is_not_the_recorded_one() {
        let own = Process::identify(std::process::id()).expect("this process");
        assert!(own.is_alive());
        let earlier = Process { start_time: own.start_time - 1, ..own };
        assert!(!earlier.is_alive());
        earlier.stop().expect("a process that is gone needs no signal");
    }
}
