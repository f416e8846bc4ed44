//! What the daemon understands, over each transport.

use patd_sdk::abi::status;
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::{LONG, event, sink};

/// Delivers over the transport and compares what rsyslogd has read.
fn arrives(address: impl Fn(&Daemon, &str) -> Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::start(folder.path());
    let sink = sink(&address(&daemon, &folder.path().display().to_string()));
    let mut grave = event("2");
    grave["data"]["ocsf"] = json!({ "severity_id": 5 });
    let events = [event("1"), grave, event("3")];
    let answer = sink.deliver(&events, LONG);
    assert_eq!(answer.payload, json!({ "accepted_through": "3", "rejected": [] }), "{}", answer.detail);
    let messages = daemon.messages(3);
    assert_eq!(messages.len(), 3);
    for (message, event) in messages.iter().zip(&events) {
        assert_eq!((message.app.as_str(), message.kind.as_str()), ("patd", "patd.token.revoked"));
        assert_eq!(message.process, std::process::id().to_string());
        assert_eq!(message.time, "2026-11-24T08:00:00.123456Z");
        assert_ne!((message.host.as_str(), message.host.as_str()), ("receiver", "-"));
        let id = event["id"].as_str().expect("an id");
        let data = format!(
            r#"[patd@32473 id="{id}" source="/sites/018f2f7e-9d2a-7c3b-8a4e-0123456789ab" subject="tokens/\"a\]\\"]"#
        );
        assert_eq!(message.data, data);
        assert_eq!(&serde_json::from_str::<Value>(&message.text).expect("JSON"), event);
    }
    // local3 is 19; a revocation is a notice (5), OCSF's 5 is critical (2).
    let priorities: Vec<&str> = messages.iter().map(|message| message.priority.as_str()).collect();
    assert_eq!(priorities, ["157", "154", "157"]);
    sink.stop();
}

#[test]
fn over_udp() {
    arrives(
        |daemon, _| json!({ "address": format!("udp://127.0.0.1:{}", daemon.udp), "facility": "local3" }),
    );
}

#[test]
fn over_tcp() {
    arrives(
        |daemon, _| json!({ "address": format!("tcp://127.0.0.1:{}", daemon.tcp), "facility": "local3" }),
    );
}

#[test]
fn over_tls() {
    arrives(|daemon, folder| {
        let (address, ca_file) = (format!("tls://127.0.0.1:{}", daemon.tls), format!("{folder}/ca.pem"));
        json!({ "address": address, "facility": "local3", "ca_file": ca_file })
    });
}

#[test]
fn over_a_unix_socket_of_datagrams() {
    arrives(|_, folder| json!({ "address": format!("unix://{folder}/datagrams"), "facility": "local3" }));
}

#[test]
fn over_a_unix_socket_that_is_a_stream() {
    arrives(|_, folder| json!({ "address": format!("unix://{folder}/stream"), "facility": "local3" }));
}

#[test]
fn an_event_that_fits_no_message_is_rejected_whole_and_the_next_one_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::start(folder.path());
    let sink = sink(&json!({ "address": format!("udp://127.0.0.1:{}", daemon.udp), "max_size": 1000 }));
    let mut long = event("1");
    long["data"]["user_agent"] = json!("x".repeat(1000));
    let answer = sink.deliver(&[long, event("2")], LONG);
    assert_eq!(answer.payload, json!({ "accepted_through": "2", "rejected": ["1"] }));
    assert!(sink.log().contains("max_size"), "{}", sink.log());
    assert!(daemon.messages(1)[0].data.contains("id=\"2\""));
    sink.stop();
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::start(folder.path());
    let sink = sink(&json!({ "address": format!("tls://127.0.0.1:{}", daemon.tls) }));
    let answer = sink.deliver(&[event("1")], LONG);
    assert_eq!(answer.status, status::UNAVAILABLE);
    assert!(answer.detail.contains("TLS"), "{}", answer.detail);
    sink.stop();
}
