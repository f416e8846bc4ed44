//! `patd audit`: checks the audit trail, and what else an operator does with it.
//!
//! Checking goes through the stores, event by event, and through the files of the sink `audit-file`. Order makes the answer
//! right beside a running daemon: how far the chains were, then events, then how far each sink has come, the files last. What
//! a sink has accepted by then must be in its file. Changes neither stores nor files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use patd_config::Config;
use patd_core::event::EventType;
use patd_service::ports::Clock as _;
use patd_service::seal::check::{Bad, Checker, Copy, Head, Outcome, Stores};
use patd_service::seal::checkpoint::{Chain, Checkpoint};
use patd_service::seal::keys::Keys;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::audit_files::{self, Content, Expected, content};
use super::audit_seal::{FileCheck, find_in_file, is, told, told_of};
use super::{Context, dead_letters};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::operate::Operation;
use crate::seal_files::{SealFiles, read_keys};
use crate::system::WallClock;

/// The plug-in whose files this command can read.
const PLUGIN: &str = "audit-file";
/// Rows side by side that a store cannot read before it is taken to be out of service.
const MAX_UNREADABLE: u32 = 100;
/// How long an event may wait for its checkpoint while a daemon runs, in microseconds.
const UNSEALED_FOR: i64 = 30_000_000;

/// The audit trail.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check the audit trail: name the first event that was changed, dropped, swapped or cut, in the stores or in the audit
    /// files. An event that still waits in the outbox counts as waiting; one that is in a file twice (delivery is at least
    /// once) does no harm. Rotated files are part of the log; lines are counted through them, oldest first. Where the sink
    /// removes old files (`max_files`), events from before the first that is still there count as removed.
    #[command(
        after_help = "Examples:\n  patd audit verify --output json\n  patd audit verify --file export.jsonl --keys audit.keys\n\n\
                      Exit code 1 when an event is not as it was sealed."
    )]
    Verify(Verify),
    /// Put a new key in place of the one that signs the trail. The old one hands over to it and is gone; its public key stays
    /// in `audit.keys`, so what it signed can still be checked. For a key that somebody may have read.
    #[command(after_help = "Example:\n  patd audit rotate-key")]
    RotateKey,
    /// Events that a sink will never take. They are kept in the store that has them, with what the sink said.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
}

/// What to check.
#[derive(clap::Args)]
pub(crate) struct Verify {
    /// Only the events of this site, by its key in the config, content URL or LUID.
    #[arg(long)]
    site: Option<String>,
    /// Only this file: an audit file, or a copy of one.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Check by these public keys instead of the data folder's; with --file, nothing else is read.
    #[arg(long)]
    keys: Option<PathBuf>,
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Verify(Verify { site: None, file: Some(file), keys: Some(keys) }) => {
            let outcome = FileCheck::alone(&read_keys(&keys)?).run(&file)?;
            let bad = outcome.first_bad.as_ref().map(|bad| told_of(bad, &file.display().to_string()));
            answer(context, outcome.checked, bad, told(&outcome))
        }
        Command::Verify(what) => verify(context, &what),
        Command::RotateKey => {
            context.print(&context.operate(Operation::AuditRotateKey)?);
            Ok(())
        }
        Command::DeadLetters(command) => dead_letters::run(context, command),
    }
}

/// Prints what was found; refuses when something is bad.
fn answer(context: &Context, checked: u64, bad: Option<Value>, more: Value) -> Result<(), Failure> {
    let mut all = Map::new();
    all.insert("ok".to_owned(), bad.is_none().into());
    all.insert("checked".to_owned(), checked.into());
    all.insert("first_bad".to_owned(), json!(bad));
    if let Value::Object(more) = more {
        all.extend(more.into_iter().filter(|(name, _)| name != "checked"));
    }
    context.print(&Value::Object(all));
    let Some(bad) = bad else { return Ok(()) };
    Err(Failure::Refused(format!(
        "the audit trail is not as it was sealed: event {} was {}, at {} of {}",
        bad["id"].as_str().unwrap_or("(unknown)"),
        bad["reason"].as_str().unwrap_or_default(),
        bad["position"],
        bad["in"].as_str().unwrap_or_default(),
    )))
}

fn verify(context: &Context, what: &Verify) -> Result<(), Failure> {
    let config = context.config()?;
    let seal = SealFiles::of(&config);
    let keys = match &what.keys {
        Some(path) => read_keys(path)?,
        None => seal.public_keys()?.ok_or_else(|| {
            Failure::Refused("nothing is sealed yet: the daemon makes the keys when it starts".to_owned())
        })?,
    };
    let logs = templates(&config)?;
    let connection = Connection::open(&config)?;
    let found = Check { connection: &connection, keys: &keys, seal: &seal, logs: &logs }.run(what);
    connection.close();
    let (checked, bad, more) = found?;
    answer(context, checked, bad, more)
}

/// One check, through the stores and the files.
struct Check<'a> {
    connection: &'a Connection,
    keys: &'a Keys,
    seal: &'a SealFiles,
    logs: &'a BTreeMap<String, Log>,
}

/// What of a store is remembered for its files.
type Kept = HashMap<String, Vec<Stored>>;

impl Check<'_> {
    fn run(&self, what: &Verify) -> Result<(u64, Option<Value>, Value), Failure> {
        let site = what.site.as_deref().map(|name| self.site(name)).transpose()?;
        let names: Vec<String> = ask::<Vec<Value>>(self.connection, Operation::StoreStatus)?
            .iter()
            .filter_map(|store| store["store"].as_str().map(str::to_owned))
            .collect();
        let (mut kept, mut stores, mut noted) = (Kept::new(), Vec::new(), Vec::new());
        for name in &names {
            let (outcome, events, heads) = self.store(name, site.as_deref())?;
            kept.insert(name.clone(), events);
            noted.extend(heads);
            stores.push((name, outcome));
        }
        let files = self.files(&kept, site.as_deref())?;
        let (keys, site) = (self.keys, site.as_deref());
        let asked = what.file.as_deref().map(|file| std::fs::canonicalize(file).unwrap_or(file.to_owned()));
        let same = |path: &Path| {
            asked.as_ref().is_none_or(|asked| std::fs::canonicalize(path).is_ok_and(|path| path == *asked))
        };
        if let Some(file) = asked.as_deref().filter(|_| !files.keys().any(|(_, path)| same(path))) {
            // A copy: the stores may still know what is not in it.
            let outcome = FileCheck { site, heads: &noted, ..FileCheck::alone(keys) }.run(file)?;
            let genuine = |stretch| self.find_in_stores(&names, stretch);
            let bad = explained(outcome.first_bad.as_ref(), genuine)?;
            let bad = bad.map(|bad| told_of(&bad, &file.display().to_string()));
            return Ok((outcome.checked, bad, told(&outcome)));
        }
        let mut first = None;
        if asked.is_none() {
            for (name, outcome) in &stores {
                let genuine =
                    |stretch| Ok(files.keys().find_map(|(_, path)| find_in_file(path, self.keys, stretch)));
                let bad = explained(outcome.first_bad.as_ref(), genuine)?;
                first =
                    first.or_else(|| bad.map(|bad| told_of(&bad, name))).or_else(|| self.late(name, outcome));
            }
        }
        let ids = kept.into_values().flatten().map(|event| event.id).collect();
        let stores_have =
            if self.connection.is_daemon() { Stores::Running(&ids) } else { Stores::Stopped(&ids) };
        let (mut reports, mut lines) = (Vec::new(), 0);
        for ((sink, path), (events, filtered)) in files.iter().filter(|((_, path), _)| same(path)) {
            let max_files = self.logs.get(sink).and_then(|log| log.max_files);
            let (filtered, stores) = (*filtered, stores_have);
            let check = FileCheck { filtered, max_files, site, stores, ..FileCheck::alone(keys) };
            let (mut outcome, mut report) =
                (check.run(path)?, audit_files::report(sink, path, events, max_files)?);
            if outcome.first_bad.is_some() {
                // A running daemon may be in the middle of a line, or rotate: once more.
                (outcome, report) = (check.run(path)?, audit_files::report(sink, path, events, max_files)?);
            }
            lines += outcome.checked;
            let bad = explained(outcome.first_bad.as_ref(), |stretch| self.find_in_stores(&names, stretch))?;
            let place = path.display().to_string();
            // Where the seal holds, it is the store that has another event.
            let sealed = outcome.first_bad.is_none() && outcome.unsealed == 0;
            let by_stores = report.first_bad().filter(|(_, _, reason)| !sealed || *reason != "changed");
            let by_stores = by_stores.map(|(id, position, reason)| {
                json!({"id": id.map(|id| id.to_string()), "position": position, "reason": reason, "in": place})
            });
            let bad = bad.filter(|bad| bad.id.is_some() || by_stores.is_none());
            first = first.or_else(|| bad.map(|bad| told_of(&bad, &place))).or(by_stores);
            let mut report = json!(report);
            report["seal"] = told(&outcome);
            reports.push(report);
        }
        let checked =
            if asked.is_some() { lines } else { stores.iter().map(|(_, store)| store.checked).sum() };
        let unsealed: u64 = stores.iter().map(|(_, store)| store.unsealed).sum();
        let stores: Map<_, _> = stores.iter().map(|(name, store)| ((*name).clone(), told(store))).collect();
        Ok((checked, first, json!({"unsealed": unsealed, "stores": stores, "files": reports})))
    }

    /// A site's LUID.
    fn site(&self, name: &str) -> Result<String, Failure> {
        let sites: Vec<Value> = ask(self.connection, Operation::SiteList)?;
        let named = |site: &&Value| {
            ["key", "content_url", "luid"]
                .iter()
                .any(|member| site[*member].as_str().is_some_and(|text| text.eq_ignore_ascii_case(name)))
        };
        let luid = sites.iter().find(named).and_then(|site| site["luid"].as_str());
        luid.map(str::to_owned)
            .ok_or_else(|| Failure::Refused(format!("there is no site `{name}`: see `patd site list`")))
    }

    /// Checks a store: what was found, its events for the files, how far it was noted to be.
    fn store(&self, name: &str, site: Option<&str>) -> Result<(Outcome, Vec<Stored>, Vec<Head>), Failure> {
        let mut noted = self.seal.noted(name)?;
        noted.retain(|(head, _)| {
            site.is_none_or(|site| head.chain.site.is_some_and(|s| s.to_string() == site))
        });
        let begins = noted.iter().map(|(head, begins)| (head.chain, *begins)).collect();
        let heads: Vec<Head> = noted.iter().map(|(head, _)| *head).collect();
        let (mut checker, mut kept) = (Checker::new(self.keys, Copy::Store, begins), Vec::new());
        self.each(name, |position, event| match event {
            Some(event) if site.is_none() || event.site.as_deref() == site => {
                checker.event(position, &event.event);
                kept.push(event.into());
            }
            Some(_) => {}
            None => checker.unreadable(position),
        })?;
        Ok((checker.finish(&heads), kept, heads))
    }

    /// Each event of a store with its position; none where the store cannot read what it has.
    fn each(&self, store: &str, mut take: impl FnMut(u64, Option<Sent>)) -> Result<(), Failure> {
        let (mut after, mut limit, mut failures) = (0, None, 0);
        loop {
            let operation = Operation::AuditEvents { store: store.to_owned(), after, limit };
            match ask::<Vec<Sent>>(self.connection, operation) {
                Ok(page) => {
                    let Some(last) = page.last() else { return Ok(()) };
                    limit = limit.filter(|_| failures == 0);
                    (after, failures) = (last.position, 0);
                    page.into_iter().for_each(|event| take(event.position, Some(event)));
                }
                // One of them, which is looked for.
                Err(Failure::Refused(_)) if limit.is_none() => limit = Some(1),
                Err(failure) => {
                    failures += 1;
                    if failures > MAX_UNREADABLE {
                        return Err(failure);
                    }
                    after += 1;
                    take(after, None);
                }
            }
        }
    }

    /// An event that should have its checkpoint by now.
    fn late(&self, store: &str, outcome: &Outcome) -> Option<Value> {
        let (id, position, time) = outcome.unsealed_since?;
        let waits = WallClock::default().now().0 - time;
        (self.connection.is_daemon() && waits > UNSEALED_FOR)
            .then(|| json!({"id": id.to_string(), "position": position, "reason": "unsealed", "in": store}))
    }

    fn find_in_stores(&self, names: &[String], stretch: (Chain, u64)) -> Result<Option<Checkpoint>, Failure> {
        let mut found = None;
        for name in names.iter().filter(|name| !stretch.0.directory || *name == patd_config::DIRECTORY_STORE)
        {
            self.each(name, |_, event| {
                let event = event.filter(|event| event.r#type == EventType::AuditCheckpoint.as_str());
                if let Some(event) = event.filter(|_| found.is_none()) {
                    found = is(&event.event, self.keys, stretch);
                }
            })?;
        }
        Ok(found)
    }

    /// What each file should have, and whether its sink takes some types only.
    fn files(&self, events: &Kept, only: Option<&str>) -> Result<ByFile, Failure> {
        let templates = self.logs;
        // Everything before these positions has been accepted, and so is in the files from now on.
        let sinks: Vec<Progress> = ask(self.connection, Operation::AuditSinks)?;
        let sinks = sinks.into_iter().filter(|sink| templates.contains_key(&sink.sink));
        let mut files = ByFile::new();
        for sink in sinks {
            let Some(template) = templates.get(&sink.sink) else { continue };
            let file = |site: Option<&str>| {
                (
                    sink.sink.clone(),
                    PathBuf::from(template.path.replace("{site}", site.unwrap_or("directory"))),
                )
            };
            // Also files that should be empty are looked at.
            for site in sink.sites.iter().map(|site| Some(site.as_str())).chain([None]) {
                if only.is_none() || only == site {
                    let types = if site.is_some() { &sink.types } else { &sink.types_of_no_site };
                    files.entry(file(site)).or_default().1 |= types.len() < EventType::ALL.len();
                }
            }
            for (lane, Lane { store, site, waiting_from }) in sink.lanes.iter().enumerate() {
                let types = if site.is_some() { &sink.types } else { &sink.types_of_no_site };
                for event in events.get(store).into_iter().flatten() {
                    if event.site == *site && types.contains(&event.r#type) {
                        let waits = waiting_from.is_some_and(|from| event.position >= from);
                        files.entry(file(event.site.as_deref())).or_default().0.push(Expected {
                            id: event.id,
                            content: event.content,
                            waits,
                            lane,
                            time: event.time.clone(),
                        });
                    }
                }
            }
        }
        Ok(files)
    }
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
struct Sent {
    position: u64,
    id: Uuid,
    r#type: String,
    site: Option<String>,
    /// As it is delivered.
    event: Value,
}

/// What is kept of it for the comparison with the files.
struct Stored {
    position: u64,
    id: Uuid,
    r#type: String,
    site: Option<String>,
    content: Content,
    time: Box<str>,
}

impl From<Sent> for Stored {
    fn from(sent: Sent) -> Self {
        let (content, time) = (content(&sent.event), sent.event["time"].as_str().unwrap_or_default());
        let time = time.trim_end_matches('Z').into();
        Self { position: sent.position, id: sent.id, r#type: sent.r#type, site: sent.site, content, time }
    }
}

/// By sink and path: the events, and whether the sink takes some types only.
type ByFile = BTreeMap<(String, PathBuf), (Vec<Expected>, bool)>;

/// A fault with the event named that the genuine checkpoint, from another copy, shows.
fn explained(
    bad: Option<&Bad>,
    genuine: impl FnOnce((Chain, u64)) -> Result<Option<Checkpoint>, Failure>,
) -> Result<Option<Bad>, Failure> {
    let Some(bad) = bad else { return Ok(None) };
    let genuine = match bad.stretch.filter(|_| bad.is_vague()) {
        Some(stretch) => genuine(stretch)?,
        None => None,
    };
    Ok(Some(match genuine {
        Some(genuine) => bad.clone().explained_by(&genuine),
        None => bad.clone(),
    }))
}

fn ask<T: serde::de::DeserializeOwned>(connection: &Connection, operation: Operation) -> Result<T, Failure> {
    serde_json::from_value(connection.operate(operation)?)
        .map_err(|e| Failure::Refused(format!("the daemon answered something else ({e}); same version?")))
}
