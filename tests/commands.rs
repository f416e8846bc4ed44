//! The command lines as people and scripts meet them: every command of `patd`, with a daemon and without one, and every
//! command of `patctl`; JSON that parses, exit codes as documented, refusals that say what to do.

mod audit;
mod backup;
mod copy;
mod dead_letters;
mod doctor;
mod patctl;
mod patd;
mod refusals;
mod stores;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::path_of;

/// A program with what all its commands are given; remembers which commands were run.
struct Program {
    path: PathBuf,
    common: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    leaves: BTreeSet<String>,
    run: BTreeSet<String>,
}

/// How a command ended.
struct Ended {
    line: String,
    code: Option<i32>,
    out: String,
    err: String,
}

impl Program {
    fn new(variable: &str, common: &[&str]) -> Self {
        let path = path_of(variable);
        let mut leaves = BTreeSet::new();
        leaves_of(&path, "", &mut leaves);
        let common = common.iter().map(|&word| word.to_owned()).collect();
        Self { path, common, environment: Vec::new(), leaves, run: BTreeSet::new() }
    }

    /// The command that these words begin with.
    fn leaf_of(&self, words: &[&str]) -> Option<String> {
        (1..=words.len()).map(|n| words[..n].join(" ")).find(|command| self.leaves.contains(command))
    }

    fn command(&mut self, words: &[&str]) -> Command {
        self.run.extend(self.leaf_of(words));
        let mut command = Command::new(&self.path);
        command.args(words).args(&self.common).envs(self.environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command that reads this from its standard input.
    fn run(&mut self, words: &[&str], input: &str) -> Ended {
        let mut child = self.command(words).spawn().expect("the program runs");
        let mut stdin = child.stdin.take().expect("its standard input");
        // A command that reads nothing may end first.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        ended(words, child.wait_with_output().expect("it ends"))
    }

    /// A command that succeeds and prints one JSON value.
    fn json(&mut self, words: &[&str], input: &str) -> Value {
        let mut words = words.to_vec();
        words.extend(["--output", "json"]);
        self.run(&words, input).with_code(0).json()
    }

    /// Every command has been run.
    fn assert_all_run(&self) {
        let missed: Vec<_> = self.leaves.difference(&self.run).collect();
        assert!(missed.is_empty(), "commands that no test runs: {missed:?}");
    }
}

impl Ended {
    fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}: {}{}", self.line, self.err, self.out);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{}: {error}: {}", self.line, self.out))
    }

    /// Its error holds all these.
    fn says(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.err.contains(part), "{}: `{part}` is not in: {}", self.line, self.err);
        }
    }
}

fn ended(words: &[&str], output: Output) -> Ended {
    Ended {
        line: words.join(" "),
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The commands without subcommands, read from the program's own help.
fn leaves_of(program: &Path, prefix: &str, leaves: &mut BTreeSet<String>) {
    let output =
        Command::new(program).args(prefix.split_whitespace()).arg("--help").output().expect("its help");
    assert!(output.status.success(), "{prefix} --help");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    if names.is_empty() {
        assert!(help.contains("Example"), "`{prefix}` shows no example");
        leaves.insert(prefix.trim().to_owned());
    }
    for name in names {
        leaves_of(program, &format!("{prefix} {name}"), leaves);
    }
}

/// The text at a pointer.
fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no text at {pointer} in {value}")).to_owned()
}
