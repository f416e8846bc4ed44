//! `patd config`.

use std::path::Path;

use clap::Subcommand;
use patd_config::Config;
use patd_service::schemes::REMEDY;
use serde_json::json;

use super::Context;
use crate::digests;
use crate::facts::Counted;
use crate::failure::Failure;
use crate::plugins::Wanted;

/// Looks at the config file.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Read the config file and say every mistake with file, line and key; load the plug-ins that it names and hold their
    /// settings against what each describes; refuse hashers that could not check stored digests, as a start or reload would.
    /// Changes nothing. Beside a running daemon it asks that one for counts. To be run as the daemon's user with its
    /// environment.
    #[command(
        after_help = "Example:\n  patd --config /etc/patd/patd.toml config check\n\nExit code 1 when stored digests could not be \
                      checked, 2 when the file is wrong. `not_checked` says which digests were not looked at, and why."
    )]
    Check,
}

pub(super) fn run(context: &Context, Command::Check: Command) -> Result<(), Failure> {
    let config = context.config()?;
    let counted = plugins(&config, &context.config_path)?;
    let unpinned: Vec<_> = config.unpinned().into_iter().map(|u| u.key).collect();
    let sites: Vec<_> = config.sites.keys().map(|name| name.as_str()).collect();
    let digests: Vec<_> = counted.digests.iter().map(|one| one.share().to_string()).collect();
    context.print(&json!({
        "file": context.config_path, "ok": true, "sites": sites, "unpinned": unpinned, "digests": digests,
        "not_checked": counted.not_counted,
    }));
    Ok(())
}

/// The plug-ins, their settings, and what stored digests need. The copies that are loaded go away again: the daemon's folders
/// are not touched.
fn plugins(config: &Config, file: &Path) -> Result<Counted, Failure> {
    let temporary = std::env::temp_dir();
    let scratch = tempfile::Builder::new()
        .prefix("patd-check-")
        .tempdir()
        .map_err(|e| Failure::io("make a folder in", &temporary, e))?;
    let patience = config.plugins.start_timeout.duration();
    let runtime = crate::serve::runtime()?;
    let checked = runtime
        .block_on(Wanted::copied_to(scratch.path(), config, &config.server.data_dir, patience))
        .and_then(|wanted| {
            let counted = digests::count(config, &wanted, &runtime)?;
            let judgement = runtime.block_on(digests::hold(config, wanted.hashers, &counted))?;
            Ok((counted, judgement))
        });
    // A plug-in's call that hangs must not hold up the end.
    runtime.shutdown_timeout(crate::serve::LEFT_BEHIND);
    let (mut counted, judgement) = checked?;
    if let Some(refusal) = judgement.refusal() {
        return Err(Failure::Refused(format!("{}: {refusal}: {REMEDY}", file.display())));
    }
    counted.not_counted.extend(judgement.unknown);
    Ok(counted)
}
