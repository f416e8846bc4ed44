//! `patctl revocations`: ends everything at home in a site that was minted before a time, for its administrators.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::api::Method;
use crate::failure::Failure;
use crate::output::Field;

const EXAMPLES: &str = "\
Examples:
  patctl revocations --issued-before 2026-01-31T12:00:00Z --dry-run
  patctl revocations --issued-before 2026-01-31T12:00:00Z

Tokens minted later go on. What was ended cannot be taken back.";

const FIELDS: &[Field] = &[
    ("issued before", "/issued_before"),
    ("tokens", "/tokens"),
    ("sessions", "/sessions"),
    ("dry run", "/dry_run"),
];

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Everything minted before this time (RFC 3339, not in the future)
    #[arg(long, value_name = "TIME")]
    issued_before: String,
    /// Only say how much it would end
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(options: &Options, mut context: Context<'_>) -> Result<(), Failure> {
    let (api, site) = context.site_api()?;
    let body = json!({"issued_before": options.issued_before, "dry_run": options.dry_run});
    let done = api.call(Method::Post, &format!("{site}/revocations"), Some(body), &[])?;
    context.output.object(&done, FIELDS)?;
    let what =
        if options.dry_run { "nothing was ended" } else { "ended all of these tokens and their sessions" };
    Ok(context.output.note(what)?)
}
