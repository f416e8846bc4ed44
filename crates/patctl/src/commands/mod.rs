//! One file per command: its options and what it does. None of them knows the terminal or the network directly.

pub(crate) mod completions;
pub(crate) mod events;
pub(crate) mod invitation;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod password;
pub(crate) mod profile;
pub(crate) mod revocations;
pub(crate) mod tokens;
pub(crate) mod totp;
pub(crate) mod users;
pub(crate) mod whoami;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::api::{Api, Method, segment};
use crate::cli::{Cli, Command, Common};
use crate::failure::Failure;
use crate::output::Output;
use crate::secret::{Reader, Secret};
use crate::session_file::{Session, SessionFile};

/// Carries out one command line.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let (mut out, mut notes) = (anstream::stdout().lock(), anstream::stderr().lock());
    let output = Output::new(cli.common.output, &mut out, &mut notes);
    if let Command::Completions(options) = &cli.command {
        return completions::run(options, output);
    }
    let context =
        Context { common: cli.common, secrets: Reader::new(), sessions: SessionFile::locate()?, output };
    dispatch(cli.command, context)
}

fn dispatch(command: Command, context: Context<'_>) -> Result<(), Failure> {
    match command {
        Command::Login(options) => login::run(&options, context),
        Command::Logout => logout::run(context),
        Command::Whoami => whoami::run(context),
        Command::Tokens(command) => tokens::run(command, context),
        Command::Users(command) => users::run(command, context),
        Command::Invitation(command) => invitation::run(&command, context),
        Command::Revocations(options) => revocations::run(&options, context),
        Command::Profile(options) => profile::run(&options, context),
        Command::Password(options) => password::run(&options, context),
        Command::Totp(command) => totp::run(&command, context),
        Command::Events(options) => events::run(&options, context),
        Command::Completions(options) => completions::run(&options, context.output),
    }
}

/// What every command works with.
pub(crate) struct Context<'w> {
    pub(crate) common: Common,
    pub(crate) secrets: Reader,
    pub(crate) sessions: SessionFile,
    pub(crate) output: Output<'w>,
}

impl Context<'_> {
    /// The kept session. Never one of another server than the command line names: a credential goes where it came from.
    fn session(&self) -> Result<Session, Failure> {
        let Some(session) = self.sessions.load()? else {
            let what = "you are not signed in; use `patctl login`".to_owned();
            return Err(Failure::Local { what, source: None });
        };
        match &self.common.server {
            Some(named) if *named != session.server => Err(Failure::Usage(format!(
                "you are signed in at {}, not at {named}; use `patctl login --server {named}`",
                session.server
            ))),
            _ => Ok(session),
        }
    }

    /// The server with the kept session.
    pub(crate) fn api(&self) -> Result<Api, Failure> {
        let session = self.session()?;
        Ok(Api::new(session.server, Some(Secret::new(session.credential))))
    }

    /// The server with the kept session, and the path of the site that is meant.
    pub(crate) fn site_api(&self) -> Result<(Api, String), Failure> {
        let session = self.session()?;
        let site = self.common.site.as_ref().unwrap_or(&session.site);
        let path = format!("/v1/sites/{}", segment(site));
        Ok((Api::new(session.server, Some(Secret::new(session.credential))), path))
    }
}

/// The largest page that the server gives.
const PAGE: u32 = 1_000;

/// Gets up to `limit` items of a list, over as many pages as that takes.
pub(crate) fn list(api: &Api, path: &str, query: &[(&str, String)], limit: u32) -> Result<Value, Failure> {
    let mut items: Vec<Value> = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let left = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let mut query = query.to_vec();
        query.push(("limit", left.min(PAGE).to_string()));
        if let Value::String(cursor) = &cursor {
            query.push(("cursor", cursor.clone()));
        }
        let mut page = api.call_with_query(Method::Get, path, &query, None, &[])?;
        let Value::Array(more) = page["items"].take() else {
            return Err(api.unlike_patd("a list without `items`"));
        };
        let stuck = more.is_empty();
        items.extend(more);
        cursor = page["next_cursor"].take();
        let full = items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        if full || stuck || !cursor.is_string() {
            return Ok(json!({"items": items, "next_cursor": cursor}));
        }
    }
}
