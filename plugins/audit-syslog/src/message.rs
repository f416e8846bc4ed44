//! An event as an RFC 5424 message. Must never let a text out of its field: header fields are printable ASCII of bounded
//! length, parameter values are escaped, and the JSON behind them is ASCII on one line.
//!
//! The JSON's other characters are written `\uXXXX`. So the message is plain ASCII: syslog asks for a byte order mark before
//! UTF-8, JSON forbids one, and ASCII needs none.

use std::fmt::Write as _;

use patd_sdk::{Event, Failure};

use crate::severity;

/// The enterprise number of RFC 5612, for documentation and examples: patd has none of its own.
const SD_ID: &str = "patd@32473";
/// `authpriv` when the configuration says nothing.
pub(crate) const DEFAULT_FACILITY: u8 = 10;
/// Names as `syslog.conf` has them; a name's place is its number.
pub(crate) const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// What all messages have in common.
pub(crate) struct Origin {
    pub(crate) facility: u8,
    hostname: String,
    process: u32,
}

impl Origin {
    pub(crate) fn new(facility: u8) -> Self {
        Self { facility, hostname: field(None, 0), process: std::process::id() }
    }

    /// Says which machine messages come from.
    pub(crate) fn on(&mut self, hostname: &str) {
        self.hostname = field(Some(hostname), 255);
    }

    /// The message, without framing.
    pub(crate) fn message(&self, event: Event<'_>) -> Result<String, Failure> {
        let json = serde_json::to_string(event.json).map_err(|error| Failure::internal(error.to_string()))?;
        let priority = u16::from(self.facility) * 8 + u16::from(severity::of(event.json));
        let time = event.attribute("time").filter(|time| is_time(time)).unwrap_or("-");
        let (kind, host) = (field(event.attribute("type"), 32), &self.hostname);
        let mut text = format!("<{priority}>1 {time} {host} patd {} {kind} [{SD_ID}", self.process);
        for (name, value) in [
            ("id", Some(event.id)),
            ("source", event.attribute("source")),
            ("subject", event.attribute("subject")),
        ] {
            if let Some(value) = value {
                parameter(&mut text, name, value);
            }
        }
        text.push_str("] ");
        ascii(&mut text, &json);
        Ok(text)
    }
}

/// A header field: printable ASCII, cut, `-` when nothing is left.
fn field(text: Option<&str>, longest: usize) -> String {
    let fits: String =
        text.unwrap_or_default().chars().filter(char::is_ascii_graphic).take(longest).collect();
    if fits.is_empty() { "-".to_owned() } else { fits }
}

/// `YYYY-MM-DDThh:mm:ss[.ffffff]Z`, as RFC 5424 takes it.
fn is_time(text: &str) -> bool {
    let Some((date, fraction)) = text.strip_suffix('Z').and_then(|text| text.split_at_checked(19)) else {
        return false;
    };
    let shape = date.bytes().zip("0000-00-00T00:00:00".bytes());
    let plain =
        shape.into_iter().all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like });
    let digits = fraction.strip_prefix('.').unwrap_or("0");
    let fine = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain && fine && (fraction.is_empty() || fraction.starts_with('.'))
}

/// ` name="value"`, escaped; a control character becomes a replacement character.
fn parameter(text: &mut String, name: &str, value: &str) {
    text.push(' ');
    text.push_str(name);
    text.push_str("=\"");
    for character in value.chars() {
        match character {
            '"' | '\\' | ']' => text.extend(['\\', character]),
            _ if character.is_control() => text.push(char::REPLACEMENT_CHARACTER),
            _ => text.push(character),
        }
    }
    text.push('"');
}

/// JSON with every character beyond ASCII escaped.
fn ascii(text: &mut String, json: &str) {
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing into a text does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(event: &Value) -> String {
        let origin = Origin { facility: 10, hostname: "host".into(), process: 7 };
        origin
            .message(Event { id: event["id"].as_str().expect("an id"), json: event, recipients: &[] })
            .expect("a message")
    }

    #[test]
    fn the_header_says_who_when_and_what() {
        let event = json!({ "id": "1", "source": "/directory", "type": "patd.signin.failed", "time": "2026-11-24T08:00:00.123456Z" });
        let text = message(&event);
        let head = r#"<84>1 2026-11-24T08:00:00.123456Z host patd 7 patd.signin.failed [patd@32473 id="1" source="/directory"] "#;
        assert_eq!(text.strip_prefix(head), Some(event.to_string().as_str()));
    }

    #[test]
    fn no_text_of_an_event_leaves_its_field() {
        let event = json!({
            "id": "a\"]\\ b", "source": "x\n<0>1 forged", "type": "two words\n", "time": "2026-11-24 08:00:00",
            "subject": "ünï", "data": "\u{1F600}\nü",
        });
        let text = message(&event);
        assert!(text.starts_with("<86>1 - host patd 7 twowords [patd@32473 id=\"a\\\"\\]\\\\ b\" source=\"x\u{fffd}<0>1 forged\" subject=\"ünï\"] {"), "{text}");
        assert_eq!(text.lines().count(), 1);
        let (_, json) = text.split_once("] {").expect("the JSON");
        assert!(json.is_ascii());
        assert_eq!(serde_json::from_str::<Value>(&format!("{{{json}")).expect("JSON"), event);
    }

    #[test]
    fn only_times_of_the_rfc_s_shape_are_times() {
        for time in ["2026-11-24T08:00:00Z", "2026-11-24T08:00:00.1Z", "2026-11-24T08:00:00.123456Z"] {
            assert!(is_time(time), "{time}");
        }
        for time in [
            "",
            "Z",
            "2026-11-24T08:00:00",
            "2026-11-24T08:00:00.Z",
            "2026-11-24T08:00:00.1234567Z",
            "2026-11-24T08:00:001Z",
            "2026-11-24T08:00:0ü.1Z",
        ] {
            assert!(!is_time(time), "{time}");
        }
    }

    #[test]
    fn a_type_longer_than_the_field_is_cut() {
        let text = message(&json!({ "id": "1", "type": "patd.".repeat(10) }));
        assert!(text.contains(&format!(" 7 {} [", &"patd.".repeat(10)[..32])), "{text}");
    }
}
