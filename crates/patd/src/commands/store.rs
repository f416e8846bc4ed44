//! `patd store`.

use std::path::PathBuf;

use clap::Subcommand;

use super::Context;
use crate::failure::Failure;
use crate::operate::Operation;

/// Stores.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say where each store is and which migrations it has.
    #[command(after_help = "Example:\n  patd store status --output json")]
    Status,
    /// Write a consistent copy of every store, while the daemon runs or not. Back up patd.key with it.
    #[command(after_help = "Example:\n  patd store backup /var/backups/patd-2026-01-31")]
    Backup {
        /// A folder that does not exist yet.
        folder: PathBuf,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let operation = match command {
        Command::Status => Operation::StoreStatus,
        Command::Backup { folder } => {
            let folder = std::path::absolute(&folder).map_err(|e| Failure::io("resolve", &folder, e))?;
            Operation::StoreBackup { folder: folder.display().to_string() }
        }
    };
    let value = context.operate(operation)?;
    context.print(&value);
    Ok(())
}
