//! Sins of a store. Without a sin it keeps rows in memory as the contract says and every change in a journal, synced before
//! it is answered, so that it survives being killed.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patd_proto::rows::Event;
use patd_proto::store::{
    Applied, ApplyReply, ApplyRequest, Changes, Conflict, Empty, Expect, Found, Query, QueryReply,
    QueryRequest, Row, SCHEMA, Start, Write, op,
};
use patd_sdk::{Completion, Context, Failure, Request, Service, ServiceDescription, flags};
use patd_store_model::Memory;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answers::Answers;
use crate::config::{self, Config};
use crate::hasher::linger;
use crate::journal::Line;
use crate::sin::Sin;

/// The misbehaving store.
pub struct FaultyStore {
    pub(crate) config: Config,
    answers: Answers,
    pub(crate) journal: PathBuf,
    open: Mutex<Option<Open>>,
}

pub(crate) struct Open {
    pub(crate) memory: Memory,
    pub(crate) journal: File,
    changes: u64,
    /// What an import that has not ended has brought.
    pub(crate) importing: Option<Memory>,
}

impl Open {
    pub(crate) fn new(memory: Memory, journal: File) -> Self {
        Self { memory, journal, changes: 0, importing: None }
    }
}

impl Service for FaultyStore {
    const FLAGS: u64 = flags::EXCLUSIVE | flags::IDEMPOTENT | flags::DURABLE;

    fn create(context: &Context) -> Result<Self, Failure> {
        let config = Config::read(context)?;
        config::create(context, config.now())?;
        let journal = config.path.clone().ok_or_else(|| Failure::invalid("config: path is missing"))?;
        let answers = Answers::new(context.host(), config.reach);
        Ok(Self { config, answers, journal: journal.into(), open: Mutex::new(None) })
    }

    fn describe(_me: Option<&Self>) -> ServiceDescription {
        ServiceDescription {
            kind: "store".into(),
            schema: SCHEMA,
            max_in_flight: 64,
            config_schema: Config::schema(),
            example_config: serde_json::json!({ "path": "/var/lib/patd/faulty.journal" }),
            wants: Vec::new(),
        }
    }

    fn submit(&self, request: Request, completion: Completion) {
        let answer = self.serve(request.op, &request.payload);
        // What it does before START and after STOP is not its sin.
        let sin = if request.op < op::QUERY { Sin::None } else { self.config.now() };
        self.answers.give(sin, request.id, completion, answer);
    }
}

impl FaultyStore {
    fn serve(&self, op: u32, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        match op {
            op::START => {
                read::<Start>(payload)?;
                let mut open = self.open();
                if open.is_none() {
                    *open = Some(self.recover()?);
                }
                Ok(Vec::new())
            }
            op::STOP => {
                *self.open() = None;
                Ok(Vec::new())
            }
            op::HEALTH => write(&Empty { schema: SCHEMA }),
            op::SCHEMA_STATUS => self.schema(),
            op::MIGRATE => {
                if let (Sin::MigrateForgets, Some(open)) = (self.config.now(), &mut *self.open()) {
                    open.memory = Memory::default();
                }
                self.schema()
            }
            op::APPLY => {
                let request: ApplyRequest = self.with_open(|_| read(payload))?;
                write(&ApplyReply { schema: SCHEMA, applied: self.apply(request.changes)? })
            }
            op::QUERY => {
                let request: QueryRequest = self.with_open(|_| read(payload))?;
                let found = if self.config.now() == Sin::TornReads {
                    request
                        .queries
                        .iter()
                        .map(|query| {
                            linger(Duration::from_millis(2));
                            self.with_open(|open| Ok(self.found(open, query)))
                        })
                        .collect::<Result<_, _>>()?
                } else {
                    self.with_open(|open| {
                        Ok(request.queries.iter().map(|query| self.found(open, query)).collect())
                    })?
                };
                write(&QueryReply { schema: SCHEMA, found })
            }
            op::OUTBOX_TAKE..=op::OUTBOX_ACK | op::OUTBOX_STATUS..=op::EVENTS_REMOVE => {
                self.with_open(|open| self.outbox(open, op, payload))
            }
            op::BACKUP..=op::DIGESTS => self.with_open(|open| self.copies(open, op, payload)),
            other => {
                self.with_open(|_| Ok(()))?;
                Err(Failure::unsupported(other))
            }
        }
    }

    fn apply(&self, changes: Changes) -> Result<Applied, Failure> {
        let mut changes = changes;
        match self.config.now() {
            Sin::IgnoresExpectations => {
                changes.expect.retain(|expect| !matches!(expect, Expect::Version { .. } | Expect::Absent(_)))
            }
            Sin::IgnoresCounts => {
                changes.expect.retain(|expect| !matches!(expect, Expect::LiveTokensAtMost { .. }));
            }
            Sin::LosesEvents => changes.events.clear(),
            Sin::LostUpdate => return self.apply_without_a_lock(&changes),
            _ => {}
        }
        self.with_open(|open| {
            open.changes += 1;
            match self.config.now() {
                Sin::IgnoresVersions => meet_versions(&open.memory, &mut changes),
                Sin::NotUnique => make_unique(&mut changes),
                Sin::RehashesBlindly => meet_digests(&open.memory, &mut changes),
                Sin::ReplaysTwice => return Ok(replayed_twice(&mut open.memory, &changes)),
                Sin::HalfApplies => return Ok(half_applied(&mut open.memory, &changes)),
                Sin::LosesChanges if open.changes % 29 == 0 => return Ok(Applied::Done),
                _ => {}
            }
            let applied = match open.memory.apply(&changes) {
                Applied::Conflict(Conflict::Row { row, .. }) if self.config.now() == Sin::HidesCurrent => {
                    Applied::Conflict(Conflict::Row { row, current: None })
                }
                other => other,
            };
            if applied == Applied::Done && self.config.now() != Sin::Forgets {
                self.keep(open, &Line::Change(Box::new(changes)))?;
            }
            Ok(applied)
        })
    }

    /// Reads, thinks, writes: whoever comes between is overwritten.
    fn apply_without_a_lock(&self, changes: &Changes) -> Result<Applied, Failure> {
        let mut memory = self.with_open(|open| Ok(open.memory.clone()))?;
        let applied = memory.apply(changes);
        linger(Duration::from_millis(5));
        self.with_open(|open| {
            if applied == Applied::Done {
                open.memory = memory;
            }
            Ok(applied)
        })
    }

    fn found(&self, open: &Open, query: &Query) -> Found {
        let mut query = query.clone();
        if let (Sin::SkipsRows, Query::Tokens { after: Some(after), .. }) = (self.config.now(), &mut query) {
            after.0.0 -= 1;
        }
        if let (Sin::IgnoresFilters, Query::Events { filter, .. } | Query::EventsInOrder { filter, .. }) =
            (self.config.now(), &mut query)
        {
            *filter = patd_proto::store::EventFilter::default();
        }
        let found = open.memory.query(&query);
        match (self.config.now(), found, query) {
            (Sin::MixesSites, Found::Events(_), Query::Events { limit, .. }) => {
                let all: Vec<Event> =
                    open.memory.events().iter().rev().take(limit as usize).cloned().collect();
                Found::Events(all)
            }
            (Sin::DropsField, Found::Tokens(mut tokens), _) => {
                for token in &mut tokens {
                    token.last_used_at = None;
                }
                Found::Tokens(tokens)
            }
            (_, found, _) => found,
        }
    }

    fn with_open<T>(&self, body: impl FnOnce(&mut Open) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut open = self.open();
        body(open.as_mut().ok_or_else(|| Failure::unavailable("the instance is not started"))?)
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes as if nobody had been faster.
fn meet_versions(memory: &Memory, changes: &mut Changes) {
    changes.expect.retain(|expect| !matches!(expect, Expect::Version { .. }));
    for write in &mut changes.write {
        if let Write::Update(row) = write
            && let Some(kept) = memory.row(row.key())
        {
            match row {
                Row::Token(token) => token.version = kept.version(),
                Row::Session(session) => session.version = kept.version(),
                _ => {}
            }
        }
    }
}

/// Changes names so that no rule is broken.
fn make_unique(changes: &mut Changes) {
    for write in &mut changes.write {
        if let Write::Insert(Row::Token(token)) = write {
            token.name = format!("{} {}", token.name, token.id);
        }
    }
}

/// Takes any old digest for the right one.
fn meet_digests(memory: &Memory, changes: &mut Changes) {
    for write in &mut changes.write {
        if let Write::RehashToken { id, old, .. } = write
            && let Some(Row::Token(token)) = memory.row(patd_proto::store::RowKey::Token(*id))
        {
            *old = token.digest.clone();
        }
    }
}

/// A change that came before conflicts with itself.
fn replayed_twice(memory: &mut Memory, changes: &Changes) -> Applied {
    let fresh = Changes {
        id: uuid::Uuid::from_u128(changes.id.as_u128() ^ memory.events().len() as u128 ^ 1 << 100),
        ..changes.clone()
    };
    memory.apply(&fresh)
}

/// Keeps what was written before the conflict.
fn half_applied(memory: &mut Memory, changes: &Changes) -> Applied {
    for (number, write) in changes.write.iter().enumerate() {
        let one = Changes {
            id: uuid::Uuid::from_u128(changes.id.as_u128() ^ (number as u128 + 1) << 64),
            expect: if number == 0 { changes.expect.clone() } else { Vec::new() },
            write: vec![write.clone()],
            events: Vec::new(),
        };
        if let conflict @ Applied::Conflict(_) = memory.apply(&one) {
            return conflict;
        }
    }
    memory.apply(&Changes { expect: Vec::new(), write: Vec::new(), ..changes.clone() })
}

pub(crate) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(payload).map_err(|_| Failure::invalid("the payload does not fit the contract"))
}

pub(crate) fn write<T: Serialize>(answer: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(answer).map_err(|_| Failure::internal("the answer could not be written as JSON"))
}
