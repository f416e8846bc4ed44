//! The audit sink port. One batch at a time: the sink's own `max_in_flight` decides, and an answer counts only when it
//! accounts for every event of the batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use patd_abi::op;
use patd_proto::audit::{self, Deliver, WANTS_RECIPIENTS, event_id};
use patd_service::ports::{Answer, AuditSink, Delivered, Recipient, Recipients, SinkError, Terms};

use super::callee::Callee;
use crate::{CallError, ServiceHandle, ServiceSlot};

/// An audit sink plug-in as the service's port.
#[derive(Debug)]
pub struct PluginSink {
    callee: Callee,
    timeout: Duration,
    terms: Arc<Terms>,
    batches: AtomicU64,
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
        Self { callee, timeout, terms: Arc::default(), batches: AtomicU64::new(1) }
    }

    /// On these terms.
    #[must_use]
    pub fn on(mut self, terms: Terms) -> Self {
        self.terms = Arc::new(terms);
        self
    }

    fn send(
        &self,
        events: Vec<serde_json::Value>,
        recipients: Option<Recipients>,
    ) -> Answer<Result<Delivered, SinkError>> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let ids: Vec<String> =
                events.iter().map(|event| event_id(event).unwrap_or_default().to_owned()).collect();
            let Some(first) = ids.first() else { return Ok(Delivered::default()) };
            let batch_id = format!("{number}-{first}");
            let handle = callee.get(timeout).await.map_err(failed)?;
            if recipients.is_none() && handle.description().wants.iter().any(|one| one == WANTS_RECIPIENTS) {
                // It came into service after it was asked what it wants. Without recipients it would drop the events.
                return Err(SinkError::Unavailable("the sink has only just come into service".into()));
            }
            let recipients = recipients.unwrap_or_default().into_iter().map(crossing).collect();
            let payload = serde_json::to_vec(&Deliver { batch_id, events, recipients })
                .map_err(|error| SinkError::Rejected(error.to_string()))?;
            let answer = handle.call(op::DELIVER, payload, timeout).await.map_err(failed)?;
            let answer = read(&answer);
            handle.read_back(answer.is_ok());
            delivered(&ids, answer?)
        })
    }
}

impl AuditSink for PluginSink {
    fn name(&self) -> &str {
        self.callee.name()
    }

    fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms)
    }

    fn deliver(&self, events: Vec<serde_json::Value>) -> Answer<Result<Delivered, SinkError>> {
        self.send(events, None)
    }

    fn wants_recipients(&self) -> bool {
        self.callee.wants(WANTS_RECIPIENTS)
    }

    fn deliver_to(
        &self,
        events: Vec<serde_json::Value>,
        recipients: Recipients,
    ) -> Answer<Result<Delivered, SinkError>> {
        self.send(events, Some(recipients))
    }

    fn stop(&self) -> Answer<Result<(), SinkError>> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        Box::pin(async move { callee.stop(timeout).await.map_err(failed) })
    }

    fn unready(&self) -> Option<String> {
        self.callee.unready()
    }
}

/// Recipients of one event as they cross the boundary.
fn crossing((id, told): (String, Vec<Recipient>)) -> (String, Vec<audit::Recipient>) {
    let crossing = |Recipient { email, name }| audit::Recipient { email, name: Some(name) };
    (id, told.into_iter().map(crossing).collect())
}

/// The answer to DELIVER.
pub(super) fn read(answer: &[u8]) -> Result<audit::Delivered, SinkError> {
    serde_json::from_slice(answer).map_err(|error| {
        SinkError::Unavailable(format!("the answer does not read: {}", crate::output::brief(&error)))
    })
}

fn failed(error: CallError) -> SinkError {
    match error {
        CallError::Invalid(why) => SinkError::Rejected(why),
        other => SinkError::Unavailable(other.to_string()),
    }
}

/// What the answer means for the batch with these ids. An answer that names others counts for nothing.
pub(super) fn delivered(ids: &[String], answer: audit::Delivered) -> Result<Delivered, SinkError> {
    let nonsense = || SinkError::Unavailable("the sink answers for events that it was not given".into());
    let through = match answer.accepted_through {
        None => 0,
        Some(last) => ids.iter().rposition(|id| *id == last).ok_or_else(nonsense)? + 1,
    };
    if !answer.rejected.iter().all(|id| ids[..through].contains(id)) {
        return Err(nonsense());
    }
    if through == 0 {
        return Err(SinkError::Unavailable("the sink took no event of the batch".into()));
    }
    Ok(Delivered { through, rejected: answer.rejected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(through: Option<&str>, rejected: &[&str]) -> Option<(usize, usize)> {
        let ids = ["a", "b", "c"].map(str::to_owned);
        let rejected = rejected.iter().map(|id| (*id).to_owned()).collect();
        let answer = audit::Delivered { accepted_through: through.map(str::to_owned), rejected };
        delivered(&ids, answer).ok().map(|done| (done.through, done.rejected.len()))
    }

    #[test]
    fn an_answer_counts_for_the_events_that_it_names_and_for_no_others() {
        assert_eq!(read(Some("c"), &[]), Some((3, 0)));
        assert_eq!(read(Some("b"), &["a"]), Some((2, 1)));
        assert_eq!(read(None, &[]), None);
        assert_eq!(read(Some("d"), &[]), None);
        assert_eq!(read(Some("b"), &["c"]), None);
        assert_eq!(read(Some("c"), &["x"]), None);
    }
}
