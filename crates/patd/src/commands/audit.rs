//! `patd audit verify`: is every event of the stores in the files of the sink `audit-file`?
//!
//! Order makes the answer right beside a running daemon: events first, then how far each sink has come, the files last.
//! What a sink has accepted by then must be in its file. Changes neither stores nor files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use clap::Subcommand;
use patd_config::Config;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::audit_files::{Expected, content, report, verdict};
use super::{Context, dead_letters};
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
    /// no harm. Rotated files are part of the log; lines are counted through them, oldest first. Where the sink removes old files
    /// (`max_files`), events from before the first that is still there count as removed.
    #[command(
        after_help = "Example:\n  patd audit verify --output json\n\nExit code 1 when events are missing, or lines changed or broken."
    )]
    Verify,
    /// Events that a sink will never take. They are kept in the store that has them, with what the sink said.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Verify => verify(context),
        Command::DeadLetters(command) => dead_letters::run(context, command),
    }
}

fn verify(context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    let templates = templates(&config)?;
    if templates.is_empty() {
        return Err(Failure::Refused(format!("no sink of the config uses the plug-in `{PLUGIN}`")));
    }
    let connection = Connection::open(&config)?;
    let expected = expected(&connection, &templates);
    connection.close();
    let mut reports = Vec::new();
    for ((sink, path), events) in expected? {
        let most = templates.get(&sink).and_then(|log| log.max_files);
        reports.push(report(&sink, &path, &events, most)?);
    }
    context.print(&json!(reports));
    verdict(&reports)
}

/// What the config says of a sink that writes files.
struct Log {
    /// `{site}` still in it.
    path: String,
    /// Rotated files that stay.
    max_files: Option<u64>,
}

/// Each sink that writes files.
fn templates(config: &Config) -> Result<BTreeMap<String, Log>, Failure> {
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
        let log = Log { path: path.to_owned(), max_files: settings["max_files"].as_u64() };
        all.insert(name.to_string(), log);
    }
    Ok(all)
}

/// How far a sink has come, as [`Operation::AuditSinks`] answers.
#[derive(Deserialize)]
struct Progress {
    sink: String,
    sites: HashSet<String>,
    types: HashSet<String>,
    types_of_no_site: HashSet<String>,
    lanes: Vec<Lane>,
}

/// How far it has come in a store with the events of a site, or of none.
#[derive(Deserialize)]
struct Lane {
    store: String,
    site: Option<String>,
    waiting_from: Option<u64>,
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

type ByFile = BTreeMap<(String, PathBuf), Vec<Expected>>;

fn ask<T: serde::de::DeserializeOwned>(connection: &Connection, operation: Operation) -> Result<T, Failure> {
    serde_json::from_value(connection.operate(operation)?)
        .map_err(|e| Failure::Refused(format!("the daemon answered something else ({e}); same version?")))
}

/// What each file should have.
fn expected(connection: &Connection, templates: &BTreeMap<String, Log>) -> Result<ByFile, Failure> {
    let ours = |sinks: Vec<Progress>| sinks.into_iter().filter(|sink| templates.contains_key(&sink.sink));
    let sinks: Vec<Progress> = ours(ask(connection, Operation::AuditSinks)?).collect();
    let mut events: HashMap<String, Vec<Stored>> = HashMap::new();
    for Lane { store, .. } in sinks.iter().flat_map(|sink| &sink.lanes) {
        if !events.contains_key(store) {
            events.insert(store.clone(), all_events(connection, store)?);
        }
    }
    // Asked again: everything before these positions has been accepted, and so is in the files from now on.
    let sinks = ours(ask(connection, Operation::AuditSinks)?);
    let mut files = ByFile::new();
    for sink in sinks {
        let Some(template) = templates.get(&sink.sink) else { continue };
        let file = |site: Option<&str>| {
            (sink.sink.clone(), PathBuf::from(template.path.replace("{site}", site.unwrap_or("directory"))))
        };
        // Also files that should be empty are looked at.
        for site in sink.sites.iter().map(|site| Some(site.as_str())).chain([None]) {
            files.entry(file(site)).or_default();
        }
        for (lane, Lane { store, site, waiting_from }) in sink.lanes.iter().enumerate() {
            let types = if site.is_some() { &sink.types } else { &sink.types_of_no_site };
            for event in events.get(store).into_iter().flatten() {
                if event.site == *site && types.contains(&event.r#type) {
                    let waits = waiting_from.is_some_and(|from| event.position >= from);
                    files.entry(file(event.site.as_deref())).or_default().push(Expected {
                        id: event.id,
                        content: content(&event.event),
                        waits,
                        lane,
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
