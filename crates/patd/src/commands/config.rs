//! `patd config`.

use clap::Subcommand;
use serde_json::json;

use super::Context;
use crate::failure::Failure;

/// Looks at the config file.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Read the config file and say every mistake with file, line and key.
    #[command(after_help = "Example:\n  patd --config /etc/patd/patd.toml config check")]
    Check,
}

pub(super) fn run(context: &Context, Command::Check: Command) -> Result<(), Failure> {
    let config = context.config()?;
    let unpinned: Vec<_> = config.unpinned().into_iter().map(|u| u.key).collect();
    let sites: Vec<_> = config.sites.keys().map(|name| name.as_str()).collect();
    context.print(&json!({"file": context.config_path, "ok": true, "sites": sites, "unpinned": unpinned}));
    Ok(())
}
