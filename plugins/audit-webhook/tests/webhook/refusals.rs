//! What each answer of a receiver means.

use patd_sdk::abi::{op, status};
use serde_json::json;

use crate::receiver::{Receiver, Say};
use crate::{LONG, event, sink};

#[test]
fn a_410_disables_the_endpoint_until_a_fresh_instance_is_made() {
    let receiver = Receiver::plain();
    let first = sink(&receiver.url());
    receiver.say([Say::Status(204), Say::Status(410)]);
    let answer = first.deliver(&[event("1"), event("2"), event("3")], LONG);
    assert_eq!(answer.payload["accepted_through"], "1");
    for _ in 0..3 {
        let answer = first.deliver(&[event("2"), event("3")], LONG);
        assert_eq!(answer.status, status::UNAVAILABLE, "events wait");
        assert!(answer.detail.contains("410"), "{}", answer.detail);
    }
    assert_eq!(receiver.ids(), ["1", "2"], "nothing more is sent");
    assert_eq!(first.ask(op::HEALTH, b"", LONG).status, status::UNAVAILABLE);
    assert!(first.log().contains("disabled"), "{}", first.log());
    first.stop();
    let second = sink(&receiver.url());
    assert_eq!(second.deliver(&[event("2"), event("3")], LONG).payload["accepted_through"], "3");
    second.stop();
}

#[test]
fn a_receiver_that_asks_for_rest_gets_it() {
    let receiver = Receiver::plain();
    let sink = sink(&receiver.url());
    receiver.say([Say::With(429, "retry-after", "30".into())]);
    for _ in 0..3 {
        assert_eq!(sink.deliver(&[event("1")], LONG).status, status::UNAVAILABLE);
    }
    assert_eq!(receiver.got().len(), 1);

    sink.stop();
}

#[test]
fn an_event_that_the_receiver_refuses_is_rejected_and_the_next_one_delivered() {
    let receiver = Receiver::plain();
    let sink = sink(&receiver.url());
    receiver.say([Say::Status(400), Say::Status(204), Say::Status(404)]);
    let answer = sink.deliver(&[event("1"), event("2"), event("3"), event("4")], LONG);
    assert_eq!(answer.payload, json!({ "accepted_through": "4", "rejected": ["1", "3"] }));
    sink.stop();
}

#[test]
fn an_id_that_would_make_a_signature_ambiguous_is_rejected_unsent() {
    let receiver = Receiver::plain();
    let sink = sink(&receiver.url());
    let events = [event("1.2"), event("a\r\nb: c"), event(""), event("4")];
    let answer = sink.deliver(&events, LONG);
    assert_eq!(answer.payload["rejected"], json!(["1.2", "a\r\nb: c", ""]));
    assert_eq!(receiver.ids(), ["4"]);
    sink.stop();
}

#[test]
fn a_redirect_is_not_followed() {
    let (receiver, elsewhere) = (Receiver::plain(), Receiver::plain());
    let sink = sink(&receiver.url());
    receiver.say([Say::With(302, "location", elsewhere.url()), Say::With(307, "location", elsewhere.url())]);
    for _ in 0..2 {
        let answer = sink.deliver(&[event("1")], LONG);
        assert_eq!(answer.status, status::UNAVAILABLE);
        assert!(answer.detail.contains("redirects are not followed"), "{}", answer.detail);
    }
    assert!(elsewhere.got().is_empty());
    sink.stop();
}
