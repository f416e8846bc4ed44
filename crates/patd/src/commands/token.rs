//! `patd token check`: is this a well-formed token secret? Asks no daemon, no store and no config, so it works anywhere a
//! scanner runs; whether the token lives is `patd verify`'s to say.

use std::io::Read as _;
use std::path::Path;

use clap::Subcommand;
use patd_core::secret::PlainText;
use patd_core::token_text::TokenText;
use serde_json::json;

use super::Context;
use crate::failure::Failure;

/// More than any secret has.
const MAX_INPUT: u64 = 1024;

/// `patd token`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read a text from standard input and say whether it is a well-formed token secret: its form and its check digits.
    #[command(
        after_help = "Example:\n  patd token check --output json < found.txt\n\nExit code 1 when it is none. Asks no daemon: a well-formed secret may be of no token."
    )]
    Check,
}

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    let Command::Check = command;
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .map_err(|e| Failure::io("read the text from", Path::new("standard input"), e))?;
    let text = PlainText::new(text);
    match TokenText::parse(text.expose().trim()) {
        Ok(token) => {
            context.print(&json!({"well_formed": true, "home": token.home.0, "id": token.id.to_string()}));
            Ok(())
        }
        Err(_) => {
            context.print(&json!({"well_formed": false}));
            Err(Failure::Refused(
                "this is no token secret: its form or its check digits are wrong".to_owned(),
            ))
        }
    }
}
