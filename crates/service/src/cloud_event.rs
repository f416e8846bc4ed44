//! Events as CloudEvents 1.0 in JSON: one rendering for the events listing, the live stream and every sink.
//!
//! It is built from an allow-list, [`MEMBERS`], which is also what `docs/events.md` is written from: what is not in that
//! table can be in no event. It must never show anything else of what a store keeps.

use jiff::Timestamp as Rfc3339;
use patd_core::event::{Actor, Event, EventType};
use patd_core::time::Timestamp;
use serde_json::{Map, Value, json};

use EventType as T;

/// `dataschema` of every event: the version of its vocabulary. Members and types are added without a new version.
pub const DATA_SCHEMA: &str = "urn:patd:event:1";

/// A time as RFC 3339 in UTC, with microseconds where it has any.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    Rfc3339::from_microsecond(time.0).map_or_else(|_| Rfc3339::UNIX_EPOCH.to_string(), |t| t.to_string())
}

/// A member of an event and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// The types that may have it; all when empty.
    pub types: &'static [EventType],
    value: fn(&Event) -> Option<Value>,
}

impl Member {
    /// Whether an event of this type may have it.
    #[must_use]
    pub fn of(&self, kind: EventType) -> bool {
        self.types.is_empty() || self.types.contains(&kind)
    }
}

const fn any(name: &'static str, meaning: &'static str, value: fn(&Event) -> Option<Value>) -> Member {
    Member { name, meaning, types: &[], value }
}

const fn only(
    name: &'static str,
    types: &'static [EventType],
    meaning: &'static str,
    value: fn(&Event) -> Option<Value>,
) -> Member {
    Member { name, meaning, types, value }
}

const OF_A_TOKEN: &[EventType] = &[
    T::TokenMinted,
    T::TokenRevoked,
    T::TokenExpired,
    T::NoticeTokenMinted,
    T::NoticeTokenRevoked,
    T::NoticeTokenLeaked,
    T::NoticeTokenExpires,
    T::NoticeNewNetwork,
];

/// The CloudEvents attributes, `data` aside.
pub const ENVELOPE: &[Member] = &[
    any("specversion", "Always `1.0`: CloudEvents 1.0.", |_| Some("1.0".into())),
    any("id", "Unique (UUID). The same event may be delivered more than once, always with this id.", |e| {
        Some(e.id.to_string().into())
    }),
    any("source", "`/sites/` and the site's LUID; `/directory` for what concerns no site.", |e| {
        Some(e.site.map_or_else(|| "/directory".to_owned(), |site| format!("/sites/{site}")).into())
    }),
    any("type", "One of the types below.", |e| Some(e.kind.as_str().into())),
    any(
        "subject",
        "What it is about: `tokens/`, `sessions/` or `users/` and an id; absent when it is about the site.",
        |e| {
            let token = e.token.map(|id| format!("tokens/{id}"));
            let session = || e.session.map(|id| format!("sessions/{id}"));
            let user = || e.user.map(|id| format!("users/{id}"));
            token.or_else(session).or_else(user).map(Value::String)
        },
    ),
    any("time", "When it happened: RFC 3339, UTC, up to microseconds.", |e| Some(rfc3339(e.time).into())),
    any("datacontenttype", "Always `application/json`.", |_| Some("application/json".into())),
    any("dataschema", "The version of this vocabulary: `urn:patd:event:1`.", |_| Some(DATA_SCHEMA.into())),
];

/// The members of `data`. One without a value is left out.
pub const MEMBERS: &[Member] = &[
    any(
        "actor",
        "Who did it: `kind` is `user` (with `luid`, and `username` as it was then), `operator` (whoever runs the daemon), \
         `system` (patd itself) or `anonymous`.",
        |e| {
            Some(match &e.actor {
                Actor::User { luid, username } => {
                    json!({"kind": "user", "luid": luid.to_string(), "username": username})
                }
                Actor::Operator => json!({"kind": "operator"}),
                Actor::System => json!({"kind": "system"}),
                Actor::Anonymous => json!({"kind": "anonymous"}),
            })
        },
    ),
    any("user", "LUID of the person concerned; of a notice, the person who is told.", |e| {
        e.user.map(|id| id.to_string().into())
    }),
    any("token_id", "Public id of the token concerned.", |e| e.token.map(|id| id.to_string().into())),
    any("session_id", "Public id of the session concerned.", |e| e.session.map(|id| id.to_string().into())),
    any("address", "The client's address.", |e| text(&e.origin.address)),
    any("user_agent", "The client's `User-Agent`, cut to 256 characters.", |e| text(&e.origin.user_agent)),
    any("reason", "Why, or what changed: a word or a short text for people.", |e| text(&e.reason)),
    only("count", &[T::SigninFailed], "How many times, where more than once.", |e| {
        (e.count > 1).then(|| e.count.into())
    }),
    only("token_name", OF_A_TOKEN, "The token's name.", |e| {
        e.detail.as_ref()?.token_name.clone().map(Value::String)
    }),
    only("ends", &[T::NoticeTokenExpires], "Which end comes first: `idle` or `absolute`.", |e| {
        Some(e.detail.as_ref()?.ends?.as_str().into())
    }),
    only("days", &[T::NoticeTokenExpires], "In how many days the token ends.", |e| {
        Some(e.detail.as_ref()?.days?.into())
    }),
    only("ends_at", OF_A_TOKEN, "When the token ends if nothing happens before: RFC 3339, UTC.", |e| {
        Some(rfc3339(e.detail.as_ref()?.ends_at?).into())
    }),
    only("network", &[T::NoticeNewNetwork], "The network, in CIDR notation.", |e| {
        e.detail.as_ref()?.network.clone().map(Value::String)
    }),
    only(
        "found_at",
        &[T::TokenRevoked, T::NoticeTokenLeaked],
        "Where the leaked secret was found, in the reporter's words.",
        |e| e.detail.as_ref()?.found_at.clone().map(Value::String),
    ),
    only("tokens", &[T::NoticeInventory], "Live tokens at home in the site.", |e| {
        Some(e.detail.as_ref()?.tokens?.into())
    }),
    only("expiring", &[T::NoticeInventory], "Those of them that end within 30 days.", |e| {
        Some(e.detail.as_ref()?.expiring?.into())
    }),
    only("unused", &[T::NoticeInventory], "Those of them that nobody used for 7 days.", |e| {
        Some(e.detail.as_ref()?.unused?.into())
    }),
    only(
        "not_before",
        &[T::SiteRevokedBefore, T::NoticeTokenRevoked],
        "Tokens at home in the site that were minted before this are revoked: RFC 3339, UTC.",
        |e| Some(rfc3339(e.detail.as_ref()?.not_before?).into()),
    ),
    only(
        "not_before_was",
        &[T::SiteRevokedBefore],
        "The same until then: `1970-01-01T00:00:00Z` when it was never set.",
        |e| Some(rfc3339(e.detail.as_ref()?.not_before_was?).into()),
    ),
    only(
        "seal",
        &[T::AuditCheckpoint],
        "The signed checkpoint: a JSON document as text, byte for byte what was signed.",
        |e| e.detail.as_ref()?.seal.clone().map(Value::String),
    ),
    any(
        "ocsf",
        "Its place in the Open Cybersecurity Schema Framework: `class_uid`, `category_uid`, `activity_id`, `type_uid`, \
         `severity_id`, `status_id` (1 success, 2 failure).",
        |e| {
            let ocsf = e.kind.ocsf();
            Some(json!({
                "class_uid": ocsf.class_uid,
                "category_uid": ocsf.category_uid(),
                "activity_id": ocsf.activity_id,
                "type_uid": ocsf.type_uid(),
                "severity_id": ocsf.severity as u32,
                "status_id": if ocsf.failure { 2 } else { 1 },
            }))
        },
    ),
];

fn text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| text.into())
}

fn members(table: &[Member], event: &Event) -> Map<String, Value> {
    let present = table.iter().filter(|member| member.of(event.kind));
    present.filter_map(|member| Some((member.name.to_owned(), (member.value)(event)?))).collect()
}

/// An event as a CloudEvent.
#[must_use]
pub fn event_json(event: &Event) -> Value {
    let mut envelope = members(ENVELOPE, event);
    envelope.insert("data".to_owned(), Value::Object(members(MEMBERS, event)));
    Value::Object(envelope)
}

#[cfg(test)]
mod tests {
    use patd_core::event::{Detail, Origin, TokenEnd};
    use patd_core::id::{EventId, SessionId, SiteLuid, TokenId, UserLuid};
    use uuid::Uuid;

    use super::*;

    fn full(kind: EventType) -> Event {
        Event {
            id: EventId(Uuid::from_u128(1)),
            time: Timestamp(1_700_000_000_000_001),
            site: Some(SiteLuid(Uuid::from_u128(2))),
            kind,
            actor: Actor::User { luid: UserLuid(Uuid::from_u128(3)), username: "ada".into() },
            user: Some(UserLuid(Uuid::from_u128(4))),
            token: Some(TokenId(Uuid::from_u128(5))),
            session: Some(SessionId(Uuid::from_u128(6))),
            origin: Origin { address: "192.0.2.1".into(), user_agent: "curl".into() },
            reason: "why".into(),
            count: 2,
            detail: Some(Box::new(Detail {
                ends: Some(TokenEnd::Idle),
                days: Some(5),
                ends_at: Some(Timestamp(1_700_000_000_000_000)),
                token_name: Some("ci".into()),
                network: Some("192.0.2.0/24".into()),
                found_at: Some("https://example.test/a".into()),
                tokens: Some(1),
                expiring: Some(2),
                unused: Some(3),
                not_before: Some(Timestamp(1_700_000_000_000_000)),
                not_before_was: Some(Timestamp(0)),
                seal: Some("{}".into()),
            })),
            seq: 7,
        }
    }

    #[test]
    fn every_type_with_every_member() {
        for kind in EventType::ALL {
            let shown = serde_json::to_string_pretty(&event_json(&full(kind))).expect("JSON");
            insta::assert_snapshot!(kind.as_str(), shown);
        }
    }

    #[test]
    fn a_full_event_shows_exactly_the_members_of_its_type() {
        for kind in EventType::ALL {
            let shown = event_json(&full(kind));
            let data = shown["data"].as_object().expect("an object");
            for member in MEMBERS {
                assert_eq!(data.contains_key(member.name), member.of(kind), "{kind:?} {}", member.name);
            }
            assert_eq!(data.len(), MEMBERS.iter().filter(|member| member.of(kind)).count());
        }
    }

    #[test]
    fn what_an_event_does_not_say_is_left_out() {
        let full = full(T::TokenExpired);
        let bare = Event { seq: full.seq, ..Event::new(full.id, full.time, full.kind, None) };
        let shown = event_json(&bare);
        let names = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
        assert_eq!(names(&shown["data"]), Some(vec!["actor".to_owned(), "ocsf".to_owned()]));
        assert_eq!(shown.get("subject"), None);
        assert_eq!(shown["source"], "/directory");
    }
}
