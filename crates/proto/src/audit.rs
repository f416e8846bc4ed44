//! Payloads of an audit sink: the batch that DELIVER carries and the sink's answer. Must never look into an event beyond
//! its CloudEvents attributes: `data` belongs to whoever reads the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the payloads in this module.
pub const SCHEMA: u32 = 1;

/// Input of DELIVER: events in order, each a CloudEvents 1.0 JSON object with an `id`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deliver {
    /// Names the batch; the same batch may arrive again.
    pub batch_id: String,
    /// The events, oldest first.
    pub events: Vec<Value>,
    /// By an event's id, who is to be told of it. Only for sinks whose description [wants](WANTS_RECIPIENTS) it; an event
    /// that concerns nobody with an address is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recipients: BTreeMap<String, Vec<Recipient>>,
}

/// What a sink that needs [`Deliver::recipients`] has among the `wants` of its description.
pub const WANTS_RECIPIENTS: &str = "recipients";

/// A person with an address. Events carry none: audit data stay lean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The address.
    pub email: String,
    /// What the person is called; anything a person may type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Answer to DELIVER.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Id of the last event that the sink is done with, it and all before it; `None` when it is done with none.
    pub accepted_through: Option<String>,
    /// Ids of events, up to `accepted_through`, that the sink will never take.
    #[serde(default)]
    pub rejected: Vec<String>,
}

/// The event's `id`, when it has one that is text.
#[must_use]
pub fn event_id(event: &Value) -> Option<&str> {
    event.get("id")?.as_str()
}

/// The event's `source`, when it has one that is text.
#[must_use]
pub fn event_source(event: &Value) -> Option<&str> {
    event.get("source")?.as_str()
}
