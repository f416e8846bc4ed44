//! One round of load by wrk, and what the server spent on it.

use std::process::Stdio;
use std::time::Duration;

use super::cpu::{self, Cores};
use crate::env::Folder;
use crate::failure::{Context, Failure};

/// What wrk is told to send; the script holds credentials, so it lies in the environment's private folder.
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) connections: u32,
    pub(crate) script: String,
    /// Names the script's file.
    pub(crate) name: &'static str,
}

/// What one round gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) per_second: f64,
    pub(crate) cpu_micros: f64,
    /// Answers that were not 2xx or 3xx, and connections that broke: the round is worth nothing where there are any.
    pub(crate) errors: u64,
}

/// How rounds are run.
pub(crate) struct Load<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) cores: Cores,
    pub(crate) seconds: u32,
}

impl Load<'_> {
    /// One round against the server with this pid.
    pub(crate) fn measure(&self, pid: u32, request: &Request) -> Result<Round, Failure> {
        let script = self.folder.path().join(format!("{}.lua", request.name));
        crate::env::write_private(&script, request.script.as_bytes())?;
        let mut wrk = self.cores.load("wrk");
        wrk.args(["--threads", "1", "--connections", &request.connections.to_string()]);
        wrk.args(["--duration", &format!("{}s", self.seconds), "--script"]).arg(&script).arg(&request.url);
        let before = cpu::time(pid)?;
        let output = wrk.stdin(Stdio::null()).output().context("cannot run wrk")?;
        let spent = cpu::time(pid)?.saturating_sub(before);
        let text = String::from_utf8_lossy(&output.stdout);
        parse(&text, spent).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            Failure::new(format!("wrk on {} ended with {}: {text}{errors}", request.url, output.status))
        })
    }
}

fn parse(text: &str, cpu: Duration) -> Option<Round> {
    let mut requests: Option<f64> = None;
    let mut per_second = None;
    let mut errors = 0;
    for line in text.lines().map(str::trim) {
        if let Some((count, _)) = line.split_once(" requests in ") {
            requests = count.parse().ok();
        } else if let Some(rate) = line.strip_prefix("Requests/sec:") {
            per_second = rate.trim().parse().ok();
        } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses:") {
            errors += count.trim().parse::<u64>().ok()?;
        } else if let Some(counts) = line.strip_prefix("Socket errors:") {
            let numbers = counts.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
            errors += numbers.sum::<u64>();
        }
    }
    let requests = requests.filter(|count| *count > 0.0)?;
    Some(Round { per_second: per_second?, cpu_micros: cpu.as_secs_f64() * 1e6 / requests, errors })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse;

    #[test]
    fn wrks_summary_is_read_with_its_errors() {
        let text = "  1000 requests in 2.00s, 1.00MB read\n  Socket errors: connect 0, read 1, write 0, timeout 2\n  \
                    Non-2xx or 3xx responses: 4\nRequests/sec:    500.25\n";
        let round = parse(text, Duration::from_millis(10)).expect("a round");
        assert_eq!(round.errors, 7);
        assert!((round.per_second - 500.25).abs() < 1e-9 && (round.cpu_micros - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_round_without_an_answer_is_none() {
        assert!(parse("  0 requests in 2.00s, 0.00B read\nRequests/sec: 0.00\n", Duration::ZERO).is_none());
    }
}
