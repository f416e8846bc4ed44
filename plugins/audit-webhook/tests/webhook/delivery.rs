//! Delivery: what receivers get, in which order, and how often.

use std::time::{Duration, Instant};

use patd_sdk::abi::{op, status};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::receiver::{Got, Receiver, Say};
use crate::{LONG, NEW, OLD, event, sink, started};

fn verified(got: &Got, secret: &str) -> bool {
    Webhook::new(secret).expect("a secret").verify(&got.body, &got.headers).is_ok()
}

/// Looks until it holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a measured duration")]
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONG, "not in time: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn every_event_is_posted_in_order_over_one_connection_and_verifies_with_either_secret() {
    let receiver = Receiver::plain();
    let sink = sink(&receiver.url());
    let events = [event("1"), event("2"), event("3")];
    let answer = sink.deliver(&events, LONG);
    assert_eq!(answer.payload, json!({ "accepted_through": "3", "rejected": [] }), "{}", answer.detail);
    let got = receiver.got();
    assert_eq!(receiver.ids(), ["1", "2", "3"]);
    for (got, event) in got.iter().zip(&events) {
        assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/patd?a=b"));
        assert_eq!(got.header("host"), receiver.address.to_string());
        assert_eq!(got.header("content-type"), "application/cloudevents+json");
        assert!(got.header("user-agent").starts_with("patd/"));
        assert_eq!(&serde_json::from_slice::<Value>(&got.body).expect("JSON"), event);
        assert!(verified(got, NEW) && verified(got, OLD), "{got:?}");
    }
    assert_eq!(receiver.connections(), 1);
    sink.stop();
    until("STOP closes the connection", || receiver.open() == 0);
}

#[test]
fn a_wrong_secret_and_a_changed_body_or_id_do_not_verify() {
    let receiver = Receiver::plain();
    let sink = started(&json!({ "url": receiver.url(), "secrets": [OLD] }));
    assert_eq!(sink.deliver(&[event("1")], LONG).status, status::OK);
    let got = receiver.got().remove(0);
    assert!(verified(&got, OLD));
    assert!(!verified(&got, NEW), "one secret was given, one signature is there");
    let mut changed = got.clone();
    changed.body = String::from_utf8_lossy(&got.body).replace("minted", "revoked").into();
    assert!(!verified(&changed, OLD));
    let mut changed = got;
    changed.headers.insert("webhook-id", "2".parse().expect("a value"));
    assert!(!verified(&changed, OLD));
    sink.stop();
}

#[test]
fn after_a_503_the_same_event_comes_again_and_nothing_overtakes_it() {
    let receiver = Receiver::plain();
    let sink = sink(&receiver.url());
    let events = [event("1"), event("2"), event("3")];
    receiver.say([Say::Status(200), Say::Status(503), Say::Status(500)]);
    let answer = sink.deliver(&events, LONG);
    assert_eq!(answer.payload["accepted_through"], "1", "the part before it was delivered");
    let answer = sink.deliver(&events[1..], LONG);
    assert_eq!(answer.status, status::UNAVAILABLE);
    assert!(answer.detail.contains("answered 500"), "{}", answer.detail);
    let answer = sink.deliver(&events[1..], LONG);
    assert_eq!(answer.payload["accepted_through"], "3");
    assert_eq!(receiver.ids(), ["1", "2", "2", "2", "3"]);
    sink.stop();
}

#[test]
fn a_receiver_that_hangs_is_given_up_within_the_deadline_and_served_again_later() {
    let receiver = Receiver::plain();
    let sink = sink(&receiver.url());
    receiver.say([Say::Nothing]);
    #[expect(clippy::disallowed_methods, reason = "a measured duration")]
    let begin = Instant::now();
    let answer = sink.deliver(&[event("1")], Duration::from_millis(500));
    assert!(begin.elapsed() < Duration::from_secs(3));
    assert_eq!(answer.status, status::UNAVAILABLE, "{}", answer.detail);
    assert!(answer.detail.contains("did not answer"), "{}", answer.detail);
    until("the connection with an answer still to come is closed", || receiver.open() == 0);
    assert_eq!(sink.deliver(&[event("1")], LONG).status, status::OK);
    assert_eq!(receiver.ids(), ["1", "1"]);
    sink.stop();
}

#[test]
fn a_cancelled_delivery_is_answered_at_once() {
    let receiver = Receiver::plain();
    let sink = sink(&receiver.url());
    receiver.say([Say::Nothing]);
    let payload = json!({ "batch_id": "b", "events": [event("1")] }).to_string();
    let id = sink.submit(op::DELIVER, payload.as_bytes(), LONG * 10);
    until("the request is there", || receiver.got().len() == 1);
    sink.cancel(id);
    assert_eq!(sink.answer(id, LONG).status, status::CANCELLED);
    assert_eq!(sink.deliver(&[event("1")], LONG).status, status::OK);
    sink.stop();
}

#[test]
fn a_kept_connection_that_the_receiver_closed_costs_no_delivery() {
    let receiver = Receiver::plain();
    let sink = sink(&receiver.url());
    for number in 0..5 {
        receiver.say([Say::Close]);
        let answer = sink.deliver(&[event(&number.to_string())], LONG);
        assert_eq!(answer.status, status::OK, "{}", answer.detail);
    }
    assert_eq!(receiver.got().len(), 5);
    sink.stop();
}

#[test]
fn nobody_listening_is_unavailable_and_the_sink_recovers_by_itself() {
    let receiver = Receiver::plain();
    let address = receiver.address;
    drop(receiver);
    let sink = sink(&format!("http://{address}/hook-path-canary"));
    let answer = sink.deliver(&[event("1")], LONG);
    assert_eq!(answer.status, status::UNAVAILABLE);
    assert!(
        answer.detail.contains(&address.to_string()) && !answer.detail.contains("canary"),
        "{}",
        answer.detail
    );
    assert_eq!(sink.ask(op::HEALTH, b"", LONG).status, status::UNAVAILABLE);
    assert!(!sink.log().contains("canary"));
    sink.stop();
}
