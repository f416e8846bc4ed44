//! How many events a second an audit sink takes: `deliver PLUGIN LIBRARY CONFIG [SECONDS]`, the configuration as JSON.
//!
//! Batches of the size that the daemon makes, one after the other, as the daemon delivers them; every event has one recipient.
//! Prints events per second.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures and reports")]

use std::time::{Duration, Instant};

use patd_plugin_host::adapt::PluginSink;
use patd_plugin_host::{Images, Kind, PluginSpec, ServiceHandle};
use patd_service::ports::{AuditSink as _, Recipient};
use serde_json::{Value, json};
use uuid::Uuid;

/// Events per batch.
const BATCH: u128 = 256;

fn event(number: u128) -> Value {
    json!({
        "specversion": "1.0",
        "id": Uuid::from_u128(number),
        "source": "/sites/09b56ebe-b2d8-41bc-b41a-f1ef453eea6d",
        "type": "patd.notice.token_minted",
        "subject": "/users/6bd215c4-e624-4d5c-bbe0-7fe212cdd040",
        "time": "2026-11-24T12:00:00.000001Z",
        "datacontenttype": "application/json",
        "data": {
            "actor": {"kind": "user", "luid": "6bd215c4-e624-4d5c-bbe0-7fe212cdd040", "username": "somebody"},
            "user": "6bd215c4-e624-4d5c-bbe0-7fe212cdd040",
            "token": "f0a62a31-8fb4-4f7d-ad0d-03f1dc108da0",
            "token_name": "nightly extract",
            "site": "09b56ebe-b2d8-41bc-b41a-f1ef453eea6d",
            "address": "192.0.2.1",
            "user_agent": "bench/1.0",
            "severity": "informational",
            "ends_at": "2027-11-24T12:00:00Z",
            "count": 1,
        },
    })
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().expect(what);
    let (name, library, config) =
        (next("the plug-in's name"), next("the library"), next("the configuration"));
    let seconds: u64 = arguments.next().map_or(3, |n| n.parse().expect("a number"));
    let runtime = tempfile::tempdir().expect("a folder");
    let spec = PluginSpec {
        name,
        path: library.into(),
        sha256: None,
        allow_unpinned: true,
        runtime_dir: runtime.path().to_owned(),
    };
    let image = Images.load(&spec).expect("loads");
    let config = serde_json::from_str(&config).expect("the configuration is JSON");
    let handle = ServiceHandle::create(&image, Kind::Audit, "bench", &config).expect("an instance");
    let patience = Duration::from_secs(60);
    handle.start(Vec::new(), patience).await.expect("starts");
    let sink = PluginSink::new(handle, patience);

    let (begun, mut done) = (Instant::now(), 0u128);
    while begun.elapsed() < Duration::from_secs(seconds) {
        let batch: Vec<Value> = (done..done + BATCH).map(event).collect();
        let told = |event: &Value| {
            let id = event["id"].as_str().expect("an id").to_owned();
            (id, vec![Recipient { email: "somebody@patd.example".to_owned(), name: "Somebody".to_owned() }])
        };
        let recipients = batch.iter().map(told).collect();
        let delivered = sink.deliver_to(batch, recipients).await.expect("takes the batch");
        assert!(delivered.rejected.is_empty(), "it rejects {:?}", delivered.rejected);
        done += delivered.through as u128;
    }
    println!("{:.0}", done as f64 / begun.elapsed().as_secs_f64());
    sink.stop().await.expect("stops");
}
