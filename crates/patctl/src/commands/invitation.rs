//! `patctl invitation redeem`: a new person sets a password, an existing one proves who they are.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use crate::api::{Api, Method};
use crate::failure::Failure;
use crate::output::Field;
use crate::secret::{Secret, Source};

const EXAMPLES: &str = "\
Examples:
  patctl invitation redeem --server https://pat.example.com
  patctl invitation redeem --server https://pat.example.com --invitation-file invitation.txt --password-stdin < password-file
  patctl invitation redeem --signed-in

A new person chooses the password here (it is asked for twice on a terminal). Who has an account already gives the password
of that account, or uses --signed-in. What is read from standard input comes one per line: invitation, password, code.";

const FIELDS: &[Field] = &[("user", "/username"), ("site", "/site/content_url"), ("site name", "/site/name")];

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Redeem an invitation, once
    #[command(after_help = EXAMPLES)]
    Redeem(Redeem),
}

#[derive(Debug, Args)]
pub(crate) struct Redeem {
    /// Read the invitation from standard input
    #[arg(long, conflicts_with = "invitation_file")]
    invitation_stdin: bool,
    /// Read the invitation from a file's first line
    #[arg(long, value_name = "FILE")]
    invitation_file: Option<PathBuf>,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
    /// Read the password from a file's first line
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read the one-time code from standard input
    #[arg(long)]
    totp_stdin: bool,
    /// Prove who you are by the session that `login` keeps, without a password
    #[arg(long, conflicts_with_all = ["password_stdin", "password_file", "totp_stdin"])]
    signed_in: bool,
}

pub(crate) fn run(command: &Command, context: Context<'_>) -> Result<(), Failure> {
    let Command::Redeem(options) = command;
    redeem(options, context)
}

fn redeem(options: &Redeem, mut context: Context<'_>) -> Result<(), Failure> {
    let api = if options.signed_in { context.api()? } else { Api::new(server(&context)?, None) };
    let source = Source::of(options.invitation_stdin, options.invitation_file.as_ref(), "Invitation: ");
    let invitation = context.secrets.read(source, "invitation")?;
    let mut body = json!({"invitation": invitation.expose()});
    let mut secrets = vec![invitation];
    if !options.signed_in {
        let source = Source::of(options.password_stdin, options.password_file.as_ref(), "Password: ");
        let password = context.secrets.read_new_password(source)?;
        body["password"] = Value::from(password.expose());
        secrets.push(password);
    }
    if options.totp_stdin {
        add_code(&mut body, &mut secrets, context.secrets.read(Source::Stdin, "one-time code")?);
    }
    let joined = match post(&api, &body, &secrets) {
        Err(Failure::Refused(problem))
            if problem.name == "totp-required" && !options.totp_stdin && context.secrets.has_terminal() =>
        {
            let code = context.secrets.read(Source::Terminal("One-time code: "), "one-time code")?;
            add_code(&mut body, &mut secrets, code);
            post(&api, &body, &secrets)?
        }
        other => other?,
    };
    let joined = if joined.is_null() { json!({"state": "joined"}) } else { joined };
    context.output.object(&joined, FIELDS)?;
    Ok(context.output.note("you are a member now; sign in with `patctl login`")?)
}

fn server(context: &Context<'_>) -> Result<String, Failure> {
    if let Some(server) = &context.common.server {
        return Ok(server.clone());
    }
    let kept = context.sessions.load()?.map(|session| session.server);
    kept.ok_or_else(|| Failure::Usage("name the server: --server or PATCTL_SERVER".to_owned()))
}

fn add_code(body: &mut Value, secrets: &mut Vec<Secret>, code: Secret) {
    body["totp"] = Value::from(code.expose());
    secrets.push(code);
}

fn post(api: &Api, body: &Value, secrets: &[Secret]) -> Result<Value, Failure> {
    let secrets: Vec<&Secret> = secrets.iter().collect();
    api.call(Method::Post, "/v1/invitations/redeem", Some(body.clone()), &secrets)
}
