//! The store port. Reads that fail are failures; a write is only *not done* when it never reached the plug-in or the plug-in
//! says so, in every other case its outcome is unknown (R3).

use std::time::Duration;

use patd_core::changes::Changes;
use patd_proto::store::{self as contract, SCHEMA, op};
use patd_proto::wire::Nat;
use patd_service::ports::{Answer, Applied, Found, Query, SchemaStatus, Store, StoreError, Waiting};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::convert::{Malformed, changes, query, rows};
use crate::{CallError, LoadError, ServiceHandle};

/// Longest time for what reads or writes everything: migrating, backing up, stopping.
const LONG: Duration = Duration::from_secs(600);

/// What a store instance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreRole {
    /// Sites, people and their credentials.
    Directory,
    /// Tokens and their sessions.
    Site,
}

/// A store plug-in as the service's port.
#[derive(Debug, Clone)]
pub struct PluginStore {
    handle: ServiceHandle,
    timeout: Duration,
}

impl PluginStore {
    /// Wraps an instance that need not be started, for SCHEMA_STATUS and MIGRATE; each request has `timeout`.
    #[must_use]
    pub fn new(handle: ServiceHandle, timeout: Duration) -> Self {
        Self { handle, timeout }
    }

    /// Starts the instance in its role and wraps it.
    ///
    /// # Errors
    /// [`LoadError`] with the plug-in's reason. The instance is stopped then.
    pub async fn start(handle: ServiceHandle, role: StoreRole, timeout: Duration) -> Result<Self, LoadError> {
        let role = match role {
            StoreRole::Directory => contract::Role::Directory,
            StoreRole::Site => contract::Role::Site,
        };
        let payload = encode(&contract::Start { schema: SCHEMA, role: Some(role) });
        let started = handle.start(payload.unwrap_or_default(), LONG).await;
        if let Err(error) = started {
            if let Err(also) = handle.stop(timeout).await {
                tracing::warn!(store = handle.name(), %also, "a store that did not start did not stop either");
            }
            return Err(error);
        }
        Ok(Self { handle, timeout })
    }

    /// The instance.
    #[must_use]
    pub fn handle(&self) -> &ServiceHandle {
        &self.handle
    }

    /// Applies the pending migrations.
    #[must_use]
    pub fn migrate(&self) -> Answer<Result<SchemaStatus, StoreError>> {
        self.status(op::MIGRATE, LONG)
    }

    /// Some of the store's pieces, after a place; as the contract's EXPORT has them.
    ///
    /// # Errors
    /// [`StoreError`]; a store without this operation fails.
    pub async fn export(&self, after: Option<String>, limit: u32) -> Result<contract::Exported, StoreError> {
        let request = contract::Export { schema: SCHEMA, after, limit };
        exchange(&self.handle, op::EXPORT, &request, LONG).await
    }

    /// Adds pieces to a store that was empty when the first came; with `finish` they are there to stay.
    ///
    /// # Errors
    /// [`StoreError`]; nothing imported so far is kept then, unless it was [`StoreError::Unknown`] at the end.
    pub async fn import(
        &self,
        pieces: Vec<contract::Piece>,
        finish: Option<contract::Tally>,
    ) -> Result<(), StoreError> {
        let request = contract::Import { schema: SCHEMA, pieces, finish };
        let _: contract::Empty = exchange(&self.handle, op::IMPORT, &request, LONG).await?;
        Ok(())
    }

    fn status(&self, op: u32, timeout: Duration) -> Answer<Result<SchemaStatus, StoreError>> {
        let handle = self.handle.clone();
        Box::pin(async move {
            let status: contract::SchemaStatus = exchange(&handle, op, &EMPTY, timeout).await?;
            Ok(SchemaStatus { location: status.location, applied: status.applied, pending: status.pending })
        })
    }

    fn take(&self, request: contract::OutboxTake) -> Answer<Result<Vec<Waiting>, StoreError>> {
        let (handle, timeout) = (self.handle.clone(), self.timeout);
        Box::pin(async move {
            let batch: contract::OutboxBatch = exchange(&handle, op::OUTBOX_TAKE, &request, timeout).await?;
            let waiting = batch.events.into_iter().map(|waiting| {
                Ok(Waiting { position: waiting.position.0, event: rows::event_in(waiting.event)? })
            });
            waiting.collect::<Result<_, Malformed>>().map_err(|error| malformed(&error))
        })
    }

    /// A request whose answer says nothing.
    fn plain(&self, op: u32, request: impl Serialize, timeout: Duration) -> Answer<Result<(), StoreError>> {
        let handle = self.handle.clone();
        let payload = encode(&request);
        Box::pin(async move { handle.call(op, payload?, timeout).await.map(drop).map_err(read_failed) })
    }
}

const EMPTY: contract::Empty = contract::Empty { schema: SCHEMA };

impl Store for PluginStore {
    fn name(&self) -> &str {
        self.handle.name()
    }

    fn query(&self, queries: Vec<Query>) -> Answer<Result<Vec<Found>, StoreError>> {
        let (handle, timeout) = (self.handle.clone(), self.timeout);
        Box::pin(async move {
            let asked = queries.len();
            let queries = queries.into_iter().map(query::outward).collect();
            let request = contract::QueryRequest { schema: SCHEMA, queries };
            let reply: contract::QueryReply = exchange(&handle, op::QUERY, &request, timeout).await?;
            if reply.found.len() != asked {
                return Err(malformed(&Malformed::new("QUERY", "number of answers")));
            }
            let answers = request.queries.iter().zip(reply.found);
            answers
                .map(|(query, found)| query::inward(query, found))
                .collect::<Result<_, _>>()
                .map_err(|error| malformed(&error))
        })
    }

    fn apply(&self, changes: Changes) -> Answer<Result<Applied, StoreError>> {
        let (handle, timeout) = (self.handle.clone(), self.timeout);
        Box::pin(async move {
            let request = contract::ApplyRequest { schema: SCHEMA, changes: changes::outward(changes) };
            let answer = handle.call(op::APPLY, encode(&request)?, timeout).await.map_err(write_failed)?;
            let applied = serde_json::from_slice::<contract::ApplyReply>(&answer)
                .map_err(|_| Malformed::new("APPLY", "answer"))
                .and_then(|reply| changes::applied(reply.applied));
            applied.map_err(|error| {
                tracing::error!(store = handle.name(), %error, "a store's answer to a write does not read");
                StoreError::Unknown
            })
        })
    }

    fn outbox_take(&self, sink: &str, limit: u32) -> Answer<Result<Vec<Waiting>, StoreError>> {
        self.take(contract::OutboxTake { schema: SCHEMA, sink: sink.to_owned(), after: None, limit })
    }

    fn events_after(&self, position: u64, limit: u32) -> Answer<Result<Vec<Waiting>, StoreError>> {
        let after = Some(Nat(position));
        let taken = self.take(contract::OutboxTake { schema: SCHEMA, sink: String::new(), after, limit });
        Box::pin(async move {
            let events = taken.await?;
            match events.first() {
                Some(first) if first.position <= position => Err(StoreError::Failed(
                    "its plug-in cannot read events from a position; use a newer one".to_owned(),
                )),
                _ => Ok(events),
            }
        })
    }

    fn outbox_ack(&self, sink: &str, through: u64) -> Answer<Result<(), StoreError>> {
        let request = contract::OutboxAck { schema: SCHEMA, sink: sink.to_owned(), through: Nat(through) };
        self.plain(op::OUTBOX_ACK, request, self.timeout)
    }

    fn health(&self) -> Answer<Result<(), StoreError>> {
        self.plain(op::HEALTH, EMPTY, self.timeout)
    }

    fn schema(&self) -> Answer<Result<SchemaStatus, StoreError>> {
        self.status(op::SCHEMA_STATUS, self.timeout)
    }

    fn backup(&self, path: &str) -> Answer<Result<(), StoreError>> {
        self.plain(op::BACKUP, contract::Backup { schema: SCHEMA, path: path.to_owned() }, LONG)
    }

    fn stop(&self) -> Answer<Result<(), StoreError>> {
        let (handle, timeout) = (self.handle.clone(), self.timeout);
        Box::pin(async move { handle.stop(timeout).await.map_err(read_failed) })
    }
}

async fn exchange<D: DeserializeOwned>(
    handle: &ServiceHandle,
    op: u32,
    request: &impl Serialize,
    timeout: Duration,
) -> Result<D, StoreError> {
    let answer = handle.call(op, encode(request)?, timeout).await.map_err(read_failed)?;
    // serde's message may quote the answer, which holds digests: it says where, not what.
    serde_json::from_slice(&answer).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        StoreError::Failed(format!(
            "the answer to operation {op} does not read (line {line}, column {column})"
        ))
    })
}

fn encode(request: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(request).map_err(|error| StoreError::Failed(error.to_string()))
}

fn malformed(error: &Malformed) -> StoreError {
    StoreError::Failed(error.to_string())
}

fn read_failed(error: CallError) -> StoreError {
    match error {
        CallError::Unavailable(why) => StoreError::Unavailable(why),
        CallError::Busy => StoreError::Unavailable("busy".into()),
        CallError::Timeout => StoreError::Unknown,
        other => StoreError::Failed(other.to_string()),
    }
}

fn write_failed(error: CallError) -> StoreError {
    match error {
        // It may have happened before the commit, or after.
        CallError::Panic | CallError::Internal(_) => StoreError::Unknown,
        other => read_failed(other),
    }
}
