//! Events as CloudEvents 1.0 in JSON: one rendering for the events listing and for every sink.

use jiff::Timestamp as Rfc3339;
use patd_core::event::{Actor, Event};
use patd_core::time::Timestamp;
use serde_json::{Value, json};

/// A time as RFC 3339 in UTC, with microseconds where it has any.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    Rfc3339::from_microsecond(time.0).map_or_else(|_| Rfc3339::UNIX_EPOCH.to_string(), |t| t.to_string())
}

/// An event as a CloudEvent. A member of `data` without a value is left out.
#[must_use]
pub fn event_json(event: &Event) -> Value {
    let actor = match &event.actor {
        Actor::User { luid, username } => {
            json!({"kind": "user", "luid": luid.to_string(), "username": username})
        }
        Actor::Operator => json!({"kind": "operator"}),
        Actor::System => json!({"kind": "system"}),
        Actor::Anonymous => json!({"kind": "anonymous"}),
    };
    let mut data = serde_json::Map::new();
    data.insert("actor".to_owned(), actor);
    let ids = [
        ("user", event.user.map(|id| id.to_string())),
        ("token_id", event.token.map(|id| id.to_string())),
        ("session_id", event.session.map(|id| id.to_string())),
    ];
    let texts = [
        ("address", &event.origin.address),
        ("user_agent", &event.origin.user_agent),
        ("reason", &event.reason),
    ];
    for (name, id) in ids {
        data.extend(id.map(|id| (name.to_owned(), Value::String(id))));
    }
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        data.insert(name.to_owned(), Value::String(text.clone()));
    }
    if event.count > 1 {
        data.insert("count".to_owned(), event.count.into());
    }
    let source = event.site.map_or_else(|| "/directory".to_owned(), |site| format!("/sites/{site}"));
    let subject = event
        .token
        .map(|id| format!("tokens/{id}"))
        .or_else(|| event.session.map(|id| format!("sessions/{id}")))
        .or_else(|| event.user.map(|id| format!("users/{id}")));
    let mut envelope = json!({
        "specversion": "1.0",
        "id": event.id.to_string(),
        "source": source,
        "type": event.kind.as_str(),
        "time": rfc3339(event.time),
        "datacontenttype": "application/json",
        "data": data,
    });
    if let (Some(subject), Some(envelope)) = (subject, envelope.as_object_mut()) {
        envelope.insert("subject".to_owned(), Value::String(subject));
    }
    envelope
}
