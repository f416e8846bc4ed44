//! `patd store`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use super::{Context, copy};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::operate::Operation;

/// Stores.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say where each store is and which migrations it has.
    #[command(after_help = "Example:\n  patd store status --output json")]
    Status,
    /// Bring every store to this version's schema. Embedded stores do that whenever they are opened, so beside a running
    /// daemon this only reports.
    #[command(
        after_help = "Example:\n  patd store migrate --output json\n\nExit code 1 when a migration is pending."
    )]
    Migrate,
    /// Write a consistent copy of every store, while the daemon runs or not. Back up patd.key with it. Stores of sites that
    /// have left the config are not opened: `without_sites` names those sites, copy their files by hand.
    #[command(after_help = "Example:\n  patd store backup /var/backups/patd-2026-01-31")]
    Backup {
        /// A folder that does not exist yet.
        folder: PathBuf,
    },
    /// Copy the store of a site, or the directory, into another store of the config, while no daemon runs: all rows, all
    /// events in their order, and how far each sink has come. All or nothing; the copy is read back and compared. The
    /// target must be empty; afterwards the config has to name it. A store that several sites share is copied as a whole.
    #[command(
        after_help = "Examples:\n  patd store copy --site acme --to archive\n  patd store copy --directory --to new-directory --output json"
    )]
    Copy {
        /// The site whose store is copied: its key in the config, content URL or LUID.
        #[arg(long, required_unless_present = "directory", conflicts_with = "directory")]
        site: Option<String>,
        /// Copy the store of sites and people.
        #[arg(long)]
        directory: bool,
        /// The name of the store to copy into, an entry of [stores].
        #[arg(long, value_name = "STORE")]
        to: String,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let operation = match command {
        Command::Status => Operation::StoreStatus,
        Command::Migrate => return migrate(context),
        Command::Copy { site, to, .. } => {
            let what = site.map_or(copy::What::Directory, copy::What::Site);
            return copy::run(context, &what, &to);
        }
        Command::Backup { folder } => {
            let folder = std::path::absolute(&folder).map_err(|e| Failure::io("resolve", &folder, e))?;
            Operation::StoreBackup { folder: folder.display().to_string() }
        }
    };
    let value = context.operate(operation)?;
    context.print(&value);
    Ok(())
}

/// Opening the stores migrates them; what is left is to say what they have now.
fn migrate(context: &Context) -> Result<(), Failure> {
    let connection = Connection::open(&context.config()?)?;
    let by_daemon = connection.is_daemon();
    let status = connection.operate(Operation::StoreStatus);
    connection.close();
    let status = status?;
    context.print(&status);
    left(&status, by_daemon)
}

/// Refuses when a migration is pending.
fn left(status: &Value, by_daemon: bool) -> Result<(), Failure> {
    let stores = status.as_array().map_or(&[][..], Vec::as_slice);
    let pending: Vec<_> = stores
        .iter()
        .filter(|store| store["pending"].as_array().is_some_and(|pending| !pending.is_empty()))
        .filter_map(|store| store["store"].as_str())
        .collect();
    if pending.is_empty() {
        return Ok(());
    }
    let pending = pending.join(", ");
    Err(Failure::Refused(if by_daemon {
        format!("migrations are pending in {pending}: stop the daemon and run this again")
    } else {
        format!("migrations are still pending in {pending}: this store must be migrated by its own means")
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::left;

    #[test]
    fn a_pending_migration_is_refused_with_its_store_and_what_to_do() {
        let done = json!({"store": "directory", "applied": ["m1"], "pending": []});
        assert!(left(&json!([done]), true).is_ok());
        let behind = json!([done, {"store": "sites/x", "applied": [], "pending": ["m1"]}]);
        let text = left(&behind, true).expect_err("pending").to_string();
        assert!(text.contains("sites/x: stop the daemon") && !text.contains("directory"), "{text}");
    }
}
