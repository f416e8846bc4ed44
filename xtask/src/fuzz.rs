//! `cargo xtask fuzz`: runs the fuzz targets of `tests/fuzz` with libFuzzer. Must never change the seeds: what a run finds
//! worth keeping stays below the target directory, and an input that breaks something is named, to become a seed by hand.
//!
//! Not part of `cargo xtask test`, which runs the same targets over the seeds and thousands of inputs made of them:
//! libFuzzer needs the nightly compiler. What `cargo fuzz` would do for it are the flags below.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::{run as run_command, succeeds};
use crate::failure::{Context, Failure};
use crate::miri::nightly;
use crate::out;
use crate::workspace::Workspace;

/// Counters at every branch and comparison, for libFuzzer; a sanitizer, for the little that is `unsafe`.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address";
/// Longest input, in bytes.
const MAX_LEN: u32 = 16 << 10;
/// One input may take so long, in seconds; none should take a hundredth.
const TIMEOUT: u32 = 10;

/// The command line of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The targets, by their folders below tests/fuzz/corpus; all of them when none is named.
    targets: Vec<String>,
    /// How long each runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let folder = workspace.root.join("tests/fuzz");
    let known = names(&folder.join("corpus"))?;
    if let Some(unknown) = args.targets.iter().find(|target| !known.contains(target)) {
        return Err(Failure::usage(format!("no target is named {unknown}; there are: {}", known.join(", "))));
    }
    let program = build(&workspace, &folder)?;
    let mut broken = Vec::new();
    for target in if args.targets.is_empty() { &known } else { &args.targets } {
        out::step(format_args!("fuzzing {target} for {} s", args.seconds));
        match one(&workspace, &program, &folder, target, args.seconds)? {
            Ok(line) => out::line(line),
            Err(line) => {
                out::line(&line);
                broken.push(target.as_str());
            }
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} broke: mend it and put the input that is named above among the seeds in tests/fuzz/corpus",
        broken.join(", ")
    )))
}

fn names(corpus: &Path) -> Result<Vec<String>, Failure> {
    let entries = fs::read_dir(corpus).context(format_args!("cannot read {}", corpus.display()))?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn build(workspace: &Workspace, folder: &Path) -> Result<PathBuf, Failure> {
    let host = host()?;
    // Of its own: another compiler, and other flags, than everything else.
    let target = workspace.target.join("fuzz");
    out::step("building the fuzz targets with the nightly compiler");
    let mut cargo = nightly();
    cargo.current_dir(folder).env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &target);
    // With a target named, build scripts and macros are spared the flags.
    run_command(cargo.args(["build", "--release", "--bin", "fuzz", "--target", &host]))?;
    Ok(target.join(host).join("release/fuzz"))
}

/// The machine, as the nightly compiler calls it; installs that compiler if it is missing.
fn host() -> Result<String, Failure> {
    let rustc = || {
        let mut rustc = Command::new("rustc");
        rustc.env("RUSTUP_TOOLCHAIN", crate::miri::TOOLCHAIN).arg("-vV");
        rustc
    };
    if !succeeds(&mut rustc()) {
        out::step("installing the nightly compiler");
        let mut rustup = Command::new("rustup");
        run_command(rustup.args(["toolchain", "install", crate::miri::TOOLCHAIN, "--profile", "minimal"]))?;
    }
    let output = rustc().output().context("cannot run the nightly rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("the nightly rustc does not name its host"))
}

/// One target; what it did, in one line.
fn one(
    workspace: &Workspace,
    program: &Path,
    folder: &Path,
    target: &str,
    seconds: u64,
) -> Result<Result<String, String>, Failure> {
    let kept = workspace.target.join("fuzz/kept").join(target);
    fs::create_dir_all(&kept).context(format_args!("cannot make {}", kept.display()))?;
    let finds = workspace.target.join("fuzz/finds");
    fs::create_dir_all(&finds).context(format_args!("cannot make {}", finds.display()))?;
    let mut command = Command::new(program);
    command.env("PATD_FUZZ_TARGET", target).stdin(Stdio::null()).stdout(Stdio::null());
    // The first folder is written to.
    command.arg(&kept).arg(folder.join("corpus").join(target));
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={MAX_LEN}"));
    command.arg(format!("-timeout={TIMEOUT}")).arg("-print_final_stats=1");
    command.arg(format!("-artifact_prefix={}/{target}-", finds.display()));
    let output = command.output().context(format_args!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let stat = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", |line| line.trim_start_matches(':').trim()).to_owned()
    };
    let executions = stat("stat::number_of_executed_units");
    if output.status.success() {
        return Ok(Ok(format!("{target}: {executions} executions in {seconds} s, nothing found")));
    }
    let lines = said.lines().filter(|line| {
        ["panicked at", "ERROR:", "SUMMARY:", "Test unit written"].iter().any(|part| line.contains(part))
    });
    let why: Vec<&str> = lines.collect();
    Ok(Err(format!("{target}: BROKE after {executions} executions\n  {}", why.join("\n  "))))
}
