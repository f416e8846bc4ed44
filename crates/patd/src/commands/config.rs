//! `patd config`.

use clap::Subcommand;
use patd_config::Config;
use serde_json::json;

use super::Context;
use crate::failure::Failure;
use crate::plugins::Wanted;

/// Looks at the config file.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Read the config file and say every mistake with file, line and key; load the plug-ins that it names and hold their
    /// settings against what each describes. Starts and opens nothing. To be run as the daemon's user with its environment.
    #[command(after_help = "Example:\n  patd --config /etc/patd/patd.toml config check")]
    Check,
}

pub(super) fn run(context: &Context, Command::Check: Command) -> Result<(), Failure> {
    let config = context.config()?;
    plugins(&config)?;
    let unpinned: Vec<_> = config.unpinned().into_iter().map(|u| u.key).collect();
    let sites: Vec<_> = config.sites.keys().map(|name| name.as_str()).collect();
    context.print(&json!({"file": context.config_path, "ok": true, "sites": sites, "unpinned": unpinned}));
    Ok(())
}

/// The plug-ins and their settings. The copies that are loaded go away again: the daemon's folders are not touched.
fn plugins(config: &Config) -> Result<(), Failure> {
    let temporary = std::env::temp_dir();
    let scratch = tempfile::Builder::new()
        .prefix("patd-check-")
        .tempdir()
        .map_err(|e| Failure::io("make a folder in", &temporary, e))?;
    let patience = config.plugins.start_timeout.duration();
    let runtime = crate::serve::runtime()?;
    let wanted =
        runtime.block_on(Wanted::copied_to(scratch.path(), config, &config.server.data_dir, patience));
    // A plug-in's call that hangs must not hold up the end.
    runtime.shutdown_timeout(crate::serve::LEFT_BEHIND);
    wanted.map(drop)
}
