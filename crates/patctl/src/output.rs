//! Results on standard output, failures on standard error, for people or as JSON.
//!
//! What the server says may hold anything that other people typed: control characters never reach a terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::failure::Failure;

const HEAD: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// A column or line of text output: its heading and where the value lies in the JSON (RFC 6901).
pub(crate) type Field = (&'static str, &'static str);

/// Where results go.
pub(crate) struct Output<'w> {
    format: Format,
    out: &'w mut dyn Write,
    /// For what concerns the person but is no result.
    notes: &'w mut dyn Write,
}

impl<'w> Output<'w> {
    pub(crate) fn new(format: Format, out: &'w mut dyn Write, notes: &'w mut dyn Write) -> Self {
        Self { format, out, notes }
    }

    /// One object, a line per field that it has.
    pub(crate) fn object(&mut self, value: &Value, fields: &[Field]) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(value);
        }
        let shown: Vec<_> =
            fields.iter().filter_map(|(head, at)| Some((head, text_at(value, at)?))).collect();
        let width = shown.iter().map(|(head, _)| head.len()).max().unwrap_or(0);
        for (head, text) in shown {
            writeln!(self.out, "{HEAD}{head:width$}{HEAD:#}  {text}")?;
        }
        self.out.flush()
    }

    /// A page of a list as a table.
    pub(crate) fn list(&mut self, page: &Value, columns: &[Field]) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(page);
        }
        let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        if items.is_empty() {
            return self.note("nothing to show");
        }
        let cell =
            |item, at| text_at(item, at).filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
        let rows: Vec<Vec<String>> =
            items.iter().map(|item| columns.iter().map(|(_, at)| cell(item, at)).collect()).collect();
        let widths: Vec<usize> = (0..columns.len())
            .map(|i| {
                rows.iter().map(|row| row[i].chars().count()).chain([columns[i].0.len()]).max().unwrap_or(0)
            })
            .collect();
        let last = columns.len().saturating_sub(1);
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).enumerate();
            let padded = padded.map(
                |(i, (text, width))| if i == last { (*text).to_owned() } else { format!("{text:width$}") },
            );
            padded.collect::<Vec<_>>().join("  ")
        };
        writeln!(self.out, "{HEAD}{}{HEAD:#}", line(columns.iter().map(|(head, _)| *head).collect()))?;
        for row in &rows {
            writeln!(self.out, "{}", line(row.iter().map(String::as_str).collect()))?;
        }
        self.out.flush()?;
        if page["next_cursor"].is_string() {
            self.note("there are more; ask for them with --limit")
        } else {
            Ok(())
        }
    }

    /// One object as it comes: a line of JSON, or the columns that it has.
    pub(crate) fn row(&mut self, value: &Value, columns: &[Field]) -> io::Result<()> {
        if self.format == Format::Json {
            writeln!(self.out, "{value}")?;
        } else {
            let cells = columns.iter().map(|(_, at)| text_at(value, at).filter(|text| !text.is_empty()));
            let cells: Vec<String> = cells.map(|cell| cell.unwrap_or_else(|| "-".to_owned())).collect();
            writeln!(self.out, "{}", cells.join("  "))?;
        }
        self.out.flush()
    }

    /// What was changed: a sentence for people, an object for machines.
    pub(crate) fn changed(&mut self, sentence: &str, value: &Value) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(value);
        }
        writeln!(self.out, "{}", harmless(sentence))?;
        self.out.flush()
    }

    /// Text that is the result itself, in both formats.
    pub(crate) fn verbatim(&mut self, text: &[u8]) -> io::Result<()> {
        self.out.write_all(text)?;
        self.out.flush()
    }

    /// A remark for people; machines get none.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        if self.format == Format::Json { Ok(()) } else { writeln!(self.notes, "{}", harmless(text)) }
    }

    fn json(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.out, value)?;
        writeln!(self.out)?;
        self.out.flush()
    }
}

/// Title, detail, what to do and the request's id; with `--output json` the problem document.
pub(crate) fn show_failure(err: &mut dyn Write, format: Format, failure: &Failure) -> io::Result<()> {
    if format == Format::Json {
        let document = match failure {
            Failure::Refused(problem) => problem.document.clone(),
            other => {
                json!({"title": other.to_string(), "detail": cause(other), "exit_code": other.exit_code()})
            }
        };
        serde_json::to_writer_pretty(&mut *err, &document)?;
        return writeln!(err);
    }
    writeln!(err, "{ERROR}error{ERROR:#}: {}", harmless(&failure.to_string()))?;
    let mut line = |head: &str, text: Option<&str>| match text {
        Some(text) => writeln!(err, "  {head}{}", harmless(text)),
        None => Ok(()),
    };
    if let Failure::Refused(problem) = failure {
        line("", problem.detail.as_deref())?;
        line("ended at: ", problem.ended_at.as_deref())?;
        line("by session: ", problem.successor.as_deref())?;
    }
    line("", cause(failure).as_deref())?;
    line("what to do: ", failure.advice())?;
    if let Failure::Refused(problem) = failure {
        line("problem: ", Some(&format!("{} ({})", problem.name, problem.status)))?;
        line("request: ", problem.instance.as_deref())?;
    }
    Ok(())
}

fn cause(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Local { source: Some(source), .. } => Some(source.to_string()),
        _ => None,
    }
}

fn text_at(value: &Value, at: &str) -> Option<String> {
    let text = match value.pointer(at)? {
        Value::Null => return None,
        Value::String(text) => harmless(text),
        Value::Array(items) => {
            items.iter().map(|item| text_at(item, "").unwrap_or_default()).collect::<Vec<_>>().join(" ")
        }
        other => harmless(&other.to_string()),
    };
    Some(text)
}

/// Control characters and marks that turn the direction of text are written out, so that a name cannot paint the terminal.
fn harmless(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| if c.is_control() || turns(c) { c.escape_unicode().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    fn shown(format: Format, show: impl FnOnce(&mut Output<'_>) -> io::Result<()>) -> (String, String) {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        show(&mut Output::new(format, &mut out, &mut notes)).expect("memory takes everything");
        let plain = |bytes: &[u8]| anstream::adapter::strip_str(&String::from_utf8_lossy(bytes)).to_string();
        (plain(&out), plain(&notes))
    }

    const COLUMNS: &[Field] = &[("ID", "/id"), ("NAME", "/name"), ("USED", "/used")];

    #[test]
    fn a_list_is_a_table_with_aligned_columns() {
        let page = json!({"items": [{"id": "1", "name": "longer name", "used": null}, {"id": "22", "name": "é", "used": "u"}], "next_cursor": "c"});
        let (out, notes) = shown(Format::Text, |output| output.list(&page, COLUMNS));
        assert_eq!(out, "ID  NAME         USED\n1   longer name  -\n22  é            u\n");
        assert!(notes.contains("--limit"), "{notes}");
    }

    #[test]
    fn an_empty_list_says_so_beside_the_result() {
        let (out, notes) =
            shown(Format::Text, |output| output.list(&json!({"items": [], "next_cursor": null}), COLUMNS));
        assert_eq!((&*out, &*notes), ("", "nothing to show\n"));
    }

    #[test]
    fn json_output_is_what_the_server_gave_and_nothing_else() {
        let page = json!({"items": [{"id": "1"}], "next_cursor": "c"});
        let (out, notes) = shown(Format::Json, |output| output.list(&page, COLUMNS));
        assert_eq!((serde_json::from_str::<Value>(&out).ok(), &*notes), (Some(page), ""));
    }

    #[test]
    fn an_object_shows_the_fields_that_it_has() {
        let value = json!({"id": "1", "name": null, "used": ["a", "b"]});
        let (out, _) = shown(Format::Text, |output| output.object(&value, COLUMNS));
        assert_eq!(out, "ID    1\nUSED  a b\n");
    }

    #[test]
    fn what_others_typed_cannot_steer_the_terminal() {
        let value = json!({"id": "\u{1b}[2J\r\u{202e}", "name": "x\ny"});
        let mut out = Vec::new();
        Output::new(Format::Text, &mut out, &mut io::sink()).object(&value, COLUMNS).expect("memory");
        let out = String::from_utf8_lossy(&out);
        assert!(out.contains(r"\u{1b}[2J\u{d}\u{202e}") && out.contains(r"x\u{a}y"), "{out}");
    }

    #[test]
    fn a_refusal_shows_title_detail_and_what_to_do() {
        let body = r#"{"type":"urn:patd:problem:session-superseded","title":"Session superseded","detail":"D.","instance":"req-1","ended_at":"T","successor":"S"}"#;
        let failure = Failure::Refused(Box::new(Problem::read(401, body).expect("a problem")));
        let mut err = Vec::new();
        show_failure(&mut err, Format::Text, &failure).expect("memory");
        let text = anstream::adapter::strip_str(&String::from_utf8_lossy(&err)).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..4], ["error: Session superseded", "  D.", "  ended at: T", "  by session: S"]);
        assert!(lines[4].starts_with("  what to do: the token signed in somewhere else"), "{text}");
        assert_eq!(lines[5..], ["  problem: session-superseded (401)", "  request: req-1"]);
        let mut err = Vec::new();
        show_failure(&mut err, Format::Json, &failure).expect("memory");
        assert_eq!(serde_json::from_slice::<Value>(&err).ok(), serde_json::from_str::<Value>(body).ok());
    }
}
