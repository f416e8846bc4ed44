//! `patctl profile`: shows or changes one's own name, address and what comes by mail. There is no way to change somebody else's.

use clap::Args;
use serde_json::{Value, json};

use super::Context;
use crate::api::Method;
use crate::failure::Failure;
use crate::output::Field;

const EXAMPLES: &str = "\
Examples:
  patctl profile --full-name Ada --email ada@example.com
  patctl profile --username ada
  patctl profile --notice token_minted=off --notice token_expires=on
  patctl profile

Without an option it shows the profile. Changing it needs an interactive session (`patctl login --username NAME`).";

const FIELDS: &[Field] = &[
    ("luid", "/luid"),
    ("username", "/username"),
    ("full name", "/full_name"),
    ("e-mail", "/email"),
    ("token_minted", "/notices/token_minted"),
    ("token_revoked", "/notices/token_revoked"),
    ("token_expires", "/notices/token_expires"),
    ("new_network", "/notices/new_network"),
    ("inventory", "/notices/inventory"),
];

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Your name for people
    #[arg(long, value_name = "NAME")]
    full_name: Option<String>,
    /// Your e-mail address; empty for none
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The user name that you sign in with, at every site
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// A notice that is to come by mail or not: token_minted, token_revoked, token_expires, new_network, inventory. That a
    /// token leaked is told in any case
    #[arg(long = "notice", value_name = "NAME=on|off", value_parser = notice)]
    notices: Vec<(String, bool)>,
}

fn notice(text: &str) -> Result<(String, bool), String> {
    match text.split_once('=') {
        Some((name, "on")) => Ok((name.to_owned(), true)),
        Some((name, "off")) => Ok((name.to_owned(), false)),
        _ => Err("write NAME=on or NAME=off".to_owned()),
    }
}

pub(crate) fn run(options: &Options, mut context: Context<'_>) -> Result<(), Failure> {
    let api = context.api()?;
    let mut body = json!({});
    let members =
        [("full_name", &options.full_name), ("email", &options.email), ("username", &options.username)];
    for (name, value) in members {
        if let Some(value) = value {
            body[name] = Value::from(value.as_str());
        }
    }
    for (name, wanted) in &options.notices {
        body["notices"][name] = Value::from(*wanted);
    }
    if body == json!({}) {
        let me = api.call(Method::Get, "/v1/me", None, &[])?;
        return Ok(context.output.object(&me, FIELDS)?);
    }
    let changed = api.call(Method::Patch, "/v1/me", Some(body), &[])?;
    if let (Some(username), Some(session)) = (changed["username"].as_str(), context.sessions.load()?) {
        context.sessions.save(&crate::session_file::Session { username: username.to_owned(), ..session })?;
    }
    Ok(context.output.object(&changed, FIELDS)?)
}
