//! `patd verify`: whose token is this? The secret is read from standard input and goes nowhere: only its public parts
//! are asked for, so the command proves nothing about the secret itself.

use std::io::Read as _;
use std::path::Path;

use patd_core::secret::PlainText;
use patd_core::token_text::TokenText;

use super::Context;
use crate::failure::Failure;
use crate::operate::Operation;

/// More than any secret has.
const MAX_INPUT: u64 = 1024;

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .map_err(|e| Failure::io("read the secret from", Path::new("standard input"), e))?;
    let text = PlainText::new(text);
    let token = TokenText::parse(text.expose().trim()).map_err(|_| {
        Failure::Refused("this is no token secret: its form or its check digits are wrong".to_owned())
    })?;
    let value = context.operate(Operation::Token { home: token.home.0, id: token.id.0 })?;
    context.print(&value);
    if value["live"] == true { Ok(()) } else { Err(Failure::Refused("this token is dead".to_owned())) }
}
