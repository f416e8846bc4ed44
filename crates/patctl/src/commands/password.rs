//! `patctl password`: changes one's own password. There is no way to change somebody else's.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Context;
use crate::api::Method;
use crate::failure::Failure;
use crate::secret::Source;

const EXAMPLES: &str = "\
Examples:
  patctl password
  patctl password --stdin < two-lines
  patctl password --current-password-file old --new-password-file new

Needs an interactive session (`patctl login --username NAME`). Tokens go on working.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Read the current and the new password from standard input, a line each
    #[arg(long, conflicts_with_all = ["current_password_file", "new_password_file"])]
    stdin: bool,
    /// Read the current password from a file's first line
    #[arg(long, value_name = "FILE")]
    current_password_file: Option<PathBuf>,
    /// Read the new password from a file's first line
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, mut context: Context<'_>) -> Result<(), Failure> {
    let api = context.api()?;
    let source = Source::of(options.stdin, options.current_password_file.as_ref(), "Current password: ");
    let current = context.secrets.read(source, "current password")?;
    let source = Source::of(options.stdin, options.new_password_file.as_ref(), "New password: ");
    let new = context.secrets.read_new_password(source)?;
    let body = json!({"current_password": current.expose(), "new_password": new.expose()});
    api.call(Method::Post, "/v1/me/password", Some(body), &[&current, &new])?;
    Ok(context.output.changed("changed your password", &json!({"password_changed": true}))?)
}
