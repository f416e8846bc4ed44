//! The sink: groups a batch by file, appends, syncs, answers. One batch at a time, in order; must never block the
//! runtime's threads with file IO.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use patd_proto::audit::{Deliver, Delivered, event_id, event_source};
use patd_sdk::{AsyncService, Context, Failure, ServiceDescription, flags, op};
use serde::Deserialize;

use crate::file::{self, Log};
use crate::path::Template;
use crate::rotate::Rotation;

/// Files kept open; the least used ones are closed above it.
const MAX_OPEN: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    path: String,
    max_size: Option<u64>,
    max_files: Option<usize>,
}

/// The audit sink.
pub struct AuditFile {
    files: Arc<Mutex<Files>>,
}

struct Files {
    template: Template,
    rotation: Rotation,
    open: HashMap<PathBuf, Log>,
}

impl AsyncService for AuditFile {
    const FLAGS: u64 = flags::EXCLUSIVE | flags::ORDERED | flags::DURABLE;

    fn create(context: &Context) -> Result<Self, Failure> {
        let Config { path, max_size, max_files } = context.config()?;
        if max_size == Some(0) || max_files == Some(0) {
            return Err(Failure::invalid("config: max_size and max_files must be at least 1"));
        }
        let (template, rotation) = (Template::new(path)?, Rotation { max_size, max_files });
        Ok(Self { files: Arc::new(Mutex::new(Files { template, rotation, open: HashMap::new() })) })
    }

    fn describe(_me: Option<&Self>) -> ServiceDescription {
        ServiceDescription {
            kind: "audit".into(),
            schema: patd_proto::audit::SCHEMA,
            max_in_flight: 1,
            config_schema: serde_json::json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["path"],
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "absolute path of the log; {site} becomes the site's LUID, or `directory`"
                    },
                    "max_size": {
                        "type": "integer",
                        "minimum": 1,
                        "description": "bytes after which a log is renamed to <path>.<number> and a new one begins; never without it"
                    },
                    "max_files": {
                        "type": "integer",
                        "minimum": 1,
                        "description": "renamed logs that stay, the oldest go first; all of them without it"
                    }
                }
            }),
            example_config: serde_json::json!({ "path": "/var/lib/patd/audit/{site}.jsonl" }),
            wants: Vec::new(),
        }
    }

    async fn start(&self, _payload: Vec<u8>) -> Result<(), Failure> {
        // A folder that cannot be read now is no reason to stay down: each file is repaired again when it is opened.
        let repaired = self.blocking(|files| files.repair_all().map(|()| Vec::new())).await;
        if let Err(failure) = repaired {
            tracing::warn!(%failure, "not every audit file could be looked through");
        }
        Ok(())
    }

    async fn stop(&self) -> Result<(), Failure> {
        self.blocking(|files| {
            let synced = files.sync();
            files.open.clear();
            synced.map(|()| Vec::new())
        })
        .await
        .map(drop)
    }

    async fn call(&self, op: u32, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match op {
            op::HEALTH => Ok(Vec::new()),
            op::DELIVER => self.blocking(move |files| files.deliver(&payload)).await,
            op::FLUSH => self.blocking(|files| files.sync().map(|()| Vec::new())).await,
            other => Err(Failure::unsupported(other)),
        }
    }
}

impl AuditFile {
    async fn blocking(
        &self,
        work: impl FnOnce(&mut Files) -> Result<Vec<u8>, Failure> + Send + 'static,
    ) -> Result<Vec<u8>, Failure> {
        let files = Arc::clone(&self.files);
        patd_sdk::spawn_blocking(move || work(&mut files.lock().unwrap_or_else(PoisonError::into_inner)))
            .await?
    }
}

impl Files {
    /// Appends a batch; answers only when all of it is synced.
    fn deliver(&mut self, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let batch: Deliver =
            serde_json::from_slice(payload).map_err(|error| Failure::invalid(format!("DELIVER: {error}")))?;
        let mut lines: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        let mut last = None;
        for event in &batch.events {
            let id = event_id(event).ok_or_else(|| Failure::invalid("DELIVER: an event has no id"))?;
            last = Some(id.to_owned());
            let path = self.template.file(event_source(event));
            let at = match lines.iter().position(|(known, _)| *known == path) {
                Some(at) => at,
                None => {
                    lines.push((path, Vec::new()));
                    lines.len() - 1
                }
            };
            let buffer = &mut lines[at].1;
            serde_json::to_writer(&mut *buffer, event)
                .map_err(|error| Failure::internal(format!("event {id}: {error}")))?;
            buffer.push(b'\n');
        }
        for (path, lines) in lines {
            self.append(&path, &lines).map_err(|error| unavailable(&path, &error))?;
        }
        let answer = Delivered { accepted_through: last, rejected: Vec::new() };
        serde_json::to_vec(&answer).map_err(|error| Failure::internal(error.to_string()))
    }

    fn append(&mut self, path: &Path, lines: &[u8]) -> io::Result<()> {
        // A log that was moved or deleted gets a new file under its name.
        if let Some(log) = self.open.get(path)
            && !log.is_at(path)?
        {
            self.open.remove(path);
        }
        let length = self.log(path)?.length()?;
        if self.rotation.is_due(length, lines.len() as u64) {
            self.open.remove(path);
            self.rotation.rotate(path)?;
        }
        let appended = self.log(path)?.append(lines);
        if appended.is_err() {
            self.open.remove(path);
        }
        appended
    }

    /// The open log.
    fn log(&mut self, path: &Path) -> io::Result<&mut Log> {
        if !self.open.contains_key(path) && self.open.len() >= MAX_OPEN {
            self.open.clear();
        }
        match self.open.entry(path.to_owned()) {
            Entry::Occupied(log) => Ok(log.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Log::open(path)?)),
        }
    }

    /// Repairs the last line of every file of the family, also of sites that are silent today.
    fn repair_all(&mut self) -> Result<(), Failure> {
        let Some((folder, before, after)) = self.template.family() else { return Ok(()) };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unavailable(&folder, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| unavailable(&folder, &error))?;
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(|name| name.starts_with(before) && name.ends_with(after));
            if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                file::open(&entry.path()).map_err(|error| unavailable(&entry.path(), &error))?;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        for (path, log) in &self.open {
            log.sync().map_err(|error| unavailable(path, &error))?;
        }
        Ok(())
    }
}

fn unavailable(path: &Path, error: &io::Error) -> Failure {
    Failure::unavailable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
