//! `patctl tokens`: mint one's own, list, revoke. Nobody mints for somebody else, so there is no option for it.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, list};
use crate::api::{Method, segment};
use crate::failure::Failure;
use crate::output::Field;

const MINTED: &[Field] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("secret", "/secret"),
    ("created", "/created_at"),
    ("expires", "/expires_at"),
    ("expires unused", "/idle_expires_at"),
];

const OWN: &[Field] = &[
    ("ID", "/id"),
    ("LAST USED", "/last_used_at"),
    ("EXPIRES", "/expires_at"),
    ("UNUSED UNTIL", "/idle_expires_at"),
    ("NAME", "/name"),
];

const OF_ALL: &[Field] = &[
    ("ID", "/id"),
    ("OWNER", "/owner/username"),
    ("LAST USED", "/last_used_at"),
    ("EXPIRES", "/expires_at"),
    ("UNUSED UNTIL", "/idle_expires_at"),
    ("NAME", "/name"),
];

const ENDED: &[Field] = &[
    ("ID", "/id"),
    ("OWNER", "/owner/username"),
    ("LAST USED", "/last_used_at"),
    ("EXPIRES", "/expires_at"),
    ("ENDED", "/ended_at"),
    ("WHY", "/ended_reason"),
    ("NAME", "/name"),
];

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Mint a token of your own; its secret is shown once
    #[command(after_help = "Example:\n  patctl tokens create nightly-build --lifetime-days 90")]
    Create(Create),
    /// List your tokens at this site
    #[command(
        after_help = "Examples:\n  patctl tokens list\n  patctl tokens list --all --ended --output json"
    )]
    List(List),
    /// End a token and its session
    #[command(after_help = "Example:\n  patctl tokens revoke 5b0b2f7e-8f0e-4d55-9b77-0f4e2d0f6a11")]
    Revoke {
        /// The token's id
        #[arg(value_name = "ID")]
        id: String,
    },
    /// End all tokens that a person has at this site
    #[command(
        after_help = "Example:\n  patctl tokens revoke-all --user 0b56cd27-4ac6-4f5f-9c07-1c5ba2d50b3c"
    )]
    RevokeAll {
        /// The person's LUID (see `patctl users list`)
        #[arg(long, value_name = "LUID")]
        user: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// A name that you have not given to another live token at this site
    #[arg(value_name = "NAME")]
    name: String,
    /// Days until it ends even if it is used; the site's limit if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    lifetime_days: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Everybody's tokens (site administrators)
    #[arg(long)]
    all: bool,
    /// Also those that ended in the last 30 days
    #[arg(long)]
    ended: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(crate) fn run(command: Command, context: Context<'_>) -> Result<(), Failure> {
    match command {
        Command::Create(options) => create(&options, context),
        Command::List(options) => show(&options, context),
        Command::Revoke { id } => revoke(&id, context),
        Command::RevokeAll { user } => revoke_all(&user, context),
    }
}

fn create(options: &Create, mut context: Context<'_>) -> Result<(), Failure> {
    let (api, site) = context.site_api()?;
    let mut body = json!({"name": options.name});
    if let Some(days) = options.lifetime_days {
        body["lifetime_days"] = days.into();
    }
    let minted = api.call(Method::Post, &format!("{site}/tokens"), Some(body), &[])?;
    context.output.object(&minted, MINTED)?;
    Ok(context.output.note("keep the secret now: it is never shown again")?)
}

fn show(options: &List, mut context: Context<'_>) -> Result<(), Failure> {
    let (api, site) = context.site_api()?;
    let mut query = Vec::new();
    if options.all {
        query.push(("owner", "all".to_owned()));
    }
    if options.ended {
        query.push(("ended", "true".to_owned()));
    }
    let columns = match (options.all, options.ended) {
        (_, true) => ENDED,
        (true, false) => OF_ALL,
        (false, false) => OWN,
    };
    let page = list(&api, &format!("{site}/tokens"), &query, options.limit)?;
    Ok(context.output.list(&page, columns)?)
}

fn revoke(id: &str, mut context: Context<'_>) -> Result<(), Failure> {
    let (api, site) = context.site_api()?;
    api.call(Method::Delete, &format!("{site}/tokens/{}", segment(id)), None, &[])?;
    Ok(context.output.changed(&format!("revoked token {id} and its session"), &json!({"revoked": id}))?)
}

fn revoke_all(user: &str, mut context: Context<'_>) -> Result<(), Failure> {
    let (api, site) = context.site_api()?;
    let answer = api.call(Method::Delete, &format!("{site}/users/{}/tokens", segment(user)), None, &[])?;
    let done = if answer.is_null() { json!({"revoked_all_of": user}) } else { answer };
    Ok(context
        .output
        .changed(&format!("revoked all tokens of {user} at this site, and their sessions"), &done)?)
}
