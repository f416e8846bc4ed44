//! What commands print: text for people, JSON for scripts. Colour only on a terminal; a closed pipe is no error.

use std::io::Write as _;

use clap::ValueEnum;
use serde_json::Value;

use crate::failure::Failure;

/// `--output`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For scripts: one JSON value.
    Json,
}

/// Prints a line on standard output.
pub(crate) fn line(text: &str) {
    // A reader that has seen enough is not our failure.
    let _closed = writeln!(anstream::stdout(), "{text}");
}

/// Says on standard error how far a long command is.
pub(crate) fn progress(text: &str) {
    let _closed = writeln!(anstream::stderr(), "{text}");
}

/// Prints a value: as JSON, or as `key: value` lines and tables.
pub(crate) fn value(format: Format, value: &Value) {
    match format {
        Format::Json => line(&format!("{value:#}")),
        Format::Text => text(value),
    }
}

/// Prints a failure on standard error.
pub(crate) fn failure(failure: &Failure) {
    let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
    let _closed = writeln!(anstream::stderr(), "{style}error:{style:#} {failure}");
}

fn text(value: &Value) {
    match value {
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Object(members) => {
                        let cells: Vec<_> = members.iter().map(|(k, v)| format!("{k}={}", cell(v))).collect();
                        line(&cells.join("  "));
                    }
                    other => line(&cell(other)),
                }
            }
        }
        Value::Object(members) => {
            let width = members.keys().map(String::len).max().unwrap_or(0);
            for (key, value) in members {
                line(&format!("{key:width$}  {}", cell(value)));
            }
        }
        other => line(&cell(other)),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
