//! `patd user`. Nobody sets another person's password: `add` and `recover` print a one-time invitation.

use clap::Subcommand;

use super::Context;
use crate::failure::Failure;
use crate::operate::Operation;

/// People.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Invite a person to a site; prints a one-time link.
    #[command(after_help = "Example:\n  patd user add ann --site acme --role SiteAdministratorCreator")]
    Add {
        /// User name.
        username: String,
        /// Content URL or LUID.
        #[arg(long)]
        site: String,
        /// Site role.
        #[arg(long)]
        role: String,
    },
    /// Let a person who lost password or one-time codes start again; prints a one-time link.
    #[command(after_help = "Example:\n  patd user recover ann")]
    Recover {
        /// User name.
        username: String,
    },
    /// Disable a person everywhere: every session and every token of theirs ends at once.
    #[command(after_help = "Example:\n  patd user disable ann")]
    Disable {
        /// User name.
        username: String,
    },
    /// Enable a person again; what ended stays ended.
    #[command(after_help = "Example:\n  patd user enable ann")]
    Enable {
        /// User name.
        username: String,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let operation = match command {
        Command::Add { username, site, role } => Operation::UserAdd { username, site, role },
        Command::Recover { username } => Operation::UserRecover { username },
        Command::Disable { username } => Operation::UserSetDisabled { username, disabled: true },
        Command::Enable { username } => Operation::UserSetDisabled { username, disabled: false },
    };
    let value = context.operate(operation)?;
    context.print(&value);
    Ok(())
}
