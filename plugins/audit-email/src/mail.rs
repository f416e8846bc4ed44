//! An event's letter as a message to one recipient. Must never let a name become a header.

use std::time::{Duration, UNIX_EPOCH};

use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use patd_proto::audit::Recipient;
use patd_sdk::{Event, Failure};

use crate::letter::{Letter, one_line};

/// RFC 3834: no vacation notes in answer, please.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// A mail ready to be sent.
pub(crate) struct Mail {
    pub(crate) envelope: Envelope,
    pub(crate) text: Vec<u8>,
}

/// The recipient's mailbox; `None` when the address is none.
fn mailbox(recipient: &Recipient) -> Option<Mailbox> {
    let address = recipient.email.trim();
    if !address.is_ascii() || address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let name = recipient.name.as_deref().map(one_line).map(|name| name.trim().to_owned());
    Some(Mailbox::new(name.filter(|name| !name.is_empty()), address.parse().ok()?))
}

/// Makes the mail; `None` for a recipient to whom none can be sent.
pub(crate) fn to(
    recipient: &Recipient,
    from: &Mailbox,
    event: Event<'_>,
    letter: &Letter,
) -> Result<Option<Mail>, Failure> {
    let Some(to) = mailbox(recipient) else { return Ok(None) };
    let failed =
        |error: &dyn std::error::Error| Failure::internal(format!("the mail cannot be written: {error}"));
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()]).map_err(|e| failed(&e))?;
    // The event's own time, so that a second delivery is the same mail.
    let time = event.attribute("time").and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let seconds = time.and_then(|time| u64::try_from(time.as_second()).ok());
    let mut message = Message::builder().from(from.clone());
    message = match seconds {
        Some(seconds) => message.date(UNIX_EPOCH + Duration::from_secs(seconds)),
        None => message.date_now(),
    };
    let parts = MultiPart::alternative_plain_html(letter.plain.clone(), letter.html.clone());
    let message = message
        .message_id(Some(message_id(event.id, &to, from)))
        .subject(letter.title.clone())
        .header(AutoSubmitted)
        .to(to)
        .multipart(parts)
        .map_err(|e| failed(&e))?;
    Ok(Some(Mail { envelope, text: message.formatted() }))
}

/// The event's id, what tells recipients apart, and the sender's domain.
fn message_id(event: &str, to: &Mailbox, from: &Mailbox) -> String {
    let plain: String =
        event.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    let apart = crc32fast::hash(to.email.to_string().to_ascii_lowercase().as_bytes());
    format!("<{plain}.{apart:08x}@{}>", from.email.domain())
}
