//! The files of the sink `audit-file` against what they should have: lines that are missing, doubled, changed or broken.
//! Reads only.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::failure::Failure;

/// The content of an event: members in any order, blanks as they please.
pub(super) type Content = [u8; 32];

pub(super) fn content(event: &Value) -> Content {
    Sha256::digest(event.to_string()).into()
}

/// An event that a file should have.
pub(super) struct Expected {
    pub(super) id: Uuid,
    pub(super) content: Content,
    /// The sink has not accepted it yet.
    pub(super) waits: bool,
    /// Events of one lane are in their order.
    pub(super) lane: usize,
    /// RFC 3339 without the `Z`, so that texts are in the order of times.
    pub(super) time: Box<str>,
}

/// What one file is like.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    sink: String,
    file: PathBuf,
    /// Its rotated files, oldest first, which are part of it.
    rotated: Vec<PathBuf>,
    /// Events of the stores that belong here.
    events: usize,
    /// Of these, those that are here.
    found: usize,
    /// Of these, those that are not here because the sink has not accepted them yet.
    waiting: usize,
    /// Of these, those that were in files that the sink has removed.
    removed: usize,
    /// Of these, those that should be here and are not.
    missing: Vec<Uuid>,
    /// The earliest of them.
    #[serde(skip)]
    first_missing: Option<Uuid>,
    /// Lines with an event that an earlier line has.
    duplicates: Vec<Duplicate>,
    /// Numbers of lines whose event is another one in the store.
    changed_lines: Vec<u64>,
    #[serde(skip)]
    changed: Vec<Uuid>,
    /// Numbers of lines that are no whole event.
    broken_lines: Vec<u64>,
    /// How many lines there are.
    lines: u64,
}

impl Report {
    /// The first event that is not as the stores have it: id, line, what happened.
    pub(super) fn first_bad(&self) -> Option<(Option<Uuid>, u64, &'static str)> {
        let missing = self.first_missing;
        let changed =
            self.changed_lines.first().map(|line| (self.changed.first().copied(), *line, "changed"));
        let broken = self.broken_lines.first().map(|line| (missing, *line, "unreadable"));
        changed.or(broken).or(missing.map(|id| (Some(id), self.lines + 1, "cut")))
    }
}

/// An event that is there once more.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Duplicate {
    line: u64,
    id: Uuid,
}

pub(super) fn report(
    sink: &str,
    path: &Path,
    events: &[Expected],
    most: Option<u64>,
) -> Result<Report, Failure> {
    let cannot = |e| Failure::io("read the audit file", path, e);
    let contents = events.iter().map(|event| (event.id, event.content)).collect();
    let (mut rotated, mut lines) = read(path, &contents).map_err(cannot)?;
    if lines.torn {
        // A running daemon may be in the middle of a line: once more.
        (rotated, lines) = read(path, &contents).map_err(cannot)?;
    }
    let old_go = old_go(&rotated, most);
    Ok(compare(sink, path, rotated, events, lines, old_go))
}

/// Whether the sink, which keeps so many rotated files, may have removed older ones.
pub(super) fn old_go(rotated: &[PathBuf], most: Option<u64>) -> bool {
    most.is_some_and(|most| rotated.len() as u64 >= most)
}

/// Reads a log and its rotated files, oldest first.
fn read(path: &Path, contents: &HashMap<Uuid, Content>) -> std::io::Result<(Vec<PathBuf>, Lines)> {
    let mut lines = Lines::default();
    let rotated = each_file(path, |from| lines.read(from, contents))?;
    Ok((rotated, lines))
}

/// Opens a log's rotated files, oldest first, and then the log.
pub(super) fn each_file(
    path: &Path,
    mut read: impl FnMut(BufReader<File>) -> std::io::Result<()>,
) -> std::io::Result<Vec<PathBuf>> {
    // Opened first: what is rotated meanwhile is read twice, not never.
    let log = match File::open(path) {
        Ok(log) => Some(log),
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    let rotated = rotated(path)?;
    for old in &rotated {
        match File::open(old) {
            Ok(old) => read(BufReader::new(old))?,
            // The sink has removed it since.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    if let Some(log) = log {
        read(BufReader::new(log))?;
    }
    Ok(rotated)
}

/// `<name>.<number>` beside the log, lowest number first.
fn rotated(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut all: Vec<(u64, PathBuf)> = Vec::new();
    for entry in entries {
        let entry = entry?;
        let other = entry.file_name();
        let number = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
        let number = number.filter(|text| !text.starts_with(['0', '+'])).and_then(|text| text.parse().ok());
        all.extend(number.map(|number| (number, entry.path())));
    }
    all.sort_unstable();
    Ok(all.into_iter().map(|(_, path)| path).collect())
}

/// What the lines of a file say.
#[derive(Default)]
struct Lines {
    ids: HashSet<Uuid>,
    duplicates: Vec<Duplicate>,
    changed: Vec<u64>,
    changed_ids: Vec<Uuid>,
    broken: Vec<u64>,
    /// The last line has no end.
    torn: bool,
    /// How many there are.
    count: u64,
}

impl Lines {
    /// Reads further lines.
    fn read(&mut self, mut from: impl BufRead, contents: &HashMap<Uuid, Content>) -> std::io::Result<()> {
        let (all, mut text) = (self, Vec::new());
        while from.read_until(b'\n', &mut text)? > 0 {
            all.count += 1;
            let line = all.count;
            all.torn = text.last() != Some(&b'\n');
            let event = serde_json::from_slice::<Value>(&text).ok().filter(|_| !all.torn);
            let id = event.as_ref().and_then(|event| event["id"].as_str()?.parse::<Uuid>().ok());
            match (event, id) {
                (Some(event), Some(id)) => {
                    // What no store has is not ours to judge: it may have come after the events were read.
                    if contents.get(&id).is_some_and(|expected| *expected != content(&event)) {
                        all.changed.push(line);
                        all.changed_ids.push(id);
                    }
                    if !all.ids.insert(id) {
                        all.duplicates.push(Duplicate { line, id });
                    }
                }
                _ => all.broken.push(line),
            }
            text.clear();
        }
        Ok(())
    }
}

fn compare(
    sink: &str,
    path: &Path,
    rotated: Vec<PathBuf>,
    events: &[Expected],
    lines: Lines,
    old_go: bool,
) -> Report {
    let mut report = Report {
        sink: sink.to_owned(),
        file: path.to_owned(),
        rotated,
        events: events.len(),
        found: 0,
        waiting: 0,
        removed: 0,
        missing: Vec::new(),
        first_missing: None,
        duplicates: lines.duplicates,
        changed_lines: lines.changed,
        changed: lines.changed_ids,
        broken_lines: lines.broken,
        lines: lines.count,
    };
    // Lanes of which something was found: what comes after that must be there.
    let mut begun = HashSet::new();
    let mut first_missing: Option<&Expected> = None;
    for event in events {
        if lines.ids.contains(&event.id) {
            begun.insert(event.lane);
            report.found += 1;
        } else if event.waits {
            report.waiting += 1;
        } else if old_go && !begun.contains(&event.lane) {
            report.removed += 1;
        } else {
            report.missing.push(event.id);
            if first_missing.is_none_or(|first| event.time < first.time) {
                first_missing = Some(event);
            }
        }
    }
    report.first_missing = first_missing.map(|event| event.id);
    report
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cloud(id: u128) -> Value {
        json!({"id": Uuid::from_u128(id).to_string(), "type": "patd.token.minted"})
    }

    fn event(id: u128, waits: bool) -> Expected {
        Expected { id: Uuid::from_u128(id), content: content(&cloud(id)), waits, lane: 0, time: "".into() }
    }

    fn line(id: u128) -> String {
        format!("{}\n", cloud(id))
    }

    fn compared(text: &str, events: &[Expected]) -> Report {
        let contents = events.iter().map(|event| (event.id, event.content)).collect();
        let mut lines = Lines::default();
        lines.read(text.as_bytes(), &contents).expect("reads");
        compare("file", Path::new("/a"), Vec::new(), events, lines, false)
    }

    #[test]
    fn rotated_files_are_read_oldest_first_and_what_went_with_old_ones_is_not_missing() {
        let scratch = tempfile::tempdir().expect("a folder");
        let log = scratch.path().join("log");
        for (name, ids) in [("log.2", [2, 3]), ("log.10", [4, 5]), ("log", [6, 7]), ("log.02", [8, 9])] {
            std::fs::write(scratch.path().join(name), ids.map(line).concat()).expect("written");
        }
        let events: Vec<_> = [1, 2, 3, 4, 5, 6, 7].map(|id| event(id, false)).into();
        let whole = report("file", &log, &events, None).expect("reads");
        let names: Vec<_> = whole.rotated.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["log.2", "log.10"]);
        assert_eq!((whole.found, whole.removed, &*whole.missing), (6, 0, &[Uuid::from_u128(1)][..]));
        let limited = report("file", &log, &events, Some(2)).expect("reads");
        assert_eq!((limited.found, limited.removed, limited.missing.len()), (6, 1, 0));
        std::fs::write(scratch.path().join("log.10"), line(4) + "broken\n").expect("written");
        let broken = report("file", &log, &events, Some(2)).expect("reads");
        assert_eq!((&*broken.broken_lines, &*broken.missing), (&[4][..], &[Uuid::from_u128(5)][..]));
    }

    #[test]
    fn what_the_sink_accepted_is_missing_and_what_it_did_not_is_waiting() {
        let events = [event(1, false), event(2, false), event(3, true), event(4, true)];
        let report = compared(&(line(1) + &line(3)), &events);
        assert_eq!((report.events, report.found, report.waiting), (4, 2, 1));
        assert_eq!(report.missing, [Uuid::from_u128(2)]);
        assert!(report.first_bad().is_some());
    }

    #[test]
    fn an_event_that_is_there_twice_is_named_and_does_no_harm() {
        let report = compared(&(line(1) + &line(2) + &line(1)), &[event(1, false), event(2, false)]);
        assert_eq!(report.duplicates, [Duplicate { line: 3, id: Uuid::from_u128(1) }]);
        assert_eq!(report.first_bad(), None);
    }

    #[test]
    fn a_line_that_was_changed_is_numbered_and_one_that_was_rewritten_is_not() {
        let changed = line(2).replace("minted", "revoked");
        let rewritten = format!("{{ \"type\":\"patd.token.minted\",  \"id\":\"{}\" }}\n", Uuid::from_u128(3));
        let events = [event(1, false), event(2, false), event(3, false)];
        let report = compared(&(line(1) + &changed + &rewritten), &events);
        assert_eq!((report.found, &report.changed_lines), (3, &vec![2]));
        assert!(report.first_bad().is_some());
    }

    #[test]
    fn lines_that_are_no_whole_event_are_numbered() {
        let report = compared(&format!("{}{{\"id\":\n\n{}{}", line(1), line(2), line(3).trim_end()), &[]);
        assert_eq!(report.broken_lines, [2, 3, 5]);
        assert!(report.first_bad().is_some());
    }
}
