//! `patctl events`: the site's audit events, newest first, for its administrators.

use clap::Args;

use super::{Context, list};
use crate::failure::Failure;
use crate::output::Field;

const EXAMPLES: &str = "Examples:\n  patctl events --limit 20\n  patctl events --output json";

const COLUMNS: &[Field] = &[
    ("TIME", "/time"),
    ("TYPE", "/type"),
    ("BY", "/data/actor/username"),
    ("ADDRESS", "/data/address"),
    ("TOKEN", "/data/token_id"),
    ("REASON", "/data/reason"),
    ("SUBJECT", "/subject"),
];

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(crate) fn run(options: &Options, mut context: Context<'_>) -> Result<(), Failure> {
    let (api, site) = context.site_api()?;
    let page = list(&api, &format!("{site}/events"), &[], options.limit)?;
    Ok(context.output.list(&page, COLUMNS)?)
}
