//! The journal of the faulty store, and its schema: which migrations the first line names.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};

use patd_proto::store::{
    Changes, DeadLettersForget, EventsRemove, OutboxAck, OutboxLease, Piece, SCHEMA, SchemaStatus,
};
use patd_sdk::Failure;
use patd_store_model::Memory;
use serde::{Deserialize, Serialize};

use crate::sin::Sin;
use crate::store::{FaultyStore, Open, write};

/// All migrations that there are.
const KNOWN: [&str; 1] = ["m0001"];

/// A line of the journal.
#[derive(Serialize, Deserialize)]
pub(crate) enum Line {
    Change(Box<Changes>),
    Cursor(OutboxAck),
    Forget(DeadLettersForget),
    Lease(OutboxLease),
    Remove(EventsRemove),
    Import(Vec<Piece>),
    /// The migrations; the first line.
    Schema(Vec<String>),
}

impl FaultyStore {
    /// Reads the journal; a last line that a kill cut short was never answered, and goes.
    pub(crate) fn recover(&self) -> Result<Open, Failure> {
        let failed = |error: std::io::Error| Failure::unavailable(format!("the journal: {error}"));
        let mut memory = Memory::default();
        let mut whole = 0;
        if let Ok(file) = File::open(&self.journal) {
            let mut lines = BufReader::new(file);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).map_err(failed)? > 0 {
                if !line.ends_with(b"\n") {
                    break;
                }
                match serde_json::from_slice(&line) {
                    Ok(Line::Change(changes)) => drop(memory.apply(&changes)),
                    Ok(Line::Cursor(request)) => memory.outbox_ack(&request),
                    Ok(Line::Forget(request)) => drop(memory.dead_letters_forget(&request)),
                    Ok(Line::Lease(request)) => drop(memory.outbox_lease(&request)),
                    Ok(Line::Remove(request)) => drop(memory.events_remove(&request)),
                    Ok(Line::Import(pieces)) => {
                        memory.import(pieces);
                    }
                    Ok(Line::Schema(applied)) => self.must_know(&applied)?,
                    Err(_) => break,
                }
                whole += line.len() as u64;
                line.clear();
            }
        }
        let journal = File::options().create(true).append(true).open(&self.journal).map_err(failed)?;
        journal.set_len(whole).map_err(failed)?;
        let mut open = Open::new(memory, journal);
        if whole == 0 {
            self.keep(&mut open, &Line::Schema(KNOWN.map(str::to_owned).to_vec()))?;
        }
        Ok(open)
    }

    /// Which migrations the journal has; one that is not made yet will have all.
    pub(crate) fn schema(&self) -> Result<Vec<u8>, Failure> {
        let mut first = String::new();
        if let Ok(file) = File::open(&self.journal) {
            let read = BufReader::new(file).read_line(&mut first);
            read.map_err(|error| Failure::unavailable(format!("the journal: {error}")))?;
        }
        let applied = match serde_json::from_str(&first) {
            Ok(Line::Schema(applied)) => applied,
            _ => KNOWN.map(str::to_owned).to_vec(),
        };
        self.must_know(&applied)?;
        let pending = (self.config.now() == Sin::PendingForEver).then(|| "m0002".to_owned());
        write(&SchemaStatus {
            schema: SCHEMA,
            location: "memory".into(),
            applied,
            pending: pending.into_iter().collect(),
        })
    }

    fn must_know(&self, applied: &[String]) -> Result<(), Failure> {
        let unknown = applied.iter().find(|name| !KNOWN.contains(&name.as_str()));
        match unknown {
            Some(name) if self.config.now() != Sin::TakesNewerSchema => {
                Err(Failure::invalid(format!("the journal was written by a newer version: migration {name}")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn keep(&self, open: &mut Open, line: &Line) -> Result<(), Failure> {
        let mut line = write(line)?;
        line.push(b'\n');
        open.journal
            .write_all(&line)
            .and_then(|()| open.journal.sync_data())
            .map_err(|error| Failure::timeout(format!("{}: {error}", self.journal.display())))
    }
}
