//! `patd plugin`.

use std::path::PathBuf;

use clap::Subcommand;
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
    /// Print the line that pins a plug-in file in the config.
    #[command(after_help = "Example:\n  patd plugin pin /usr/lib/patd/plugins/libstore-sql.so")]
    Pin {
        /// The plug-in file.
        file: PathBuf,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::List => context.print(&context.operate(Operation::PluginList)?),
        Command::Pin { file } => {
            let bytes = std::fs::read(&file).map_err(|e| Failure::io("read", &file, e))?;
            let digest: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
            match context.format {
                crate::output::Format::Json => context.print(&json!({"file": file, "sha256": digest})),
                crate::output::Format::Text => crate::output::line(&format!("sha256 = \"{digest}\"")),
            }
        }
    }
    Ok(())
}
