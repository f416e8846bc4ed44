//! How grave an event is, in syslog's terms. Must never make it `emerg`, which writes to everybody's terminal.

use serde_json::Value;

const ALERT: u8 = 1;
const CRITICAL: u8 = 2;
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFO: u8 = 6;

/// From OCSF's `severity_id` where the event has one, else from its type.
pub(crate) fn of(event: &Value) -> u8 {
    match event.pointer("/data/ocsf/severity_id").and_then(Value::as_u64) {
        Some(2) => NOTICE,
        Some(3) => WARNING,
        Some(4) => ERROR,
        Some(5) => CRITICAL,
        Some(6) => ALERT,
        Some(_) => INFO,
        None => of_type(event["type"].as_str().unwrap_or_default()),
    }
}

fn of_type(event_type: &str) -> u8 {
    match event_type.rsplit('.').next().unwrap_or_default() {
        "failed" | "token_leaked" => WARNING,
        "revoked" | "superseded" | "disabled" | "removed" | "revoked_before" | "password_changed"
        | "totp_disabled" | "policy_changed" | "replaced" => NOTICE,
        _ => INFO,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_event_s_own_severity_comes_before_its_type() {
        assert_eq!(of(&json!({ "type": "patd.signin.failed" })), WARNING);
        assert_eq!(of(&json!({ "type": "patd.token.minted" })), INFO);
        let with = |severity| json!({ "type": "patd.signin.failed", "data": { "ocsf": { "severity_id": severity } } });
        let all: Vec<u8> = [0, 1, 2, 3, 4, 5, 6, 99].into_iter().map(|id| of(&with(id))).collect();
        assert_eq!(all, [INFO, INFO, NOTICE, WARNING, ERROR, CRITICAL, ALERT, INFO]);
    }
}
