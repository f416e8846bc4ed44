//! The built plug-in against a real SMTP server, aiosmtpd; each mail is read by Python's own email package.

mod contents;
mod refusals;
mod security;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use patd_plugin_host::Kind;
use patd_plugin_host::probe::{Answer, Running};
use patd_sdk::abi::op;
use serde_json::{Value, json};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// The library that Cargo built beside this test.
fn library() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    own.parent().expect("a folder").join("libaudit_email.so")
}

fn try_start(config: &Value) -> Result<Running, String> {
    Running::start(&library(), Kind::Audit, config)
}

fn sink(config: &Value) -> Running {
    try_start(config).expect("it starts")
}

/// A sink of mail that is neither encrypted nor logged in.
fn plain(port: u16) -> Running {
    sink(
        &json!({ "smtp": format!("smtp://127.0.0.1:{port}"), "starttls": "off", "from": "patd <patd@patd.example>" }),
    )
}

fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/sites/018f2f7e-9d2a-7c3b-8a4e-0123456789ab",
        "type": "patd.notice.token_minted", "time": "2026-11-24T08:00:00Z",
        "data": { "actor": { "kind": "user", "username": "ann" }, "address": "192.0.2.1", "user_agent": "<b>ünï</b>\r\nX: y" },
    })
}

/// Delivers events with their recipients' addresses.
fn deliver(sink: &Running, events: &[(Value, &[&str])], budget: Duration) -> Answer {
    let person = |email: &&str| json!({ "email": email, "name": "Ann Ö. \"Nym\", <x>" });
    let recipients: serde_json::Map<String, Value> = events
        .iter()
        .filter(|(_, to)| !to.is_empty())
        .map(|(event, to)| (event["id"].as_str().expect("an id").to_owned(), to.iter().map(person).collect()))
        .collect();
    let events: Vec<&Value> = events.iter().map(|(event, _)| event).collect();
    let payload = json!({ "batch_id": "b", "events": events, "recipients": recipients });
    sink.ask(op::DELIVER, payload.to_string().as_bytes(), budget)
}
