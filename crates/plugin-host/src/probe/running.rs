//! A store or sink that was started, for tests of a plug-in's own rules: load, ask, look at the answer.

use std::path::Path;
use std::time::Duration;

use patd_abi::{ENCODING_JSON, Status, op, status};
use serde_json::{Value, json};

use super::{Ask, Completion, Host, Library, Service, Shape};
use crate::image::Kind;

/// How long an answer may come after its budget.
const GRACE: Duration = Duration::from_secs(5);

/// A started instance.
pub struct Running {
    service: Service,
}

/// An answer in texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: Status,
    /// The payload; null when there is none.
    pub payload: Value,
    /// The detail.
    pub detail: String,
}

impl Running {
    /// Loads a library, makes an instance and starts it.
    ///
    /// # Errors
    /// What was refused, in words.
    pub fn start(file: &Path, kind: Kind, config: &Value) -> Result<Self, String> {
        let library = Library::open(file)?;
        let factory = library.factory(kind).ok_or("it offers no such kind")?;
        let host = Host::leak(Shape::Exact);
        let made = Service::create(factory, host, config.to_string().as_bytes());
        let service = made.instance.ok_or_else(|| made.reply.detail_text())?;
        let running = Self { service };
        let started = running.ask(op::START, b"", GRACE);
        if started.status == status::OK { Ok(running) } else { Err(started.detail) }
    }

    /// The host that records what it says.
    #[must_use]
    pub fn host(&self) -> &'static Host {
        self.service.host()
    }

    /// Hands a request over; its number.
    ///
    /// # Panics
    /// When it is not taken.
    #[must_use]
    pub fn submit(&self, op: u32, payload: &[u8], budget: Duration) -> u64 {
        let id = self.host().next_request();
        let (status, _) =
            self.service.submit(Ask { op, id, timeout: budget, encoding: ENCODING_JSON, payload });
        assert_eq!(status, status::OK, "operation {op} is not taken");
        id
    }

    /// Waits for the answer to a request.
    ///
    /// # Panics
    /// When none comes within `patience`.
    #[must_use]
    pub fn answer(&self, id: u64, patience: Duration) -> Answer {
        let Some(Completion { status, payload, detail, .. }) = self.host().wait(id, patience) else {
            panic!("no answer within {patience:?}");
        };
        let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
        Answer { status, payload, detail: String::from_utf8_lossy(&detail).into_owned() }
    }

    /// One request and its answer.
    #[must_use]
    pub fn ask(&self, op: u32, payload: &[u8], budget: Duration) -> Answer {
        self.answer(self.submit(op, payload, budget), budget + GRACE)
    }

    /// Delivers events to a sink.
    #[must_use]
    pub fn deliver(&self, events: &[Value], budget: Duration) -> Answer {
        let payload = json!({ "batch_id": "probe", "events": events });
        self.ask(op::DELIVER, payload.to_string().as_bytes(), budget)
    }

    /// Says that nobody waits for a request any more.
    pub fn cancel(&self, id: u64) {
        self.service.cancel(id);
    }

    /// All that it has logged, as text.
    #[must_use]
    pub fn log(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.host()
            .lines()
            .iter()
            .map(|line| text(&line.message) + " " + &text(&line.fields) + "\n")
            .collect()
    }

    /// STOP, then the end of the instance.
    ///
    /// # Panics
    /// When STOP is not answered OK.
    pub fn stop(self) {
        let stopped = self.ask(op::STOP, b"", GRACE);
        assert_eq!(stopped.status, status::OK, "{}", stopped.detail);
        self.service.destroy();
    }
}
