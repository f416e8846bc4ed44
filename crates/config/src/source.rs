//! Where in the file a key stands: from a dotted path, or from a parser's byte range, to a line.
//!
//! Kept beside the config instead of inside it, so that the sections have plain types. Must never hand out a value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{ConfigError, Problem};

/// One key, table or array element of the file.
struct Place {
    path: Vec<String>,
    /// Of the key, or of the value for an array element.
    at: Range<usize>,
    value: Range<usize>,
}

/// The text with the places of its keys.
pub(crate) struct Source<'t> {
    file: &'t str,
    text: &'t str,
    places: Vec<Place>,
}

impl<'t> Source<'t> {
    /// Finds all places; refuses what is not TOML.
    pub(crate) fn new(text: &'t str, file: &'t str) -> Result<Self, ConfigError> {
        let mut source = Self { file, text, places: Vec::new() };
        let table = DeTable::parse(text).map_err(|error| source.refusal(&error))?;
        let mut path = Vec::new();
        walk_table(table.get_ref(), &mut path, &mut source.places);
        Ok(source)
    }

    /// A parser's error with file, line and key.
    pub(crate) fn refusal(&self, error: &toml::de::Error) -> ConfigError {
        let span = error.span();
        let line = span.as_ref().map(|span| self.line(span.start));
        let key = span.and_then(|span| self.key_at(&span)).unwrap_or_default();
        let message = match error.message().strip_prefix("unknown field ") {
            Some(rest) => format!("unknown key {rest}"),
            None => without_value(error.message()).replace("missing field", "missing key"),
        };
        let file = self.file.to_owned();
        ConfigError::Refused { problems: vec![Problem { file, line, key, message }] }
    }

    /// The line of the longest beginning of `path` that the file has.
    fn line_of(&self, path: &[&str]) -> Option<usize> {
        (1..=path.len()).rev().find_map(|length| {
            let place = self.places.iter().find(|place| place.path == path[..length])?;
            Some(self.line(place.at.start))
        })
    }

    /// The key whose own text is `span`, else the innermost one around it.
    fn key_at(&self, span: &Range<usize>) -> Option<String> {
        let exact = self.places.iter().find(|place| place.at == *span || place.value == *span);
        let around = || {
            let covers = |range: &Range<usize>| range.start <= span.start && span.end <= range.end;
            self.places
                .iter()
                .filter(|place| covers(&place.at) || covers(&place.value))
                .max_by_key(|place| place.path.len())
        };
        let path: Vec<&str> = exact.or_else(around)?.path.iter().map(String::as_str).collect();
        Some(dotted(&path))
    }

    /// The lines, for mistakes that are found later.
    pub(crate) fn origin(&self) -> Origin {
        let lines = self.places.iter().map(|place| (place.path.clone(), self.line(place.at.start)));
        Origin { file: self.file.to_owned(), lines: lines.collect() }
    }

    fn line(&self, offset: usize) -> usize {
        let end = offset.min(self.text.len());
        1 + self.text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count()
    }
}

/// Where the keys of a config stand. Configs that say the same are equal wherever it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    file: String,
    lines: BTreeMap<Vec<String>, usize>,
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Origin {
    /// As [`Check::refuse`] notes it.
    pub(crate) fn problem(&self, path: &[&str], message: String) -> Problem {
        let part = |length: usize| path[..length].iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let line = (1..=path.len()).rev().find_map(|length| self.lines.get(&part(length)).copied());
        let file = if self.file.is_empty() { "the built-in config".to_owned() } else { self.file.clone() };
        Problem { file, line, key: dotted(path), message }
    }
}

/// serde's message without the value that it quotes, `string "…"`: somebody may have pasted a secret there.
fn without_value(message: &str) -> Cow<'_, str> {
    let quotes = ["invalid type: ", "invalid value: ", "unknown variant "];
    let Some(prefix) = quotes.iter().find(|prefix| message.starts_with(**prefix)) else {
        return message.into();
    };
    let rest = &message[prefix.len()..];
    let kind = rest.split(['"', '`']).next().unwrap_or_default();
    let expected = rest.rsplit_once(", expected ").map_or("something else", |(_, expected)| expected);
    let told = format!("{prefix}{kind}");
    format!("{}, expected {expected}", told.trim_end_matches([' ', ':', ','])).into()
}

fn walk_table(table: &DeTable<'_>, path: &mut Vec<String>, places: &mut Vec<Place>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        places.push(Place { path: path.clone(), at: key.span(), value: value.span() });
        walk_value(value, path, places);
        path.pop();
    }
}

fn walk_value(value: &Spanned<DeValue<'_>>, path: &mut Vec<String>, places: &mut Vec<Place>) {
    match value.get_ref() {
        DeValue::Table(table) => walk_table(table, path, places),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                path.push(format!("[{index}]"));
                places.push(Place { path: path.clone(), at: element.span(), value: element.span() });
                walk_value(element, path, places);
                path.pop();
            }
        }
        _ => {}
    }
}

/// `["defaults", "sinks", "[1]"]` as `defaults.sinks[1]`.
fn dotted(path: &[&str]) -> String {
    let mut key = String::new();
    for part in path {
        if !key.is_empty() && !part.starts_with('[') {
            key.push('.');
        }
        key.push_str(part);
    }
    key
}

/// Collects mistakes of meaning.
pub(crate) struct Check<'s> {
    source: &'s Source<'s>,
    problems: Vec<Problem>,
}

impl<'s> Check<'s> {
    pub(crate) fn new(source: &'s Source<'s>) -> Self {
        Self { source, problems: Vec::new() }
    }

    /// Notes that what stands at `path` does not hold.
    pub(crate) fn refuse(&mut self, path: &[&str], message: impl Into<String>) {
        self.problems.push(Problem {
            file: self.source.file.to_owned(),
            line: self.source.line_of(path),
            key: dotted(path),
            message: message.into(),
        });
    }

    /// Refuses unless `holds`.
    pub(crate) fn require(&mut self, holds: bool, path: &[&str], message: &str) {
        if !holds {
            self.refuse(path, message);
        }
    }

    /// The line of `path`, for a message that points at a second place.
    pub(crate) fn line_of(&self, path: &[&str]) -> Option<usize> {
        self.source.line_of(path)
    }

    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        if self.problems.is_empty() { Ok(()) } else { Err(ConfigError::Refused { problems: self.problems }) }
    }
}
