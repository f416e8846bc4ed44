//! DELIVER for sinks that hand over one event after the other: reads the batch, keeps the order, and answers how far it came.
//!
//! Must never go past an event that was not taken: what comes behind it waits as well. A batch that fails in its middle is
//! answered with the part that was taken, so that no event of that part comes again; the rest does.

use std::future::Future;

use patd_proto::audit::{Deliver, Delivered, Recipient, event_id};
use serde_json::Value;

use crate::{Failure, time_left};

/// One event of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Its id.
    pub id: &'a str,
    /// The CloudEvent.
    pub json: &'a Value,
    /// Who is to be told of it; for sinks that want to know.
    pub recipients: &'a [Recipient],
}

impl Event<'_> {
    /// An attribute of the envelope (`type`, `source`, `subject`, `time`), when it is text.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.json.get(name)?.as_str()
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It has arrived.
    Accepted,
    /// It will never be taken; the host keeps it among the dead letters.
    Rejected,
}

/// A destination that takes events one by one.
pub trait OneByOne {
    /// Hands over one event. [`time_left`] says how long it may take.
    ///
    /// # Errors
    /// What keeps this event, and all behind it, from being taken now.
    fn take(&mut self, event: Event<'_>) -> impl Future<Output = Result<Taken, Failure>> + Send;
}

/// Serves DELIVER. Ends early, with what was taken, once half of the time has gone.
///
/// # Errors
/// INVALID when the payload is no batch or an event has no id; the failure of the first event when none was taken.
pub async fn deliver(payload: &[u8], destination: &mut impl OneByOne) -> Result<Vec<u8>, Failure> {
    let batch: Deliver = serde_json::from_slice(payload)
        .map_err(|error| Failure::invalid(format!("DELIVER does not read at column {}", error.column())))?;
    let events: Vec<Event<'_>> =
        batch.events.iter().map(|json| named(&batch, json)).collect::<Result<_, _>>()?;
    let enough = time_left() / 2;
    let mut done = Delivered::default();
    for event in events {
        if done.accepted_through.is_some() && time_left() < enough {
            break;
        }
        match destination.take(event).await {
            Ok(Taken::Accepted) => {}
            Ok(Taken::Rejected) => done.rejected.push(event.id.to_owned()),
            Err(failure) if done.accepted_through.is_none() => return Err(failure),
            Err(failure) => {
                tracing::warn!(%failure, "a part of the batch was delivered, the rest waits");
                break;
            }
        }
        done.accepted_through = Some(event.id.to_owned());
    }
    serde_json::to_vec(&done).map_err(|error| Failure::internal(error.to_string()))
}

fn named<'a>(batch: &'a Deliver, json: &'a Value) -> Result<Event<'a>, Failure> {
    let id = event_id(json).ok_or_else(|| Failure::invalid("DELIVER: an event has no id"))?;
    Ok(Event { id, json, recipients: batch.recipients.get(id).map_or(&[], Vec::as_slice) })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use patd_abi::status;

    use super::*;

    /// Rejects `bad`, fails at `down`.
    struct Destination(Vec<String>);

    impl OneByOne for Destination {
        async fn take(&mut self, event: Event<'_>) -> Result<Taken, Failure> {
            self.0.push(event.id.to_owned());
            match event.id {
                "bad" => Ok(Taken::Rejected),
                "down" => Err(Failure::unavailable("down")),
                _ => Ok(Taken::Accepted),
            }
        }
    }

    fn run(ids: &[&str]) -> (Result<Delivered, Failure>, Vec<String>) {
        let events: Vec<Value> = ids.iter().map(|id| serde_json::json!({ "id": id })).collect();
        let payload = serde_json::json!({ "batch_id": "b", "events": events }).to_string();
        let mut destination = Destination(Vec::new());
        let answer = {
            let mut work = pin!(deliver(payload.as_bytes(), &mut destination));
            match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => answer,
                Poll::Pending => panic!("it waits for nothing"),
            }
        };
        (answer.map(|json| serde_json::from_slice(&json).expect("an answer")), destination.0)
    }

    #[test]
    fn a_batch_is_answered_with_how_far_it_came_and_what_was_rejected() {
        let (answer, seen) = run(&["a", "bad", "b"]);
        let all = Delivered { accepted_through: Some("b".into()), rejected: vec!["bad".into()] };
        assert_eq!((answer, seen.len()), (Ok(all), 3));
        assert_eq!(run(&[]).0, Ok(Delivered::default()));
    }

    #[test]
    fn nothing_behind_a_failing_event_is_handed_over() {
        let (answer, seen) = run(&["a", "down", "b"]);
        assert_eq!(answer, Ok(Delivered { accepted_through: Some("a".into()), rejected: Vec::new() }));
        assert_eq!(seen, ["a", "down"]);
        let (answer, _) = run(&["down", "b"]);
        assert_eq!(answer.expect_err("nothing was taken").status(), status::UNAVAILABLE);
    }

    #[test]
    fn an_event_without_an_id_spoils_the_batch_before_anything_is_handed_over() {
        let payload = br#"{"batch_id":"b","events":[{"id":"a"},{"id":7}]}"#;
        let mut destination = Destination(Vec::new());
        let answer = {
            let mut work = pin!(deliver(payload, &mut destination));
            work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        assert!(matches!(answer, Poll::Ready(Err(failure)) if failure.status() == status::INVALID));
        assert!(destination.0.is_empty());
    }
}
