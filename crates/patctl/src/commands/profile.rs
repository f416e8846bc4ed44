//! `patctl profile`: changes one's own name and address. There is no way to change somebody else's.

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::Context;
use crate::api::Method;
use crate::failure::Failure;
use crate::output::Field;

const EXAMPLES: &str = "\
Examples:
  patctl profile --full-name Ada --email ada@example.com
  patctl profile --username ada

Needs an interactive session (`patctl login --username NAME`).";

const FIELDS: &[Field] =
    &[("luid", "/luid"), ("username", "/username"), ("full name", "/full_name"), ("e-mail", "/email")];

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("what").required(true).multiple(true).args(["full_name", "email", "username"]))]
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
    let changed = api.call(Method::Patch, "/v1/me", Some(body), &[])?;
    if let (Some(username), Some(session)) = (changed["username"].as_str(), context.sessions.load()?) {
        context.sessions.save(&crate::session_file::Session { username: username.to_owned(), ..session })?;
    }
    Ok(context.output.object(&changed, FIELDS)?)
}
