//! The built plug-in against a real HTTP receiver, judged by the official verifier of Standard Webhooks.

mod delivery;
mod receiver;
mod refusals;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use patd_plugin_host::Kind;
use patd_plugin_host::probe::Running;
use serde_json::{Value, json};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
const NEW: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3";
const OLD: &str = "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk";

/// The library that Cargo built beside this test.
fn library() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    own.parent().expect("a folder").join("libaudit_webhook.so")
}

fn started(config: &Value) -> Running {
    Running::start(&library(), Kind::Audit, config).expect("it starts")
}

/// A sink that posts to `url` and signs with both secrets.
fn sink(url: &str) -> Running {
    started(&json!({ "url": url, "secrets": [NEW, OLD] }))
}

fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/sites/018f2f7e-9d2a-7c3b-8a4e-0123456789ab",
        "type": "patd.token.minted", "time": "2026-11-24T08:00:00Z", "data": { "reason": "ünï\n\"code\"" },
    })
}
