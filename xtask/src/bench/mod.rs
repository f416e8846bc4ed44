//! `cargo xtask bench`: what patd costs, as ratios against peers measured side by side in the same run.
//!
//! Peers are nginx and a bare `axum::serve`; the store, the plug-in boundary and the sinks are measured without a daemon. A
//! private environment of its own (`<target>/bench/env`, wiped at the start), server pinned to one core and load to another,
//! rounds interleaved with the peer's, medians. It must never fail because a figure is poor: figures of a busy machine are for
//! people to judge, and the report says how busy it was.

mod bare;
mod boundary;
mod cpu;
mod load;
mod nginx;
mod program;
mod report;
mod signin;
mod sinks;
mod store;
mod validate;

use std::fs;

use program::Programs;

use crate::env::{Folder, plan, up};
use crate::failure::{Context, Failure};
use crate::workspace::{Profile, Workspace};
use crate::{out, system};

/// The command line of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds per figure; medians want at least five.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds per round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Build without optimisation, to work on this task itself: the figures mean nothing.
    #[arg(long, hide = true)]
    debug: bool,
}

impl Args {
    fn profile(&self) -> Profile {
        Profile::from_release(!self.debug)
    }
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    system::ensure_for_bench()?;
    let workspace = Workspace::find()?;
    let root = workspace.target.join("bench");
    let folder = Folder::new(root.join("env"));
    folder.create()?;
    // Held to the end: two benches at once would measure each other.
    let _lock = folder.lock()?;
    if let Some(left_over) = folder.process() {
        left_over.stop()?;
    }
    folder.clear()?;
    folder.create()?;

    let programs = Programs::build(&workspace, args.profile())?;
    let running = up(&workspace, args.profile(), &folder, &plan::BENCH)?;
    let measured = measure(args, &folder, &running.state, running.process.pid, &programs);
    running.process.stop()?;
    folder.forget_process()?;
    let mut measured = measured?;
    store::measure(args, &folder, &programs, &mut measured)?;
    boundary::measure(&folder, &programs, &mut measured)?;
    sinks::measure(args, &folder, &programs, &mut measured)?;

    let text = report::text(&report::Machine::look(args), &measured);
    let path = root.join("report.md");
    fs::write(&path, &text).context(format_args!("cannot write {}", path.display()))?;
    out::line(text);
    out::good(format_args!("written to {}", path.display()));
    Ok(())
}

fn measure(
    args: &Args,
    folder: &Folder,
    state: &crate::env::state::State,
    pid: u32,
    programs: &Programs,
) -> Result<report::Figures, Failure> {
    let cores = cpu::Cores::choose()?;
    cores.pin_server(pid)?;
    let load = load::Load { folder, cores, seconds: args.seconds };
    let nginx = nginx::Nginx::start(folder, cores)?;
    let bare = bare::Bare::start(&programs.path("bare"), cores)?;
    let tokens = signin::mint(state)?;

    let rss_before = cpu::rss_kib(pid)?;
    let mut figures = report::Figures { rss_before, ..report::Figures::default() };
    let verify = validate::Target::sign_in(state)?;
    for round in 1..=args.rounds {
        out::step(format_args!("round {round} of {}", args.rounds));
        figures.nginx.push(load.measure(nginx.pid(), &verify.peer(&nginx.url(), "nginx"))?);
        figures.bare.push(load.measure(bare.pid(), &verify.peer(&bare.url(), "axum"))?);
        figures.validate.push(load.measure(pid, &verify.request(state))?);
        for (in_flight, rounds) in [(16, &mut figures.sign_in_16), (64, &mut figures.sign_in_64)] {
            rounds.push(load.measure(pid, &signin::request(state, &tokens, in_flight))?);
        }
    }
    figures.rss_after = cpu::rss_kib(pid)?;
    Ok(figures)
}
