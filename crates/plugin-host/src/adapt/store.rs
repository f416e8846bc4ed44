//! The store port. Reads that fail are failures; a write is only *not done* when it never reached the plug-in or the plug-in
//! says so, in every other case its outcome is unknown (R3).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use patd_core::changes::Changes;
use patd_core::id::SiteLuid;
use patd_proto::store::{self as contract, SCHEMA, op};
use patd_proto::wire::Nat;
use patd_service::ports::{
    Answer, Applied, DeadLetter, DigestGroup, Found, LeaseClaim, LeaseSeen, OutboxStatus, Outlet, Query,
    SchemaStatus, Scope, Store, StoreError, Waiting,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::callee::Callee;
use super::convert::{Malformed, changes, outbox, query};
use crate::{CallError, LoadError, ServiceHandle, ServiceSlot};

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

impl StoreRole {
    /// The payload of START.
    #[must_use]
    pub fn start(self) -> Vec<u8> {
        let role = match self {
            Self::Directory => contract::Role::Directory,
            Self::Site => contract::Role::Site,
        };
        encode(&contract::Start { schema: SCHEMA, role: Some(role) }).unwrap_or_default()
    }
}

/// A store plug-in as the service's port.
#[derive(Debug, Clone)]
pub struct PluginStore {
    callee: Callee,
    timeout: Duration,
    /// Whether its plug-in lets others use what it keeps; known once it was asked.
    shared: Arc<OnceLock<bool>>,
}

impl PluginStore {
    /// Wraps an instance that need not be started, for SCHEMA_STATUS and MIGRATE; each request has `timeout`.
    #[must_use]
    pub fn new(handle: ServiceHandle, timeout: Duration) -> Self {
        Self::of(Callee::Instance(handle), timeout)
    }

    /// Wraps a slot whose plan starts with [`StoreRole::start`]; each request has `timeout`.
    #[must_use]
    pub fn in_slot(slot: Arc<ServiceSlot>, timeout: Duration) -> Self {
        Self::of(Callee::Slot(slot), timeout)
    }

    fn of(callee: Callee, timeout: Duration) -> Self {
        Self { callee, timeout, shared: Arc::default() }
    }

    /// Starts the instance in its role and wraps it.
    ///
    /// # Errors
    /// [`LoadError`] with the plug-in's reason. The instance is stopped then.
    pub async fn start(handle: ServiceHandle, role: StoreRole, timeout: Duration) -> Result<Self, LoadError> {
        let started = handle.start(role.start(), LONG).await;
        if let Err(error) = started {
            if let Err(also) = handle.stop(timeout).await {
                tracing::warn!(store = handle.name(), %also, "a store that did not start did not stop either");
            }
            return Err(error);
        }
        Ok(Self::new(handle, timeout))
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
        exchange(&self.callee, op::EXPORT, &request, LONG, Ok).await
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
        let _: contract::Empty = exchange(&self.callee, op::IMPORT, &request, LONG, Ok).await?;
        Ok(())
    }

    fn status(&self, op: u32, timeout: Duration) -> Answer<Result<SchemaStatus, StoreError>> {
        let callee = self.callee.clone();
        Box::pin(async move {
            let status: contract::SchemaStatus = exchange(&callee, op, &EMPTY, timeout, Ok).await?;
            Ok(SchemaStatus { location: status.location, applied: status.applied, pending: status.pending })
        })
    }

    fn take(&self, request: contract::OutboxTake) -> Answer<Result<Vec<Waiting>, StoreError>> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        Box::pin(async move {
            let scope = request.scope;
            exchange(&callee, op::OUTBOX_TAKE, &request, timeout, |batch| outbox::batch(batch, scope)).await
        })
    }

    /// One request in a future of its own.
    fn asking<D: DeserializeOwned, T: Send + 'static>(
        &self,
        op: u32,
        request: impl Serialize + Send + Sync + 'static,
        inward: impl FnOnce(D) -> Result<T, Malformed> + Send + 'static,
    ) -> Answer<Result<T, StoreError>> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        Box::pin(async move { exchange(&callee, op, &request, timeout, inward).await })
    }

    /// A request whose answer says nothing.
    fn plain(&self, op: u32, request: impl Serialize, timeout: Duration) -> Answer<Result<(), StoreError>> {
        let callee = self.callee.clone();
        let payload = encode(&request);
        Box::pin(async move {
            let handle = callee.get(timeout).await.map_err(read_failed)?;
            handle.call(op, payload?, timeout).await.map(drop).map_err(read_failed)
        })
    }
}

const EMPTY: contract::Empty = contract::Empty { schema: SCHEMA };

impl Store for PluginStore {
    fn name(&self) -> &str {
        self.callee.name()
    }

    fn query(&self, queries: Vec<Query>) -> Answer<Result<Vec<Found>, StoreError>> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        Box::pin(async move {
            let queries = queries.into_iter().map(query::outward).collect();
            let request = contract::QueryRequest { schema: SCHEMA, queries };
            exchange(&callee, op::QUERY, &request, timeout, |reply| found(&request.queries, reply)).await
        })
    }

    fn apply(&self, changes: Changes) -> Answer<Result<Applied, StoreError>> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        Box::pin(async move {
            let request = contract::ApplyRequest { schema: SCHEMA, changes: changes::outward(changes) };
            let payload = encode(&request)?;
            // Not handed over to anybody yet: nothing was done.
            let handle = callee.get(timeout).await.map_err(read_failed)?;
            let answer = handle.call(op::APPLY, payload, timeout).await.map_err(write_failed)?;
            let applied = applied(&answer);
            handle.read_back(applied.is_ok());
            applied.map_err(|error| {
                tracing::error!(store = handle.name(), %error, "a store's answer to a write does not read");
                StoreError::Unknown
            })
        })
    }

    fn outbox_take(
        &self,
        of: &Outlet,
        after: Option<u64>,
        limit: u32,
    ) -> Answer<Result<Vec<Waiting>, StoreError>> {
        let (sink, scope) = outbox::outlet(of);
        self.take(contract::OutboxTake { schema: SCHEMA, sink, scope, after: after.map(Nat), limit })
    }

    fn events_after(&self, position: u64, limit: u32) -> Answer<Result<Vec<Waiting>, StoreError>> {
        let after = Some(Nat(position));
        let taken = self.take(contract::OutboxTake {
            schema: SCHEMA,
            sink: String::new(),
            scope: None,
            after,
            limit,
        });
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

    fn outbox_ack(&self, of: &Outlet, through: u64, dead: Vec<DeadLetter>) -> Answer<Result<(), StoreError>> {
        let (sink, scope) = outbox::outlet(of);
        let dead = dead.into_iter().map(outbox::letter_out).collect();
        let request = contract::OutboxAck { schema: SCHEMA, sink, scope, through: Nat(through), dead };
        self.plain(op::OUTBOX_ACK, request, self.timeout)
    }

    fn outbox_status(&self, sink: &str, scope: Scope) -> Answer<Result<OutboxStatus, StoreError>> {
        let (sink, scope) = (sink.to_owned(), outbox::scope_out(scope));
        let request = contract::OutboxAsk { schema: SCHEMA, sink, scope };
        self.asking(op::OUTBOX_STATUS, request, |status| Ok(outbox::status(status)))
    }

    fn dead_letters(
        &self,
        of: &Outlet,
        after: u64,
        limit: u32,
    ) -> Answer<Result<Vec<DeadLetter>, StoreError>> {
        let (sink, scope) = outbox::outlet(of);
        let request = contract::DeadLettersAsk { schema: SCHEMA, sink, scope, after: Nat(after), limit };
        self.asking(op::DEAD_LETTERS, request, |letters: contract::DeadLetters| {
            letters.letters.into_iter().map(outbox::letter_in).collect()
        })
    }

    fn dead_letters_forget(&self, sink: &str, positions: Vec<u64>) -> Answer<Result<u64, StoreError>> {
        let positions = positions.into_iter().map(Nat).collect();
        let request = contract::DeadLettersForget { schema: SCHEMA, sink: sink.to_owned(), positions };
        let counted = |reply: contract::DeadLettersForgotten| Ok(reply.forgotten.0);
        self.asking(op::DEAD_LETTERS_FORGET, request, counted)
    }

    fn events_remove(&self, scope: Scope, through: u64, limit: u32) -> Answer<Result<u64, StoreError>> {
        let (scope, through) = (outbox::scope_out(scope), Nat(through));
        let request = contract::EventsRemove { schema: SCHEMA, scope, through, limit };
        self.asking(op::EVENTS_REMOVE, request, |reply: contract::EventsRemoved| Ok(reply.removed.0))
    }

    fn outbox_lease(
        &self,
        holder: Uuid,
        claims: Vec<LeaseClaim>,
        release: Vec<String>,
    ) -> Answer<Result<Vec<LeaseSeen>, StoreError>> {
        let asked = claims.len();
        let claims = claims.into_iter().map(outbox::claim).collect();
        let request = contract::OutboxLease { schema: SCHEMA, holder, claims, release };
        self.asking(op::OUTBOX_LEASE, request, move |reply| outbox::leases(reply, asked))
    }

    fn is_shared(&self) -> bool {
        let known = self.shared.get().copied().or_else(|| {
            let shared = self.callee.flags()? & patd_abi::flags::EXCLUSIVE == 0;
            Some(*self.shared.get_or_init(|| shared))
        });
        // A store that is out of service gives no lease either, so nothing is pumped until it is known.
        known.unwrap_or(true)
    }

    fn health(&self) -> Answer<Result<(), StoreError>> {
        self.plain(op::HEALTH, EMPTY, self.timeout)
    }

    fn schema(&self) -> Answer<Result<SchemaStatus, StoreError>> {
        self.status(op::SCHEMA_STATUS, self.timeout)
    }

    fn digests(&self, site: Option<SiteLuid>) -> Answer<Result<Option<Vec<DigestGroup>>, StoreError>> {
        let callee = self.callee.clone();
        Box::pin(async move {
            let payload = encode(&contract::Digests { schema: SCHEMA, site: site.map(|site| site.0) })?;
            let handle = callee.get(LONG).await.map_err(read_failed)?;
            let answer = match handle.call(op::DIGESTS, payload, LONG).await {
                Err(CallError::Unsupported(_)) => return Ok(None),
                answer => answer.map_err(read_failed)?,
            };
            let read = serde_json::from_slice::<contract::DigestGroups>(&answer);
            handle.read_back(read.is_ok());
            let reply =
                read.map_err(|_| StoreError::Failed("the answer to DIGESTS does not read".to_owned()))?;
            let group =
                |group: contract::DigestGroup| DigestGroup { sample: group.sample, count: group.count.0 };
            Ok(Some(reply.groups.into_iter().map(group).collect()))
        })
    }

    fn backup(&self, path: &str) -> Answer<Result<(), StoreError>> {
        self.plain(op::BACKUP, contract::Backup { schema: SCHEMA, path: path.to_owned() }, LONG)
    }

    fn stop(&self) -> Answer<Result<(), StoreError>> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        Box::pin(async move { callee.stop(timeout).await.map_err(read_failed) })
    }

    fn unready(&self) -> Option<String> {
        self.callee.unready()
    }
}

/// One request whose answer is read by `inward`; whether it could be read is noted.
async fn exchange<D: DeserializeOwned, T>(
    callee: &Callee,
    op: u32,
    request: &impl Serialize,
    timeout: Duration,
    inward: impl FnOnce(D) -> Result<T, Malformed>,
) -> Result<T, StoreError> {
    let payload = encode(request)?;
    let handle = callee.get(timeout).await.map_err(read_failed)?;
    let answer = handle.call(op, payload, timeout).await.map_err(read_failed)?;
    let read = read(op, &answer, inward);
    handle.read_back(read.is_ok());
    read
}

/// Reads an answer that came with OK.
pub(super) fn read<D: DeserializeOwned, T>(
    op: u32,
    answer: &[u8],
    inward: impl FnOnce(D) -> Result<T, Malformed>,
) -> Result<T, StoreError> {
    // serde's message may quote the answer, which holds digests: it says where, not what.
    let read = serde_json::from_slice(answer).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        StoreError::Failed(format!(
            "the answer to operation {op} does not read (line {line}, column {column})"
        ))
    });
    read.and_then(|answer| inward(answer).map_err(|error| malformed(&error)))
}

/// The answers of QUERY to these questions.
pub(super) fn found(
    queries: &[contract::Query],
    reply: contract::QueryReply,
) -> Result<Vec<Found>, Malformed> {
    if reply.found.len() != queries.len() {
        return Err(Malformed::new("QUERY", "number of answers"));
    }
    queries.iter().zip(reply.found).map(|(query, found)| query::inward(query, found)).collect()
}

/// The answer to APPLY.
pub(super) fn applied(answer: &[u8]) -> Result<Applied, Malformed> {
    serde_json::from_slice::<contract::ApplyReply>(answer)
        .map_err(|_| Malformed::new("APPLY", "answer"))
        .and_then(|reply| changes::applied(reply.applied))
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
