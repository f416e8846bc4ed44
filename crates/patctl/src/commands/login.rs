//! `patctl login`: opens a session and keeps it.
//!
//! With a user name it opens an *interactive* session, which may mint tokens; with a token one that may not.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::Context;
use crate::api::{Api, Method};
use crate::failure::Failure;
use crate::output::Field;
use crate::secret::{Secret, Source};
use crate::session_file::Session;

const EXAMPLES: &str = "\
Examples:
  patctl login --server https://pat.example.com --site acme --username ada
  patctl login --server https://pat.example.com --site acme --username ada --password-stdin --totp-stdin < two-lines
  patctl login --server https://pat.example.com --site acme --token-stdin < token-file
  patctl login --server https://pat.example.com --site acme --token-name nightly --token-file token-file

The session is kept in $XDG_CONFIG_HOME/patctl/session.json, readable by you alone.";

/// Fields of an opened session.
const FIELDS: &[Field] = &[
    ("user", "/user/username"),
    ("role", "/user/site_role"),
    ("site", "/site/content_url"),
    ("session", "/session/id"),
    ("kind", "/session/kind"),
    ("until", "/session/expires_at"),
    ("token", "/token/name"),
    ("ended session", "/superseded/session_id"),
];

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("who").required(true).args(["username", "token_stdin", "token_file"]))]
pub(crate) struct Options {
    /// Sign in as this person, with a password
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long, requires = "username", conflicts_with = "password_file")]
    password_stdin: bool,
    /// Read the password from a file's first line
    #[arg(long, requires = "username", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read the one-time code from standard input, from the line after the password if that is there too
    #[arg(long, requires = "username")]
    totp_stdin: bool,
    /// Sign in with a token: read its secret from standard input
    #[arg(long)]
    token_stdin: bool,
    /// Sign in with a token: read its secret from a file's first line
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The token's name, to be refused if the secret is that of another
    #[arg(long, value_name = "NAME", conflicts_with = "username")]
    token_name: Option<String>,
}

pub(crate) fn run(options: &Options, mut context: Context<'_>) -> Result<(), Failure> {
    let missing = |what: &str, name: &str| Failure::Usage(format!("name the {what}: --{what} or {name}"));
    let server = context.common.server.clone().ok_or_else(|| missing("server", "PATCTL_SERVER"))?;
    let site = context.common.site.clone().ok_or_else(|| missing("site", "PATCTL_SITE"))?;
    if crosses_the_net_in_clear(&server) {
        context
            .output
            .note("warning: the address begins with http://, so what you type can be read on its way")?;
    }
    let api = Api::new(server.clone(), None);
    let opened = match &options.username {
        Some(username) => with_password(options, &mut context, &api, &site, username)?,
        None => {
            let source = Source::of(options.token_stdin, options.token_file.as_ref(), "Token: ");
            let token = context.secrets.read(source, "token")?;
            let mut body = json!({"site": site, "token_secret": token.expose()});
            if let Some(name) = &options.token_name {
                body["token_name"] = Value::from(name.as_str());
            }
            api.call(Method::Post, "/v1/sessions", Some(body), &[&token])?
        }
    };
    keep(&context, &api, server, &opened)?;
    // The credential is kept in the file and shown nowhere.
    let mut shown = opened;
    shown.as_object_mut().map(|members| members.remove("credential"));
    context.output.object(&shown, FIELDS)?;
    Ok(context.output.note(&format!("the session is kept in {}", context.sessions.path().display()))?)
}

fn with_password(
    options: &Options,
    context: &mut Context<'_>,
    api: &Api,
    site: &str,
    username: &str,
) -> Result<Value, Failure> {
    let source = Source::of(options.password_stdin, options.password_file.as_ref(), "Password: ");
    let password = context.secrets.read(source, "password")?;
    let code =
        options.totp_stdin.then(|| context.secrets.read(Source::Stdin, "one-time code")).transpose()?;
    match sign_in(api, site, username, &password, code.as_ref()) {
        Err(Failure::Refused(problem))
            if problem.name == "totp-required" && code.is_none() && context.secrets.has_terminal() =>
        {
            let code = context.secrets.read(Source::Terminal("One-time code: "), "one-time code")?;
            sign_in(api, site, username, &password, Some(&code))
        }
        other => other,
    }
}

fn sign_in(
    api: &Api,
    site: &str,
    username: &str,
    password: &Secret,
    code: Option<&Secret>,
) -> Result<Value, Failure> {
    let mut body =
        json!({"site": site, "username": username, "password": password.expose(), "interactive": true});
    let mut secrets = vec![password];
    if let Some(code) = code {
        body["totp"] = Value::from(code.expose());
        secrets.push(code);
    }
    api.call(Method::Post, "/v1/sessions", Some(body), &secrets)
}

fn keep(context: &Context<'_>, api: &Api, server: String, opened: &Value) -> Result<(), Failure> {
    let text = |at: &str| {
        let found = opened.pointer(at).and_then(Value::as_str).map(str::to_owned);
        found.ok_or_else(|| api.unlike_patd(&format!("a session without `{at}`")))
    };
    context.sessions.save(&Session {
        server,
        site: text("/site/content_url")?,
        username: text("/user/username")?,
        expires_at: text("/session/expires_at")?,
        credential: text("/credential")?,
    })
}

/// Plain HTTP to anything but this machine.
fn crosses_the_net_in_clear(server: &str) -> bool {
    let Some(rest) = server.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    !loopback && host != "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_fine_on_this_machine_only() {
        for server in ["https://x", "http://localhost:1", "http://127.0.0.1:8420/x", "http://[::1]:8420"] {
            assert!(!crosses_the_net_in_clear(server), "{server}");
        }
        for server in ["http://x", "http://10.0.0.1:80", "http://localhost.example", "http://[fe80::1]"] {
            assert!(crosses_the_net_in_clear(server), "{server}");
        }
    }
}
