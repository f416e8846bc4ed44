//! `patd site`.

use clap::Subcommand;

use super::Context;
use crate::failure::Failure;
use crate::operate::Operation;

/// Sites.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List all sites, suspended and deleted ones too.
    #[command(after_help = "Example:\n  patd site list --output json")]
    List,
    /// Make a new credential for introspection; the one before stops working. Shown once.
    #[command(after_help = "Example:\n  patd site credential acme --output json")]
    Credential {
        /// Content URL or LUID.
        site: String,
    },
    /// Delete for ever a site that has left the config.
    #[command(after_help = "Example:\n  patd site delete old-site --yes")]
    Delete {
        /// Key in the config, content URL or LUID.
        site: String,
        /// Really.
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let operation = match command {
        Command::List => Operation::SiteList,
        Command::Credential { site } => Operation::SiteCredential { site },
        Command::Delete { site, yes: true } => Operation::SiteDelete { site },
        Command::Delete { site, yes: false } => {
            return Err(Failure::Refused(format!(
                "nothing was done: deleting `{site}` cannot be undone; say --yes if you mean it"
            )));
        }
    };
    let value = context.operate(operation)?;
    context.print(&value);
    Ok(())
}
