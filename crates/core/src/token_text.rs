//! The text of a token secret: `patd_<home>_<id>_<secret><check>`.
//!
//! Parsing never panics, never allocates and refuses everything but the one text of each value; no error and no
//! `Debug` shows a secret.

use uuid::Uuid;

pub use crate::base62::Malformed;
use crate::base62::{decode, decode_short, encode, encode_short};
use crate::id::{HomeNumber, TokenId};
use crate::secret::{PlainText, Secret256};

/// What every token secret begins with.
pub const PREFIX: &str = "patd_";
/// The expression by which secret scanners find token secrets.
pub const SCANNER_RULE: &str = r"\bpatd_[0-9A-Za-z]{1,6}_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}\b";

pub(crate) const ID_DIGITS: usize = 22;
pub(crate) const SECRET_DIGITS: usize = 43;
pub(crate) const CHECK_DIGITS: usize = 6;

/// A parsed token secret.
#[derive(Clone, Debug)]
pub struct TokenText {
    /// The home site's number.
    pub home: HomeNumber,
    /// The token's public id.
    pub id: TokenId,
    /// The secret itself.
    pub secret: Secret256,
}

impl TokenText {
    /// Reads the text.
    ///
    /// # Errors
    /// [`Malformed`] for anything that [`TokenText::render`] would not write.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.as_bytes();
        let body = text.strip_prefix(PREFIX.as_bytes()).ok_or(Malformed)?;
        let end = body.iter().take(7).position(|b| *b == b'_').ok_or(Malformed)?;
        let (home, rest) = (&body[..end], &body[end + 1..]);
        let (id, secret) = id_and_secret(text, rest)?;
        Ok(Self { home: HomeNumber(decode_short(home)?), id: TokenId(id), secret })
    }

    /// Writes the text.
    #[must_use]
    pub fn render(&self) -> PlainText {
        let mut text =
            String::with_capacity(PREFIX.len() + 6 + 1 + ID_DIGITS + 1 + SECRET_DIGITS + CHECK_DIGITS);
        text.push_str(PREFIX);
        encode_short(self.home.0, &mut text);
        text.push('_');
        push_id_and_secret(&mut text, self.id.0, &self.secret);
        PlainText::new(text)
    }
}

/// Reads `<id>_<secret><check>` at the end of `whole`, whose other characters the check covers too.
pub(crate) fn id_and_secret(whole: &[u8], tail: &[u8]) -> Result<(Uuid, Secret256), Malformed> {
    if tail.len() != ID_DIGITS + 1 + SECRET_DIGITS + CHECK_DIGITS || tail[ID_DIGITS] != b'_' {
        return Err(Malformed);
    }
    let (covered, check) = whole.split_at(whole.len() - CHECK_DIGITS);
    if u32::from_be_bytes(decode(check)?) != crc32fast::hash(covered) {
        return Err(Malformed);
    }
    let id = decode::<16>(&tail[..ID_DIGITS])?;
    let secret = decode::<32>(&tail[ID_DIGITS + 1..ID_DIGITS + 1 + SECRET_DIGITS])?;
    Ok((Uuid::from_bytes(id), Secret256::new(secret)))
}

/// Appends `<id>_<secret><check>`; the check covers all that is in `text`.
pub(crate) fn push_id_and_secret(text: &mut String, id: Uuid, secret: &Secret256) {
    encode(id.as_bytes(), ID_DIGITS, text);
    text.push('_');
    encode(secret.expose(), SECRET_DIGITS, text);
    let check = crc32fast::hash(text.as_bytes());
    encode(&check.to_be_bytes(), CHECK_DIGITS, text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_token_comes_back(home: u32, id: u128, secret: [u8; 32]) {
            let token = TokenText {
                home: HomeNumber(home),
                id: TokenId(Uuid::from_u128(id)),
                secret: Secret256::new(secret),
            };
            let text = token.render();
            prop_assert!(text.expose().len() < 100);
            let read = TokenText::parse(text.expose())?;
            prop_assert_eq!((read.home, read.id, read.secret.expose()), (token.home, token.id, &secret));
        }

        #[test]
        fn any_changed_character_is_refused(home: u32, secret: [u8; 32], at: prop::sample::Index, to in any::<char>()) {
            let token = TokenText {
                home: HomeNumber(home),
                id: TokenId(Uuid::from_u128(u128::from(home) << 64)),
                secret: Secret256::new(secret),
            };
            let mut chars: Vec<char> = token.render().expose().chars().collect();
            let at = at.index(chars.len());
            prop_assume!(chars[at] != to);
            chars[at] = to;
            prop_assert!(TokenText::parse(&chars.into_iter().collect::<String>()).is_err());
        }

        #[test]
        fn no_text_panics(text: String, tail in "patd_[0-9A-Za-z_]{60,90}") {
            let _ = TokenText::parse(&text);
            let _ = TokenText::parse(&tail);
        }
    }
}
