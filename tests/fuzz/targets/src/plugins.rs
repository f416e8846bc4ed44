//! What a plug-in says: its description and its schema, its answers, its errors.

use patd_plugin_host::replies::{Reply, description, refusal, reply};
use patd_plugin_host::{Kind, settings as schemas};
use serde_json::Value;

use crate::readable;

/// Most bytes of an error about a plug-in's words; a violation repeats a key of the configuration.
const ERROR: usize = 2 << 10;
/// Most bytes of a detail, with what is said around it; replaced bytes become three.
const DETAIL: usize = (4 << 10) * 3 + 200;

/// A description, of each kind.
pub(crate) fn describe(data: &[u8]) {
    for kind in [Kind::Hasher, Kind::Store, Kind::Audit] {
        if let Err(error) = description(kind, data) {
            readable(&error, ERROR);
        }
    }
}

/// A schema and a configuration, as a list of two.
pub(crate) fn settings(data: &[u8]) {
    let Ok([schema, config]) = serde_json::from_slice::<[Value; 2]>(data) else { return };
    match schemas::violations(&schema, &config) {
        Err(error) => readable(&error, ERROR),
        Ok(found) => {
            for violation in found {
                readable(&violation.message, ERROR);
                readable(&violation.to_string(), data.len() * 12 + ERROR);
            }
        }
    }
}

/// An answer with OK: the first line says to what, the rest is the payload. A line that is no operation's name is the list
/// of QUERY's questions.
pub(crate) fn replies(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (line, payload) = (&data[..end], &data[end + 1..]);
    let which = match line {
        b"apply" => Reply::Apply,
        b"outbox" => Reply::Outbox,
        b"schema" => Reply::Schema,
        b"export" => Reply::Export,
        b"deliver" => Reply::Deliver("01936b5e-0000-7000-8000-000000000001".to_owned()),
        queries => match serde_json::from_slice(queries) {
            Ok(queries) => Reply::Query(queries),
            Err(_) => return,
        },
    };
    if let Err(error) = reply(&which, payload) {
        readable(&error, ERROR);
    }
}

/// A status in four bytes, and a detail.
pub(crate) fn refusals(data: &[u8]) {
    let Some((status, detail)) = data.split_first_chunk() else { return };
    readable(&refusal(i32::from_le_bytes(*status), detail), DETAIL);
}
