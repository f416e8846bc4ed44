//! Daemons that go, come back, or do not read.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use patd_sdk::abi::{op, status};
use serde_json::json;

use crate::daemon::Daemon;
use crate::{LONG, event, sink};

#[test]
fn events_wait_while_the_daemon_is_down_and_go_on_when_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::start(folder.path());
    let (udp, tcp, tls) = (daemon.udp, daemon.tcp, daemon.tls);
    let sink = sink(&json!({ "address": format!("tcp://127.0.0.1:{tcp}") }));
    assert_eq!(sink.deliver(&[event("1")], LONG).status, status::OK);
    daemon.messages(1);
    daemon.kill();
    let answer = sink.deliver(&[event("2")], LONG);
    assert_eq!(answer.status, status::UNAVAILABLE, "a closed peer is noticed before anything is answered");
    assert_eq!(sink.ask(op::HEALTH, b"", LONG).status, status::UNAVAILABLE);
    let daemon = Daemon::start_on(folder.path(), udp, tcp, tls);
    assert_eq!(sink.ask(op::HEALTH, b"", LONG).status, status::OK);
    assert_eq!(sink.deliver(&[event("2")], LONG).status, status::OK);
    let messages = daemon.messages(2);
    assert!(messages[1].data.contains("id=\"2\""), "{messages:?}");
    sink.stop();
}

#[test]
fn a_missing_socket_is_unavailable_and_its_path_not_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("canary");
    let sink = sink(&json!({ "address": format!("unix://{}", path.display()) }));
    let answer = sink.deliver(&[event("1")], LONG);
    assert_eq!(answer.status, status::UNAVAILABLE);
    assert!(!answer.detail.contains("canary"), "{}", answer.detail);
    sink.stop();
}

#[test]
fn a_daemon_that_reads_nothing_is_given_up_within_the_deadline_and_no_half_message_follows() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let sink = sink(&json!({ "address": format!("tcp://{address}"), "max_size": 65507 }));
    // More than the system's buffers hold.
    let long = |n: u32| {
        let mut long = event(&format!("long-{n}"));
        long["data"]["user_agent"] = json!("x".repeat(60_000));
        long
    };
    let payload = json!({ "batch_id": "b", "events": (0..400).map(long).collect::<Vec<_>>() }).to_string();
    let answer = sink.ask(op::DELIVER, payload.as_bytes(), Duration::from_secs(2));
    // What was taken is said, or that nothing was.
    assert!([status::OK, status::UNAVAILABLE].contains(&answer.status), "{}", answer.detail);
    assert_ne!(answer.payload["accepted_through"], json!("long-399"));
    assert_eq!(sink.deliver(&[event("2")], LONG).status, status::OK);
    sink.stop();
    listener.set_nonblocking(true).expect("it can be asked");
    let connections: Vec<TcpStream> =
        std::iter::from_fn(|| listener.accept().ok()).map(|(stream, _)| stream).collect();
    assert!(connections.len() > 1, "a connection with half a message on it is not used again");
    let mut text = String::new();
    let mut last = connections.last().expect("one");
    last.read_to_string(&mut text).expect("one whole message");
    let (length, message) = text.split_once(' ').expect("counted");
    assert_eq!(length.parse(), Ok(message.len()));
    assert!(message.starts_with('<') && message.contains("id=\"2\""), "{message}");
}
