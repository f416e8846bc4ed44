//! The one spelling of a JSON value that is hashed and signed (RFC 8785, as far as events need it).
//!
//! Members are sorted by their UTF-16 code units, nothing stands between tokens, texts are escaped as serde_json does, which
//! is as the RFC wants it. Numbers of events are whole; others are spelled as serde_json does, which is not the RFC's
//! way for all of them.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A SHA-256.
pub type Hash = [u8; 32];

/// The canonical spelling.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write(value, &mut out);
    out
}

/// The hash of the canonical spelling.
#[must_use]
pub fn hash(value: &Value) -> Hash {
    Sha256::digest(canonical(value)).into()
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            let mut separator = b'{';
            for (name, value) in &members {
                out.push(std::mem::replace(&mut separator, b','));
                text(name, out);
                out.push(b':');
                write(value, out);
            }
            if members.is_empty() {
                out.push(b'{');
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::String(string) => text(string, out),
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    // Writing a text into memory cannot fail.
    let written = serde_json::to_writer(out, text);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_sorted_and_texts_escaped_as_the_rfc_has_it() {
        // The example of RFC 8785 §3.2.3 (its numbers aside), and the escapes of §3.2.2.2.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        let sorted = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With \
                      Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(String::from_utf8(canonical(&value)).expect("UTF-8"), sorted);
        let escaped = json!(["\u{20ac}$\u{f}\nA'B\"\\\\\"/\u{7f}", null, true, 12, {}, []]);
        let spelled = "[\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\",null,true,12,{},[]]";
        assert_eq!(String::from_utf8(canonical(&escaped)).expect("UTF-8"), spelled);
    }

    #[test]
    fn the_order_and_blanks_of_the_text_do_not_matter() {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(hash(&read("{\"b\":1, \"a\":[2]}")), hash(&read(" {\"a\":[2],\n\"b\":1}")));
        assert_ne!(hash(&read("{\"a\":1}")), hash(&read("{\"a\":2}")));
    }
}
