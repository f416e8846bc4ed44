//! What a server's refusals mean.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use patd_sdk::abi::{op, status};
use serde_json::json;

use crate::server::Server;
use crate::{LONG, deliver, event, plain};

#[test]
fn a_mail_that_is_put_off_comes_again_and_those_that_were_taken_do_not() {
    let server = Server::plain();
    let sink = plain(server.port);
    let events = [
        (event("1"), &["ann@people.example", "later@people.example"][..]),
        (event("2"), &["bob@people.example"][..]),
    ];
    let answer = deliver(&sink, &events, LONG);
    assert_eq!(answer.status, status::UNAVAILABLE, "the event waits, and what is behind it");
    assert!(answer.detail.contains("come back"), "{}", answer.detail);
    assert_eq!(deliver(&sink, &events, LONG).payload["accepted_through"], "2");
    let to: Vec<_> = (0..3).map(|_| server.mail()["recipients"][0].clone()).collect();
    assert_eq!(to, ["ann@people.example", "later@people.example", "bob@people.example"]);
    assert!(server.rest().is_empty());
    sink.stop();
}

#[test]
fn a_mail_that_is_put_off_for_a_day_is_given_up() {
    let server = Server::plain();
    let sink = plain(server.port);
    let (mut old, mut fresh) = (event("old"), event("fresh"));
    old["time"] = json!("2001-01-01T00:00:00Z");
    fresh["time"] = json!("2999-01-01T00:00:00Z");
    let to = &["always-later@people.example"][..];
    let answer = deliver(&sink, &[(old, to), (fresh.clone(), to)], LONG);
    assert_eq!(answer.payload, json!({ "accepted_through": "old", "rejected": ["old"] }));
    assert_eq!(deliver(&sink, &[(fresh, to)], LONG).status, status::UNAVAILABLE);
    sink.stop();
}

#[test]
fn a_recipient_whom_nobody_knows_makes_the_event_a_rejected_one_unless_another_got_it() {
    let server = Server::plain();
    let sink = plain(server.port);
    let events = [
        (event("1"), &["never@people.example"][..]),
        (event("2"), &["never@people.example", "ann@people.example"][..]),
        (event("3"), &["bob@people.example"][..]),
    ];
    let answer = deliver(&sink, &events, LONG);
    assert_eq!(answer.payload, json!({ "accepted_through": "3", "rejected": ["1"] }), "{}", answer.detail);
    assert_eq!(server.mail()["recipients"], json!(["ann@people.example"]));
    assert_eq!(server.mail()["recipients"], json!(["bob@people.example"]));
    assert_eq!(sink.log().matches("no such mailbox").count(), 2, "{}", sink.log());
    sink.stop();
}

#[test]
fn a_server_that_is_away_or_hangs_is_unavailable_within_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let sink = plain(port);
    let events = [(event("1"), &["ann@people.example"][..])];
    #[expect(clippy::disallowed_methods, reason = "a measured duration")]
    let begin = Instant::now();
    let answer = deliver(&sink, &events, Duration::from_millis(500));
    assert_eq!(answer.status, status::UNAVAILABLE);
    assert!(answer.detail.contains("did not answer"), "{}", answer.detail);
    assert!(begin.elapsed() < Duration::from_secs(4));
    drop(listener);
    assert_eq!(deliver(&sink, &events, LONG).status, status::UNAVAILABLE);
    assert_eq!(sink.ask(op::HEALTH, b"", LONG).status, status::UNAVAILABLE);
    sink.stop();
}
