//! `cargo xtask`: the one door for people who work on patd or try it.
//!
//! Each task is a module with a `run` function; this file only parses the command line and hands over. It must
//! never hold task logic. To add a task: a module, a variant of [`Task`], an arm in [`dispatch`].
//!
//! Progress goes to standard error, results (paths, addresses, the demo's story) to standard output.

#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "a tool: waits for processes by polling and makes up sample passwords"
)]

mod bench;
mod build;
mod ci;
mod codegen;
mod command;
mod demo;
mod env;
mod failure;
mod fuzz;
mod header;
mod http;
mod interrupt;
mod miri;
mod out;
mod plugins;
mod python;
mod system;
mod template;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// The tasks of people who work on patd or try it.
///
/// Exit codes: 0 done; 1 a step failed and said what; 2 the command line is wrong or asks for what is not built yet.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what is missing, build everything, check formatting, dependencies and lints, run every test.
    Test(test::Args),
    /// What continuous integration runs: `.ci/run`, which is `test` in a target directory of its own.
    ///
    /// That directory is `$CARGO_TARGET_DIR`, or `~/.cache/patd-ci-target`: a run there neither waits for other builds of
    /// this checkout nor leaves anything behind in it.
    Ci,
    /// The whole story over HTTP, from minting to expiry, with every step checked.
    Demo(demo::Args),
    /// A private patd with sample sites and accounts, for scripts and for trying things.
    #[command(subcommand)]
    Env(env::Command),
    /// Write docs/openapi.json, docs/routes.md, docs/problems.md, docs/events.md and the C header of plug-ins from the code.
    Codegen(codegen::Args),
    /// What validate and sign-in cost, against nginx in the same run; writes `<target>/bench/report.md`.
    Bench(bench::Args),
    /// Run the boundary's tests under Miri, which finds undefined behaviour; installs the nightly compiler if it is missing.
    Miri,
    /// Feed what reads strangers' and plug-ins' words with inputs that libFuzzer makes up; installs the nightly compiler if it
    /// is missing.
    Fuzz(fuzz::Args),
    /// Work on the plug-ins.
    #[command(subcommand)]
    Plugins(plugins::Task),
}

fn dispatch(task: Task) -> Result<(), Failure> {
    match task {
        Task::Test(args) => test::run(&args),
        Task::Ci => ci::run(),
        Task::Demo(args) => demo::run(&args),
        Task::Env(command) => env::run(&command),
        Task::Codegen(args) => codegen::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Miri => miri::run(),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Plugins(task) => plugins::run(&task),
    }
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
