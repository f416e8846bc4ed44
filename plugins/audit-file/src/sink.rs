//! The sink: groups a batch by file, appends, syncs, answers. One batch at a time, in order; must never block the
//! runtime's threads with file IO.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use patd_proto::audit::{Deliver, Delivered, event_id, event_source};
use patd_sdk::{AsyncService, Context, Failure, ServiceDescription, flags, op};
use serde::Deserialize;

use crate::file;
use crate::path::Template;

/// Files kept open; the least used ones are closed above it.
const MAX_OPEN: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    path: String,
}

/// The audit sink.
pub struct AuditFile {
    files: Arc<Mutex<Files>>,
}

struct Files {
    template: Template,
    open: HashMap<PathBuf, File>,
}

impl AsyncService for AuditFile {
    const FLAGS: u64 = flags::EXCLUSIVE | flags::ORDERED | flags::DURABLE;

    fn create(context: &Context) -> Result<Self, Failure> {
        let Config { path } = context.config()?;
        Ok(Self {
            files: Arc::new(Mutex::new(Files { template: Template::new(path)?, open: HashMap::new() })),
        })
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
                "properties": { "path": {
                    "type": "string",
                    "description": "absolute path of the log; {site} becomes the site's LUID, or `directory`"
                } }
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
        // A log that was rotated away gets a new file under its name.
        if !path.exists() {
            self.open.remove(path);
        }
        if !self.open.contains_key(path) {
            if self.open.len() >= MAX_OPEN {
                self.open.clear();
            }
            self.open.insert(path.to_owned(), file::open(path)?);
        }
        let Some(file) = self.open.get_mut(path) else { return Ok(()) };
        let appended = file::append(file, lines);
        if appended.is_err() {
            self.open.remove(path);
        }
        appended
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
        for (path, file) in &self.open {
            file.sync_all().map_err(|error| unavailable(path, &error))?;
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
