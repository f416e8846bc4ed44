//! `patd audit dead-letters`: what sinks will never take.

use clap::{Args, Subcommand};

use super::Context;
use crate::failure::Failure;
use crate::operate::{DeadLettersVerb, Operation};

/// What to do with dead letters.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show them: store, position, event, reason and time.
    #[command(after_help = "Example:\n  patd audit dead-letters list --sink hook --output json")]
    List(Which),
    /// Deliver them again, in the order of their positions; newer events may come before or between. What the sink takes is
    /// a dead letter no more; what it rejects again stays.
    #[command(
        after_help = "Example:\n  patd audit dead-letters replay --sink hook\n\nExit code 1 when letters are left."
    )]
    Replay(Which),
    /// Give them up: this sink never gets them. The events stay in the store.
    #[command(after_help = "Example:\n  patd audit dead-letters drop --sink hook --site acme")]
    Drop(Which),
}

/// Whose dead letters.
#[derive(Args)]
pub(crate) struct Which {
    /// The sink's name in the config.
    #[arg(long)]
    sink: String,
    /// Only those of this site: its key in the config, content URL or LUID; `directory` for what is of no site.
    #[arg(long)]
    site: Option<String>,
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let (verb, which) = match command {
        Command::List(which) => (DeadLettersVerb::List, which),
        Command::Replay(which) => (DeadLettersVerb::Replay, which),
        Command::Drop(which) => (DeadLettersVerb::Drop, which),
    };
    let Which { sink, site } = which;
    let value = context.operate(Operation::DeadLetters { verb, sink, site })?;
    context.print(&value);
    if verb != DeadLettersVerb::Replay || (value["failed"].is_null() && value["rejected"] == 0) {
        return Ok(());
    }
    Err(Failure::Refused(match value["failed"].as_str() {
        Some(why) => format!("the replay ended early: {why}; the letters that are left stay"),
        None => format!("the sink rejects {} letters again; they stay", value["rejected"]),
    }))
}
