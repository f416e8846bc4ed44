//! The text of an invitation: `patdi_<id>_<secret><check>`, written like a token secret.
//!
//! Parsing never panics and refuses everything but the one text of each value; nothing here shows a secret.

pub use crate::base62::Malformed;
use crate::id::InvitationId;
use crate::secret::{PlainText, Secret256};
use crate::token_text::{CHECK_DIGITS, ID_DIGITS, SECRET_DIGITS, id_and_secret, push_id_and_secret};

/// What every invitation begins with.
pub const PREFIX: &str = "patdi_";

/// A parsed invitation.
#[derive(Clone, Debug)]
pub struct InvitationText {
    /// The invitation's public id.
    pub id: InvitationId,
    /// The secret itself.
    pub secret: Secret256,
}

impl InvitationText {
    /// Reads the text.
    ///
    /// # Errors
    /// [`Malformed`] for anything that [`InvitationText::render`] would not write.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.as_bytes();
        let tail = text.strip_prefix(PREFIX.as_bytes()).ok_or(Malformed)?;
        let (id, secret) = id_and_secret(text, tail)?;
        Ok(Self { id: InvitationId(id), secret })
    }

    /// Writes the text.
    #[must_use]
    pub fn render(&self) -> PlainText {
        let mut text = String::with_capacity(PREFIX.len() + ID_DIGITS + 1 + SECRET_DIGITS + CHECK_DIGITS);
        text.push_str(PREFIX);
        push_id_and_secret(&mut text, self.id.0, &self.secret);
        PlainText::new(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    proptest! {
        #[test]
        fn every_invitation_comes_back_and_no_changed_one_does(
            id: u128, secret: [u8; 32], at: prop::sample::Index, to in any::<char>(),
        ) {
            let invitation =
                InvitationText { id: InvitationId(Uuid::from_u128(id)), secret: Secret256::new(secret) };
            let text = invitation.render();
            let read = InvitationText::parse(text.expose())?;
            prop_assert_eq!((read.id, read.secret.expose()), (invitation.id, &secret));
            let mut chars: Vec<char> = text.expose().chars().collect();
            let at = at.index(chars.len());
            prop_assume!(chars[at] != to);
            chars[at] = to;
            prop_assert!(InvitationText::parse(&chars.into_iter().collect::<String>()).is_err());
        }

        #[test]
        fn no_text_panics(text: String, tail in "patdi_[0-9A-Za-z_]{60,90}") {
            let _ = InvitationText::parse(&text);
            let _ = InvitationText::parse(&tail);
        }
    }
}
