//! `cargo xtask demo`: a fresh environment and the whole story of a token, each step checked.
//!
//! It uses a folder of its own (`<target>/demo`, wiped at the start) and never touches `env`'s.

mod evidence;
mod story;

use crate::env::{Folder, plan, up};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::out;
use crate::workspace::{Profile, Workspace};

/// The command line of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Stop after the story instead of running on until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Build with optimisation.
    #[arg(long)]
    release: bool,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let folder = Folder::new(workspace.target.join("demo"));
    let mut interrupt = Interrupt::listen()?;
    folder.create()?;
    // Held to the end: two demos at once would wipe each other's data.
    let _lock = folder.lock()?;
    if let Some(left_over) = folder.process() {
        left_over.stop()?;
    }
    folder.clear()?;
    folder.create()?;

    let running = up(&workspace, Profile::from_release(args.release), &folder, &plan::DEMO)?;
    let told = story::tell(&running.state, &folder, &mut interrupt).and_then(|()| {
        if args.once {
            return Ok(());
        }
        out::line("");
        for text in running.state.summary() {
            out::line(text);
        }
        out::good("the daemon runs on with these accounts; Ctrl-C stops it");
        if interrupt.wait_while(|| running.process.is_alive()) {
            return Ok(());
        }
        Err(Failure::new(format!("patd ended by itself; the end of its log:\n{}", folder.log_tail())))
    });
    running.process.stop()?;
    folder.forget_process()?;
    told
}
