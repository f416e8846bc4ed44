//! `cargo xtask env`: a private patd in `<target>/env` with sample sites and accounts.
//!
//! Safe to repeat: what is there stays, what is missing is added. It stops only processes that it started, which it
//! knows by pid, start time and boot. `env.json` is the contract with scripts and other projects' tests.

mod bootstrap;
mod catcher;
pub(crate) mod catchers;
mod config;
pub(crate) mod daemon;
mod folder;
pub(crate) mod plan;
mod runner;
pub(crate) mod state;

use clap::{Subcommand, ValueEnum};

pub(crate) use self::bootstrap::interactive_session;
pub(crate) use self::folder::{Folder, write_private};
pub(crate) use self::runner::up;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::out;
use crate::workspace::{Profile, Workspace};

/// Tasks on the environment.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build, start what is not running, add what is missing; runs until Ctrl-C unless detached.
    Up {
        /// What holds the rows.
        #[arg(long, value_enum, default_value_t = Store::Sqlite)]
        store: Store,
        /// How many daemons share the store.
        #[arg(long, default_value_t = 1)]
        daemons: u32,
        /// Build with optimisation.
        #[arg(long)]
        release: bool,
        /// Return as soon as it is ready; `env down` stops it.
        #[arg(long)]
        detach: bool,
    },
    /// Say what runs and where; exit code 1 when nothing does.
    Status,
    /// Stop what `env up` started; data stay.
    Down,
    /// Stop it and delete all its data.
    Reset,
    /// Take mails and webhooks; `env up` starts it.
    #[command(hide = true)]
    Catch(catcher::Args),
}

/// A back end of the store plug-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// Files in the data folder.
    Sqlite,
    /// A private PostgreSQL cluster.
    Postgres,
    /// A private MariaDB server.
    Mysql,
}

/// Runs the task.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match *command {
        Command::Catch(ref args) => catcher::serve(args),
        Command::Up { store, daemons, release, detach } => {
            refuse_what_is_not_built_yet(store, daemons)?;
            run_up(Profile::from_release(release), detach)
        }
        Command::Status => status(),
        Command::Down => {
            let folder = folder()?;
            if !folder.exists() {
                out::good("nothing is running");
                return Ok(());
            }
            let _lock = folder.lock()?;
            stop_and_say(&folder)
        }
        Command::Reset => {
            let folder = folder()?;
            if folder.exists() {
                let _lock = folder.lock()?;
                stop_and_say(&folder)?;
                folder.clear()?;
            }
            out::good(format_args!("{} holds nothing any more", folder.path().display()));
            Ok(())
        }
    }
}

fn refuse_what_is_not_built_yet(store: Store, daemons: u32) -> Result<(), Failure> {
    if store != Store::Sqlite {
        return Err(Failure::usage(
            "--store postgres and --store mysql are not built yet; use --store sqlite",
        ));
    }
    if daemons != 1 {
        return Err(Failure::usage("more than one daemon is not built yet; use --daemons 1"));
    }
    Ok(())
}

fn folder() -> Result<Folder, Failure> {
    Ok(Folder::new(Workspace::find()?.target.join("env")))
}

fn run_up(profile: Profile, detach: bool) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let folder = Folder::new(workspace.target.join("env"));
    let mut interrupt = Interrupt::listen()?;
    let up = {
        folder.create()?;
        let _lock = folder.lock()?;
        up(&workspace, profile, &folder, &plan::SAMPLE)?
    };
    for text in up.state.summary() {
        out::line(text);
    }
    out::line(format_args!("env.json    {}", folder.env_json().display()));
    if !up.started {
        out::good("was running already and stays so; `cargo xtask env down` stops it");
        return Ok(());
    }
    if detach {
        out::good("running detached; `cargo xtask env down` stops it");
        return Ok(());
    }
    out::good("running; Ctrl-C stops it");
    let asked = interrupt.wait_while(|| up.process.is_alive());
    let _lock = folder.lock()?;
    if asked || folder.process().is_none() {
        // Ctrl-C here or `env down` elsewhere: both are how it is meant to end.
        return stop_and_say(&folder);
    }
    Err(Failure::new(format!("patd ended by itself; the end of its log:\n{}", folder.log_tail())))
}

fn stop_and_say(folder: &Folder) -> Result<(), Failure> {
    match folder.process() {
        Some(process) if process.is_alive() => {
            process.stop()?;
            out::good(format_args!("stopped patd (pid {})", process.pid));
        }
        _ => out::good("nothing is running"),
    }
    // Last: the daemon delivers once more when it ends.
    catchers::stop(folder)?;
    folder.forget_process()
}

fn status() -> Result<(), Failure> {
    let folder = folder()?;
    let state = folder.load_state()?;
    let running = folder.process().filter(daemon::Process::is_alive);
    if let Some(state) = &state {
        for text in state.summary() {
            out::line(text);
        }
        out::line(format_args!("env.json    {}", folder.env_json().display()));
    }
    match running {
        Some(process) => {
            out::good(format_args!("patd runs (pid {})", process.pid));
            Ok(())
        }
        None if state.is_some() => Err(Failure::new(
            "patd is not running; its data are there and `cargo xtask env up` starts it again",
        )),
        None => Err(Failure::new("there is no environment yet; `cargo xtask env up` makes one")),
    }
}
