//! The audit sink port. One batch at a time: the sink's own `max_in_flight` decides, and an answer counts only when it
//! accounts for every event of the batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use patd_abi::op;
use patd_proto::audit::{Deliver, Delivered, event_id};
use patd_service::ports::{Answer, AuditSink, SinkError};

use super::callee::Callee;
use crate::{CallError, ServiceHandle, ServiceSlot};

/// An audit sink plug-in as the service's port.
#[derive(Debug)]
pub struct PluginSink {
    callee: Callee,
    timeout: Duration,
    takes: Option<Takes>,
    batches: AtomicU64,
}

/// Whether events of a type go to the sink.
struct Takes(Box<dyn Fn(&str) -> bool + Send + Sync>);

impl std::fmt::Debug for Takes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Takes")
    }
}

impl PluginSink {
    /// Wraps a started instance; each delivery has `timeout`.
    #[must_use]
    pub fn new(handle: ServiceHandle, timeout: Duration) -> Self {
        Self::of(Callee::Instance(handle), timeout)
    }

    /// Wraps a slot; each delivery has `timeout`.
    #[must_use]
    pub fn in_slot(slot: Arc<ServiceSlot>, timeout: Duration) -> Self {
        Self::of(Callee::Slot(slot), timeout)
    }

    fn of(callee: Callee, timeout: Duration) -> Self {
        Self { callee, timeout, takes: None, batches: AtomicU64::new(1) }
    }

    /// Hands only events over whose type `takes` accepts; the others count as delivered.
    #[must_use]
    pub fn taking(mut self, takes: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.takes = Some(Takes(Box::new(takes)));
        self
    }
}

impl AuditSink for PluginSink {
    fn name(&self) -> &str {
        self.callee.name()
    }

    fn deliver(&self, mut events: Vec<serde_json::Value>) -> Answer<Result<(), SinkError>> {
        if let Some(takes) = &self.takes {
            keep_wanted(&mut events, &takes.0);
        }
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let Some(last) = events.last() else { return Ok(()) };
            let first = events.first().and_then(event_id).unwrap_or_default();
            let batch_id = format!("{number}-{first}");
            let last = event_id(last).unwrap_or_default().to_owned();
            let payload = serde_json::to_vec(&Deliver { batch_id, events, ..Deliver::default() })
                .map_err(|error| SinkError::Rejected(error.to_string()))?;
            let handle = callee.get(timeout).await.map_err(failed)?;
            let answer = handle.call(op::DELIVER, payload, timeout).await.map_err(failed)?;
            let answer: Result<Delivered, _> = serde_json::from_slice(&answer);
            handle.read_back(answer.is_ok());
            let answer = answer
                .map_err(|error| SinkError::Unavailable(format!("the answer does not read: {error}")))?;
            if answer.accepted_through.as_deref() != Some(last.as_str()) {
                // At least once: the whole batch comes again.
                return Err(SinkError::Unavailable("the sink took only a part of the batch".into()));
            }
            for id in answer.rejected {
                tracing::error!(sink = handle.name(), event = %id.escape_debug(), "the sink rejects an event for ever");
                metrics::counter!("patd_sink_rejected_events_total", "sink" => handle.name().to_owned())
                    .increment(1);
            }
            Ok(())
        })
    }

    fn stop(&self) -> Answer<Result<(), SinkError>> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        Box::pin(async move { callee.stop(timeout).await.map_err(failed) })
    }

    fn unready(&self) -> Option<String> {
        self.callee.unready()
    }
}

fn failed(error: CallError) -> SinkError {
    match error {
        CallError::Invalid(why) => SinkError::Rejected(why),
        other => SinkError::Unavailable(other.to_string()),
    }
}

/// Leaves out what the sink does not want; an event that tells no type is kept.
fn keep_wanted(events: &mut Vec<serde_json::Value>, takes: &dyn Fn(&str) -> bool) {
    events.retain(|event| event["type"].as_str().is_none_or(takes));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sink_gets_the_types_that_it_wants_in_their_order() {
        let mut events = vec![
            json!({"type": "a.x", "id": 1}),
            json!({"type": "b", "id": 2}),
            json!({"type": "a.y", "id": 3}),
        ];
        keep_wanted(&mut events, &|kind| kind.starts_with("a."));
        let ids: Vec<_> = events.iter().filter_map(|event| event["id"].as_u64()).collect();
        assert_eq!(ids, [1, 3]);
    }
}
