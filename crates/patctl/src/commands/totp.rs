//! `patctl totp`: one-time codes for one's own account (RFC 6238).

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use crate::api::Method;
use crate::failure::Failure;
use crate::output::Field;
use crate::secret::Source;

const ENABLE: &str = "\
Example:
  patctl totp enable

Shows the secret for your authenticator, asks for a code as a proof, then shows the recovery codes. With --output json these
are two objects, the first before the code is read. Once enabled, only tokens sign in to the REST API without you.";

const DISABLE: &str = "Example:\n  patctl totp disable\n  patctl totp disable --code-stdin < code";

const ENROLMENT: &[Field] = &[("secret", "/secret"), ("address", "/otpauth_url")];
const RECOVERY: &[Field] = &[("recovery codes", "/recovery_codes")];

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Turn one-time codes on
    #[command(after_help = ENABLE)]
    Enable(Code),
    /// Turn one-time codes off
    #[command(after_help = DISABLE)]
    Disable(Code),
}

#[derive(Debug, Args)]
pub(crate) struct Code {
    /// Read the code from standard input
    #[arg(long)]
    code_stdin: bool,
}

impl Code {
    fn source(&self) -> Source<'static> {
        Source::of(self.code_stdin, None, "One-time code: ")
    }
}

pub(crate) fn run(command: &Command, mut context: Context<'_>) -> Result<(), Failure> {
    let api = context.api()?;
    match command {
        Command::Enable(options) => {
            let enrolment = api.call(Method::Post, "/v1/me/totp", None, &[])?;
            context.output.object(&enrolment, ENROLMENT)?;
            let code = context.secrets.read(options.source(), "one-time code")?;
            let body = json!({"code": code.expose()});
            let confirmed = api.call(Method::Post, "/v1/me/totp/confirm", Some(body), &[&code])?;
            context.output.object(&confirmed, RECOVERY)?;
            context.output.note(
                "keep the recovery codes: each works once in place of a code, and they are never shown again",
            )?;
        }
        Command::Disable(options) => {
            let code = context.secrets.read(options.source(), "one-time code")?;
            let body = json!({"code": code.expose()});
            api.call(Method::Delete, "/v1/me/totp", Some(body), &[&code])?;
            context.output.changed("one-time codes are off", &json!({"totp": false}))?;
        }
    }
    Ok(())
}
