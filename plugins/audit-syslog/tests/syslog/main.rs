//! The built plug-in against a real syslog daemon: a private rsyslogd, whose log is read back.

mod connections;
mod daemon;
mod delivery;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use patd_plugin_host::Kind;
use patd_plugin_host::probe::Running;
use serde_json::{Value, json};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// The library that Cargo built beside this test.
fn library() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    own.parent().expect("a folder").join("libaudit_syslog.so")
}

fn sink(config: &Value) -> Running {
    Running::start(&library(), Kind::Audit, config).expect("it starts")
}

fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/sites/018f2f7e-9d2a-7c3b-8a4e-0123456789ab",
        "type": "patd.token.revoked", "time": "2026-11-24T08:00:00.123456Z", "subject": "tokens/\"a]\\",
        "data": { "reason": "ünï\n\"code\"\u{1F600}" },
    })
}

/// Looks until there is something.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "a measured duration")]
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < LONG, "not in time: {what}");
        std::thread::yield_now();
    }
}
