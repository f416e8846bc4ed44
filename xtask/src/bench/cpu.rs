//! What the kernel knows of a process (CPU time, memory), and which core it may run on.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::command::run;
use crate::failure::{Context, Failure};

/// The unit of times in `/proc/<pid>/stat`: always a hundredth of a second for programs on Linux.
const TICK: Duration = Duration::from_millis(10);

/// One core for whichever server is measured, another for the load; the same one where there is only one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    server: usize,
    load: usize,
}

impl Cores {
    /// The first two.
    pub(crate) fn choose() -> Result<Self, Failure> {
        let count = std::thread::available_parallelism().context("cannot count the cores")?.get();
        Ok(Self { server: 0, load: usize::from(count > 1) })
    }

    /// Moves every thread of a running server to its core.
    pub(crate) fn pin_server(self, pid: u32) -> Result<(), Failure> {
        run(Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid"])
            .args([self.server.to_string(), pid.to_string()])
            .stdout(std::process::Stdio::null()))
    }

    /// A command that starts on the server's core.
    pub(crate) fn server(self, program: &str) -> Command {
        on(self.server, program)
    }

    /// A command that starts on the load's core.
    pub(crate) fn load(self, program: &str) -> Command {
        on(self.load, program)
    }
}

fn on(core: usize, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string(), program]);
    command
}

/// User and system time of all threads of a process so far.
pub(crate) fn time(pid: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).context(&path)?;
    ticks(&stat).map(|ticks| TICK * ticks).ok_or_else(|| Failure::new(format!("{path} has no CPU times")))
}

/// Fields are counted from the last parenthesis: the command name before it may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    user.checked_add(system)
}

/// Resident memory of a process in KiB.
pub(crate) fn rss_kib(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).context(&path)?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Failure::new(format!("{path} has no VmRSS")))
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn user_and_system_time_are_added_up() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 50 6 7 8 20 0 1 0 4711 9 9";
        assert_eq!(ticks(stat), Some(56));
    }
}
