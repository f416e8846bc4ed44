//! The audit sink port. One batch at a time: the sink's own `max_in_flight` decides, and an answer counts only when it
//! accounts for every event of the batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use patd_abi::op;
use patd_proto::audit::{Deliver, Delivered, event_id};
use patd_service::ports::{Answer, AuditSink, SinkError};

use crate::{CallError, ServiceHandle};

/// An audit sink plug-in as the service's port.
#[derive(Debug)]
pub struct PluginSink {
    handle: ServiceHandle,
    timeout: Duration,
    batches: AtomicU64,
}

impl PluginSink {
    /// Wraps a started instance; each delivery has `timeout`.
    #[must_use]
    pub fn new(handle: ServiceHandle, timeout: Duration) -> Self {
        Self { handle, timeout, batches: AtomicU64::new(1) }
    }

    /// The instance.
    #[must_use]
    pub fn handle(&self) -> &ServiceHandle {
        &self.handle
    }
}

impl AuditSink for PluginSink {
    fn name(&self) -> &str {
        self.handle.name()
    }

    fn deliver(&self, events: Vec<serde_json::Value>) -> Answer<Result<(), SinkError>> {
        let (handle, timeout) = (self.handle.clone(), self.timeout);
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let Some(last) = events.last() else { return Ok(()) };
            let first = events.first().and_then(event_id).unwrap_or_default();
            let batch_id = format!("{number}-{first}");
            let last = event_id(last).unwrap_or_default().to_owned();
            let payload = serde_json::to_vec(&Deliver { batch_id, events })
                .map_err(|error| SinkError::Rejected(error.to_string()))?;
            let answer = handle.call(op::DELIVER, payload, timeout).await.map_err(failed)?;
            let answer: Delivered = serde_json::from_slice(&answer)
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
        let (handle, timeout) = (self.handle.clone(), self.timeout);
        Box::pin(async move { handle.stop(timeout).await.map_err(failed) })
    }
}

fn failed(error: CallError) -> SinkError {
    match error {
        CallError::Invalid(why) => SinkError::Rejected(why),
        other => SinkError::Unavailable(other.to_string()),
    }
}
