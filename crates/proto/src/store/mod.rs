//! The contract of stores: factory `patd.store/1`, its operations and their payloads.
//!
//! Every request and answer is one JSON object with `schema: 1`; unknown members are ignored. A domain outcome
//! (`conflict`) is payload under status OK; statuses other than OK say that there is no answer.

mod change;
mod copy;
mod digests;
mod outbox;
mod query;
mod row;

use serde::{Deserialize, Serialize};

pub use change::*;
pub use copy::*;
pub use digests::*;
pub use outbox::*;
pub use query::*;
pub use row::*;

/// The factory id.
pub const FACTORY: &str = "patd.store/1";
/// The schema version of these payloads.
pub const SCHEMA: u32 = 1;

/// Operation numbers.
pub mod op {
    /// Open, migrate if exclusive, get ready: [`super::Start`] → nothing.
    pub const START: u32 = 1;
    /// Finish work in flight and close everything: [`super::Empty`] → nothing.
    pub const STOP: u32 = 2;
    /// Whether it can serve: [`super::Empty`] → [`super::Empty`].
    pub const HEALTH: u32 = 3;
    /// [`super::Empty`] → [`super::SchemaStatus`].
    pub const SCHEMA_STATUS: u32 = 4;
    /// Apply the pending migrations, as often as it comes: [`super::Empty`] → [`super::SchemaStatus`], with nothing pending.
    /// Before START a store that migrates itself may answer INVALID. A database with a migration that the plug-in does not
    /// know was written by a newer version: START and MIGRATE are INVALID then, name it in the detail and change nothing.
    pub const MIGRATE: u32 = 5;
    /// [`super::QueryRequest`] → [`super::QueryReply`].
    pub const QUERY: u32 = 256;
    /// [`super::ApplyRequest`] → [`super::ApplyReply`].
    pub const APPLY: u32 = 257;
    /// [`super::OutboxTake`] → [`super::OutboxBatch`].
    pub const OUTBOX_TAKE: u32 = 258;
    /// [`super::OutboxAck`] → [`super::Empty`].
    pub const OUTBOX_ACK: u32 = 259;
    /// Reserved: the change feed of shared engines.
    pub const FEED: u32 = 260;
    /// Reserved: the leases of shared engines.
    pub const LEASE: u32 = 261;
    /// [`super::Backup`] → [`super::Empty`].
    pub const BACKUP: u32 = 262;
    /// Optional. [`super::Export`] → [`super::Exported`].
    pub const EXPORT: u32 = 263;
    /// Optional. [`super::Import`] → [`super::Empty`].
    pub const IMPORT: u32 = 264;
    /// Optional. [`super::Digests`] → [`super::DigestGroups`].
    pub const DIGESTS: u32 = 265;
    /// [`super::OutboxAsk`] → [`super::OutboxStatus`].
    pub const OUTBOX_STATUS: u32 = 266;
    /// [`super::DeadLettersAsk`] → [`super::DeadLetters`].
    pub const DEAD_LETTERS: u32 = 267;
    /// [`super::DeadLettersForget`] → [`super::DeadLettersForgotten`].
    pub const DEAD_LETTERS_FORGET: u32 = 268;
    /// [`super::OutboxLease`] → [`super::OutboxLeases`].
    pub const OUTBOX_LEASE: u32 = 269;
    /// [`super::EventsRemove`] → [`super::EventsRemoved`].
    pub const EVENTS_REMOVE: u32 = 270;
}

/// What a store instance is for; it need keep only that role's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sites, people, credentials, invitations, sessions without a token, their events.
    Directory,
    /// Tokens, their sessions, their events.
    Site,
}

/// START.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// [`SCHEMA`].
    pub schema: u32,
    /// One role, or both when absent.
    pub role: Option<Role>,
}

/// A request or an answer that says nothing more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Empty {
    /// [`SCHEMA`].
    pub schema: u32,
}

/// Answer to SCHEMA_STATUS and MIGRATE.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SchemaStatus {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The back end and where it is, without a password.
    pub location: String,
    /// Migrations applied, in order.
    pub applied: Vec<String>,
    /// Migrations known and not applied, in order.
    pub pending: Vec<String>,
}

/// BACKUP: a consistent copy into a file that does not exist yet, beside requests of any kind. It has whatever was answered
/// before, no part of a change, and can be read by its owner only. What is there already, even a symbolic link that leads
/// nowhere, is INVALID and stays as it is. Where the configuration names a file, the copy in its place is a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backup {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Absolute path.
    pub path: String,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::wire::Micros;

    #[test]
    fn payloads_read_as_the_contract_says_and_ignore_unknown_members() {
        let id = Uuid::from_u128(7);
        let request = QueryRequest {
            schema: SCHEMA,
            queries: vec![
                Query::Sites,
                Query::Membership(id, id),
                Query::Tokens {
                    site: id,
                    owner: None,
                    ended_since: None,
                    after: Some((Micros(5), id)),
                    limit: 2,
                },
            ],
        };
        let text = serde_json::to_string(&request).expect("serializes");
        let u = "00000000-0000-0000-0000-000000000007";
        assert_eq!(
            text,
            format!(
                r#"{{"schema":1,"queries":["sites",{{"membership":["{u}","{u}"]}},{{"tokens":{{"site":"{u}","owner":null,"ended_since":null,"after":[5,"{u}"],"limit":2}}}}]}}"#
            )
        );
        let newer =
            text.replace("\"limit\":2", "\"limit\":2,\"later\":true").replace("\"ended_since\":null,", "");
        let read: QueryRequest = serde_json::from_str(&newer).expect("reads");
        assert_eq!(read.queries, request.queries);
        let done = serde_json::to_string(&ApplyReply { schema: SCHEMA, applied: Applied::Done })
            .expect("serializes");
        assert_eq!(done, r#"{"schema":1,"applied":"done"}"#);
    }
}
