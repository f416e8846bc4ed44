//! Reads what a plug-in says without a plug-in, by the functions that the adapters read with: for fuzzers and property tests.
//! Must never read anything in a way of its own.

use patd_abi::Status;
use patd_proto::describe::{HasherDescription, ServiceDescription};
use patd_proto::store::{self as contract, op};

use super::convert::outbox;
use super::{sink, store};
use crate::error::CallError;
use crate::image::{Kind, read_description};
use crate::{output, settings};

/// Which answer is read.
#[derive(Debug)]
pub enum Reply {
    /// To QUERY with these questions.
    Query(Vec<contract::Query>),
    /// To APPLY.
    Apply,
    /// To OUTBOX_TAKE.
    Outbox,
    /// To SCHEMA_STATUS and MIGRATE.
    Schema,
    /// To EXPORT.
    Export,
    /// To DELIVER of a batch that ends with this event.
    Deliver(String),
}

/// Reads a payload that came with OK.
///
/// # Errors
/// What the log would say.
pub fn reply(which: &Reply, payload: &[u8]) -> Result<(), String> {
    let read = match which {
        Reply::Query(queries) => {
            store::read(op::QUERY, payload, |reply| store::found(queries, reply)).map(drop)
        }
        Reply::Apply => return store::applied(payload).map(drop).map_err(|error| error.to_string()),
        Reply::Outbox => store::read(op::OUTBOX_TAKE, payload, |batch| outbox::batch(batch, None)).map(drop),
        Reply::Schema => store::read(op::SCHEMA_STATUS, payload, Ok::<contract::SchemaStatus, _>).map(drop),
        Reply::Export => store::read(op::EXPORT, payload, Ok::<contract::Exported, _>).map(drop),
        Reply::Deliver(last) => {
            let read =
                sink::read(payload).and_then(|answer| sink::delivered(std::slice::from_ref(last), answer));
            return read.map(drop).map_err(|error| error.to_string());
        }
    };
    read.map_err(|error| error.to_string())
}

/// What the log would say of an answer with this status and this detail.
#[must_use]
pub fn refusal(status: Status, detail: &[u8]) -> String {
    CallError::of(status, output::text(detail)).to_string()
}

/// Reads a description and holds its example against its schema; what does not fit.
///
/// # Errors
/// Why the plug-in would not be loaded.
pub fn description(kind: Kind, json: &[u8]) -> Result<Vec<settings::Violation>, String> {
    let (schema, example) = match kind {
        Kind::Hasher => {
            let read: HasherDescription = read_description(kind, json)?;
            (read.config_schema, read.example_config)
        }
        Kind::Store | Kind::Audit => {
            let read: ServiceDescription = read_description(kind, json)?;
            (read.config_schema, read.example_config)
        }
    };
    settings::violations(&schema, &example)
}
