//! `patd plugin`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use patd_plugin_host::{probe, trial};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Context;
use crate::failure::Failure;
use crate::operate::Operation;

/// Plug-ins.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the plug-ins in use, with the digest of what runs.
    #[command(after_help = "Example:\n  patd plugin list --output json")]
    List,
    /// Print the line that pins a plug-in file in the config. What the daemon would refuse it for is said on standard error.
    #[command(after_help = "Example:\n  patd plugin pin /usr/lib/patd/plugins/libstore-sql.so")]
    Pin {
        /// The plug-in file.
        file: PathBuf,
    },
    /// Open a library, for the daemon that must not be harmed by it.
    #[command(hide = true)]
    Open {
        /// The library.
        file: PathBuf,
    },
    /// Examine a plug-in file: whether it keeps what the ABI promises. Each case runs in a process of its own.
    ///
    /// `--config` names a file with the plug-in's own configuration (TOML or JSON); without it the plug-in's example
    /// is used, its places moved into a temporary folder.
    #[command(
        after_help = "Examples:\n  patd plugin check ./libhasher-x.so\n  patd plugin check ./libstore-x.so --config store.toml --include '^store' --only-failed\n\nExit code 1 when a case failed or crashed."
    )]
    Check(patd_conformance::Arguments),
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::List => context.print(&context.operate(Operation::PluginList)?),
        Command::Pin { file } => {
            let bytes = std::fs::read(&file).map_err(|e| Failure::io("read", &file, e))?;
            let digest: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
            let doubt = doubt(&file);
            if let Some(doubt) = &doubt {
                crate::output::progress(&format!("warning: the daemon would refuse this file: {doubt}"));
            }
            match context.format {
                crate::output::Format::Json => {
                    context.print(&json!({"file": file, "sha256": digest, "warning": doubt}));
                }
                crate::output::Format::Text => crate::output::line(&format!("sha256 = \"{digest}\"")),
            }
        }
        Command::Open { file } => {
            // Why not, the daemon finds out for itself.
            let _opened = probe::Library::open(&file);
            crate::output::line(trial::OVER);
        }
        Command::Check(arguments) => return check(context, &arguments),
    }
    Ok(())
}

/// Why the daemon would not take the file whatever its pin, if that shows already.
fn doubt(file: &Path) -> Option<String> {
    let absolute = std::path::absolute(file).ok()?;
    let whole =
        probe::whole_file(&absolute).map_err(|found| format!("expected a whole library, found {found}"));
    whole.and_then(|()| probe::safe_file(&absolute)?).err()
}

fn check(context: &Context, arguments: &patd_conformance::Arguments) -> Result<(), Failure> {
    let format = match context.format {
        crate::output::Format::Json => patd_conformance::Format::Json,
        crate::output::Format::Text => patd_conformance::Format::Text,
    };
    // The daemon's own config file is of no use here: only one that was named counts.
    let config = context.config_named.then_some(context.config_path.as_path());
    match arguments.run(config, format, &["plugin", "check"]) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Refused("the plug-in does not keep what the ABI promises".to_owned())),
        Err(error) => Err(Failure::Start(error.to_string())),
    }
}
