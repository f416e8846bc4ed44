//! A store or sink that is started, and the requests that every kind understands. Judges only what holds for every answer.

use std::time::Duration;

use patd_abi::{Status, op, status};
use patd_plugin_host::Kind;
use patd_plugin_host::probe::{Ask, Completion, Host, Service};
use patd_proto::audit;
use patd_proto::store::{self, Query, QueryRequest};
use serde_json::{Value, json};

use crate::case::ensure;
use crate::subject::{Subject, status_name};

/// Most bytes that the daemon takes as an answer.
const MAX_ANSWER: usize = 8 << 20;
/// The site of the kit's events.
pub(crate) const SITE: &str = "018f2f7e-9d2a-7c3b-8a4e-0123456789ab";

/// A started instance.
pub(crate) struct Running {
    pub(crate) service: Service,
    pub(crate) kind: Kind,
    pub(crate) patience: Duration,
    pub(crate) max_in_flight: usize,
}

/// An answer, whether it came by completion or `submit` refused the request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    pub(crate) payload: Vec<u8>,
    pub(crate) detail: Vec<u8>,
}

impl Running {
    /// Makes an instance and starts it.
    pub(crate) fn start(subject: &Subject) -> Result<Self, String> {
        Self::start_with(subject, &subject.config()?)
    }

    /// Makes an instance with another configuration and starts it.
    pub(crate) fn start_with(subject: &Subject, config: &Value) -> Result<Self, String> {
        let running = Self::made_with(subject, config)?;
        running.lifecycle(op::START, start_payload(subject.kind))?;
        Ok(running)
    }

    /// Makes an instance.
    pub(crate) fn made(subject: &Subject) -> Result<Self, String> {
        Self::made_with(subject, &subject.config()?)
    }

    /// Makes an instance with another configuration.
    pub(crate) fn made_with(subject: &Subject, config: &Value) -> Result<Self, String> {
        let described = subject.description()?["max_in_flight"].as_u64().unwrap_or(64);
        let max_in_flight = usize::try_from(described).unwrap_or(64).clamp(1, 4096);
        Ok(Self {
            service: subject.service_with(config)?,
            kind: subject.kind,
            patience: subject.patience,
            max_in_flight,
        })
    }

    pub(crate) fn host(&self) -> &'static Host {
        self.service.host()
    }

    /// Hands a request over; its number, and `submit`'s status.
    pub(crate) fn submit(&self, op: u32, payload: &[u8]) -> (u64, Status) {
        self.submit_as(op, payload, patd_abi::ENCODING_JSON)
    }

    pub(crate) fn submit_as(&self, op: u32, payload: &[u8], encoding: u32) -> (u64, Status) {
        let id = self.host().next_request();
        let (status, _) = self.service.submit(Ask { op, id, timeout: self.patience, encoding, payload });
        (id, status)
    }

    /// One request and its answer.
    pub(crate) fn ask(&self, op: u32, payload: &[u8]) -> Result<Answer, String> {
        self.ask_as(op, payload, patd_abi::ENCODING_JSON)
    }

    pub(crate) fn ask_as(&self, op: u32, payload: &[u8], encoding: u32) -> Result<Answer, String> {
        let (id, status) = self.submit_as(op, payload, encoding);
        if status != status::OK {
            return Ok(Answer { status, payload: Vec::new(), detail: Vec::new() });
        }
        let completion = self.host().wait(id, self.patience).ok_or_else(|| {
            format!("operation {op} was taken and not answered within {} ms", self.patience.as_millis())
        })?;
        judged(op, completion)
    }

    /// START, HEALTH or STOP, which must go well.
    pub(crate) fn lifecycle(&self, op: u32, payload: Vec<u8>) -> Result<(), String> {
        let name = match op {
            op::START => "START",
            op::STOP => "STOP",
            _ => "HEALTH",
        };
        let answer = self.ask(op, &payload)?;
        ensure(answer.status == status::OK, || {
            format!(
                "{name} answers {}: {}",
                status_name(answer.status),
                String::from_utf8_lossy(&answer.detail)
            )
        })
    }

    /// STOP, then the end of the instance.
    pub(crate) fn stop(self) -> Result<&'static Host, String> {
        self.lifecycle(op::STOP, empty())?;
        let host = self.host();
        self.service.destroy();
        Ok(host)
    }

    /// A request of the kind's own that is good; `number` makes it different from others.
    pub(crate) fn good(&self, number: u64) -> (u32, Vec<u8>) {
        match self.kind {
            Kind::Store => {
                let queries =
                    vec![Query::NewestEvent, Query::Token(uuid::Uuid::from_u128(u128::from(number)))];
                (store::op::QUERY, bytes(&QueryRequest { schema: store::SCHEMA, queries }))
            }
            Kind::Audit | Kind::Hasher => (op::DELIVER, batch(&[number])),
        }
    }

    /// All operations of the kind with good payloads that change nothing that matters.
    pub(crate) fn all_good(&self, number: u64) -> Vec<(u32, Vec<u8>)> {
        let mut all = vec![(op::HEALTH, empty()), self.good(number)];
        match self.kind {
            Kind::Store => {
                let take = json!({ "schema": 1, "sink": "kit", "limit": 10 });
                all.push((op::OUTBOX_TAKE, bytes(&take)));
                all.push((op::OUTBOX_ACK, bytes(&json!({ "schema": 1, "sink": "kit", "through": 0 }))));
                all.push((op::SCHEMA_STATUS, empty()));
            }
            Kind::Audit | Kind::Hasher => all.push((op::FLUSH, Vec::new())),
        }
        all
    }

    /// Whether a plug-in may do without an operation.
    pub(crate) fn is_optional(op: u32) -> bool {
        matches!(op, op::EXPORT | op::IMPORT | op::DIGESTS)
    }

    /// The kind's own operations that take a payload.
    pub(crate) fn own_ops(&self) -> &'static [u32] {
        match self.kind {
            Kind::Store => &[
                op::QUERY,
                op::APPLY,
                op::OUTBOX_TAKE,
                op::OUTBOX_ACK,
                op::BACKUP,
                op::EXPORT,
                op::IMPORT,
                op::DIGESTS,
            ],
            Kind::Audit | Kind::Hasher => &[op::DELIVER],
        }
    }
}

/// What holds for every completion.
pub(crate) fn judged(op: u32, completion: Completion) -> Result<Answer, String> {
    let Completion { status, payload, length, detail, .. } = completion;
    ensure((0..=8).contains(&status), || format!("operation {op} is answered with {}", status_name(status)))?;
    ensure(status != status::PANIC, || {
        format!("operation {op} panicked: {}", String::from_utf8_lossy(&detail))
    })?;
    ensure(length <= MAX_ANSWER, || {
        format!("operation {op} is answered with {length} bytes, at most {MAX_ANSWER} are taken")
    })?;
    ensure(std::str::from_utf8(&detail).is_ok(), || format!("the detail about operation {op} is not UTF-8"))?;
    ensure(detail.len() <= 4096, || format!("the detail about operation {op} has {} bytes", detail.len()))?;
    if status == status::OK {
        ensure(detail.is_empty(), || format!("operation {op} is answered OK together with a detail"))?;
        ensure(payload.is_empty() || serde_json::from_slice::<Value>(&payload).is_ok(), || {
            format!("operation {op} is answered OK with {length} bytes that are no JSON")
        })?;
    } else {
        ensure(length == 0, || {
            format!("operation {op} is answered {} together with a payload", status_name(status))
        })?;
    }
    Ok(Answer { status, payload, detail })
}

/// What START gets.
pub(crate) fn start_payload(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Store => bytes(&store::Start { schema: store::SCHEMA, role: None }),
        Kind::Audit | Kind::Hasher => Vec::new(),
    }
}

/// A payload that says nothing more.
pub(crate) fn empty() -> Vec<u8> {
    bytes(&store::Empty { schema: store::SCHEMA })
}

/// JSON.
pub(crate) fn bytes(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The id of an event of the kit.
pub(crate) fn event_id(number: u64) -> String {
    uuid::Uuid::from_u128(0x6b69_7400_0000_4000_8000_0000_0000_0000 | u128::from(number)).to_string()
}

/// An event as the daemon sends them.
pub(crate) fn event(number: u64) -> Value {
    json!({
        "specversion": "1.0",
        "id": event_id(number),
        "source": format!("/sites/{SITE}"),
        "type": "patd.token.minted",
        "subject": format!("users/{SITE}"),
        "time": "2026-01-02T03:04:05.678901Z",
        "data": { "actor": { "kind": "user", "luid": SITE, "username": "ann" }, "user": SITE, "address": "192.0.2.1",
                  "user_agent": "kit\n\"ünïcode\"", "reason": "", "count": 1 },
    })
}

/// DELIVER's payload with these events.
pub(crate) fn batch(numbers: &[u64]) -> Vec<u8> {
    let batch_id = format!("kit-{}", numbers.first().copied().unwrap_or_default());
    let events = numbers.iter().map(|number| event(*number)).collect();
    bytes(&audit::Deliver { batch_id, events, ..audit::Deliver::default() })
}
