//! `patd audit verify`: is every event of the stores in the files of the sink `audit-file`?
//!
//! Order makes the answer right beside a running daemon: events first, then how far each sink has come, the files last.
//! What a sink has accepted by then must be in its file. Changes neither stores nor files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use patd_config::Config;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Context;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::operate::Operation;

/// The plug-in whose files this command can read.
const PLUGIN: &str = "audit-file";

/// The audit trail.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Compare the audit files with the stores: every event must be there as it is in the store, every line whole JSON.
    /// An event that still waits in the outbox counts as waiting; one that is there twice (delivery is at least once) does
    /// no harm. Events in files that were rotated away count as missing.
    #[command(
        after_help = "Example:\n  patd audit verify --output json\n\nExit code 1 when events are missing, or lines changed or broken."
    )]
    Verify,
}

pub(super) fn run(context: &Context, Command::Verify: Command) -> Result<(), Failure> {
    let config = context.config()?;
    let templates = templates(&config)?;
    if templates.is_empty() {
        return Err(Failure::Refused(format!("no sink of the config uses the plug-in `{PLUGIN}`")));
    }
    let connection = Connection::open(&config)?;
    let expected = expected(&connection, &config, &templates);
    connection.close();
    let mut reports = Vec::new();
    for ((sink, path), events) in expected? {
        reports.push(report(&sink, &path, &events)?);
    }
    context.print(&json!(reports));
    verdict(&reports)
}

/// The path of each sink that writes files, `{site}` still in it.
fn templates(config: &Config) -> Result<BTreeMap<String, String>, Failure> {
    let data_dir = config.server.data_dir.display().to_string();
    let mut all = BTreeMap::new();
    for (name, sink) in config.sinks.iter().filter(|(_, sink)| &*sink.plugin == PLUGIN) {
        let settings = sink
            .config
            .to_json(&[("data_dir", &data_dir)])
            .map_err(|e| Failure::Refused(format!("[sinks.{name}]: {e}")))?;
        let path = settings["path"]
            .as_str()
            .ok_or_else(|| Failure::Refused(format!("[sinks.{name}]: its config has no path")))?;
        all.insert(name.to_string(), path.to_owned());
    }
    Ok(all)
}

/// How far a sink has come, as [`Operation::AuditSinks`] answers.
#[derive(Deserialize)]
struct Progress {
    sink: String,
    sites: HashSet<String>,
    stores: Vec<(String, Option<u64>)>,
}

/// An event, as [`Operation::AuditEvents`] answers.
#[derive(Deserialize)]
struct Stored {
    position: u64,
    id: Uuid,
    r#type: String,
    site: Option<String>,
    /// As it is delivered.
    event: Value,
}

/// The content of an event: members in any order, blanks as they please.
type Content = [u8; 32];

fn content(event: &Value) -> Content {
    Sha256::digest(event.to_string()).into()
}

/// An event that a file should have.
#[derive(Clone, Copy)]
struct Expected {
    id: Uuid,
    content: Content,
    /// The sink has not accepted it yet.
    waits: bool,
}

type ByFile = BTreeMap<(String, PathBuf), Vec<Expected>>;

fn ask<T: serde::de::DeserializeOwned>(connection: &Connection, operation: Operation) -> Result<T, Failure> {
    serde_json::from_value(connection.operate(operation)?)
        .map_err(|e| Failure::Refused(format!("the daemon answered something else ({e}); same version?")))
}

/// What each file should have.
fn expected(
    connection: &Connection,
    config: &Config,
    templates: &BTreeMap<String, String>,
) -> Result<ByFile, Failure> {
    let ours = |sinks: Vec<Progress>| sinks.into_iter().filter(|sink| templates.contains_key(&sink.sink));
    let sinks: Vec<Progress> = ours(ask(connection, Operation::AuditSinks)?).collect();
    let mut events: HashMap<String, Vec<Stored>> = HashMap::new();
    for (store, _) in sinks.iter().flat_map(|sink| &sink.stores) {
        if !events.contains_key(store) {
            events.insert(store.clone(), all_events(connection, store)?);
        }
    }
    // Asked again: everything before these positions has been accepted, and so is in the files from now on.
    let sinks = ours(ask(connection, Operation::AuditSinks)?);
    let mut files = ByFile::new();
    for sink in sinks {
        let (Some(template), Some(settings)) = (templates.get(&sink.sink), config.sinks.get(&*sink.sink))
        else {
            continue;
        };
        let file = |site: Option<&str>| {
            (sink.sink.clone(), PathBuf::from(template.replace("{site}", site.unwrap_or("directory"))))
        };
        // Also files that should be empty are looked at.
        for site in sink.sites.iter().map(|site| Some(site.as_str())).chain([None]) {
            files.entry(file(site)).or_default();
        }
        for (store, waiting_from) in &sink.stores {
            for event in events.get(store).into_iter().flatten() {
                let of_sink = event.site.as_ref().is_none_or(|site| sink.sites.contains(site));
                if of_sink && settings.takes(&event.r#type) {
                    let waits = waiting_from.is_some_and(|from| event.position >= from);
                    files.entry(file(event.site.as_deref())).or_default().push(Expected {
                        id: event.id,
                        content: content(&event.event),
                        waits,
                    });
                }
            }
        }
    }
    Ok(files)
}

fn all_events(connection: &Connection, store: &str) -> Result<Vec<Stored>, Failure> {
    let mut all: Vec<Stored> = Vec::new();
    loop {
        let after = all.last().map_or(0, |event| event.position);
        let page: Vec<Stored> = ask(connection, Operation::AuditEvents { store: store.to_owned(), after })?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// What one file is like.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Report {
    sink: String,
    file: PathBuf,
    /// Events of the stores that belong here.
    events: usize,
    /// Of these, those that are here.
    found: usize,
    /// Of these, those that are not here because the sink has not accepted them yet.
    waiting: usize,
    /// Of these, those that should be here and are not.
    missing: Vec<Uuid>,
    /// Lines with an event that an earlier line has.
    duplicates: Vec<Duplicate>,
    /// Numbers of lines whose event is another one in the store.
    changed_lines: Vec<u64>,
    /// Numbers of lines that are no whole event.
    broken_lines: Vec<u64>,
}

/// An event that is there once more.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Duplicate {
    line: u64,
    id: Uuid,
}

fn report(sink: &str, path: &Path, events: &[Expected]) -> Result<Report, Failure> {
    let cannot = |e| Failure::io("read the audit file", path, e);
    let contents = events.iter().map(|event| (event.id, event.content)).collect();
    let lines = match File::open(path) {
        Ok(file) => {
            let mut lines = Lines::read(BufReader::new(file), &contents).map_err(cannot)?;
            if lines.torn {
                // A running daemon may be in the middle of a line: once more.
                let again = BufReader::new(File::open(path).map_err(cannot)?);
                lines = Lines::read(again, &contents).map_err(cannot)?;
            }
            lines
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Lines::default(),
        Err(e) => return Err(cannot(e)),
    };
    Ok(compare(sink, path, events, lines))
}

/// What the lines of a file say.
#[derive(Default)]
struct Lines {
    ids: HashSet<Uuid>,
    duplicates: Vec<Duplicate>,
    changed: Vec<u64>,
    broken: Vec<u64>,
    /// The last line has no end.
    torn: bool,
}

impl Lines {
    fn read(mut from: impl BufRead, contents: &HashMap<Uuid, Content>) -> std::io::Result<Self> {
        let (mut all, mut text, mut line) = (Self::default(), Vec::new(), 0);
        while from.read_until(b'\n', &mut text)? > 0 {
            line += 1;
            all.torn = text.last() != Some(&b'\n');
            let event = serde_json::from_slice::<Value>(&text).ok().filter(|_| !all.torn);
            let id = event.as_ref().and_then(|event| event["id"].as_str()?.parse::<Uuid>().ok());
            match (event, id) {
                (Some(event), Some(id)) => {
                    // What no store has is not ours to judge: it may have come after the events were read.
                    if contents.get(&id).is_some_and(|expected| *expected != content(&event)) {
                        all.changed.push(line);
                    }
                    if !all.ids.insert(id) {
                        all.duplicates.push(Duplicate { line, id });
                    }
                }
                _ => all.broken.push(line),
            }
            text.clear();
        }
        Ok(all)
    }
}

fn compare(sink: &str, path: &Path, events: &[Expected], lines: Lines) -> Report {
    let absent: Vec<_> = events.iter().filter(|event| !lines.ids.contains(&event.id)).collect();
    Report {
        sink: sink.to_owned(),
        file: path.to_owned(),
        events: events.len(),
        found: events.len() - absent.len(),
        waiting: absent.iter().filter(|event| event.waits).count(),
        missing: absent.iter().filter(|event| !event.waits).map(|event| event.id).collect(),
        duplicates: lines.duplicates,
        changed_lines: lines.changed,
        broken_lines: lines.broken,
    }
}

fn verdict(reports: &[Report]) -> Result<(), Failure> {
    let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    let missing = sum(|report| report.missing.len());
    let changed = sum(|report| report.changed_lines.len());
    let broken = sum(|report| report.broken_lines.len());
    if missing + changed + broken == 0 {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "{missing} events are missing, {changed} lines are changed and {broken} are broken in the audit files; the stores \
         still have every event"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(id: u128) -> Value {
        json!({"id": Uuid::from_u128(id).to_string(), "type": "patd.token.minted"})
    }

    fn event(id: u128, waits: bool) -> Expected {
        Expected { id: Uuid::from_u128(id), content: content(&cloud(id)), waits }
    }

    fn line(id: u128) -> String {
        format!("{}\n", cloud(id))
    }

    fn compared(text: &str, events: &[Expected]) -> Report {
        let contents = events.iter().map(|event| (event.id, event.content)).collect();
        compare("file", Path::new("/a"), events, Lines::read(text.as_bytes(), &contents).expect("reads"))
    }

    #[test]
    fn what_the_sink_accepted_is_missing_and_what_it_did_not_is_waiting() {
        let events = [event(1, false), event(2, false), event(3, true), event(4, true)];
        let report = compared(&(line(1) + &line(3)), &events);
        assert_eq!((report.events, report.found, report.waiting), (4, 2, 1));
        assert_eq!(report.missing, [Uuid::from_u128(2)]);
        assert!(verdict(&[report]).is_err());
    }

    #[test]
    fn an_event_that_is_there_twice_is_named_and_does_no_harm() {
        let report = compared(&(line(1) + &line(2) + &line(1)), &[event(1, false), event(2, false)]);
        assert_eq!(report.duplicates, [Duplicate { line: 3, id: Uuid::from_u128(1) }]);
        assert!(verdict(&[report]).is_ok());
    }

    #[test]
    fn a_line_that_was_changed_is_numbered_and_one_that_was_rewritten_is_not() {
        let changed = line(2).replace("minted", "revoked");
        let rewritten = format!("{{ \"type\":\"patd.token.minted\",  \"id\":\"{}\" }}\n", Uuid::from_u128(3));
        let events = [event(1, false), event(2, false), event(3, false)];
        let report = compared(&(line(1) + &changed + &rewritten), &events);
        assert_eq!((report.found, &report.changed_lines), (3, &vec![2]));
        assert!(verdict(&[report]).is_err());
    }

    #[test]
    fn lines_that_are_no_whole_event_are_numbered() {
        let report = compared(&format!("{}{{\"id\":\n\n{}{}", line(1), line(2), line(3).trim_end()), &[]);
        assert_eq!(report.broken_lines, [2, 3, 5]);
        assert!(verdict(&[report]).is_err());
    }
}
