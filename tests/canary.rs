//! R5: secrets are nowhere but in the answer that shows them.
//!
//! Everything secret that a daemon gives out or is given is collected, used rightly, and sent to wrong places as well;
//! then all that the daemon keeps, logs and says is searched for it, in plain, base64 and hexadecimal. The memory of the
//! process is not searched, nor are its private copies of plug-ins, which were there before the secrets.

mod haystack;
mod needle;
mod wrong_places;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Daemon, Facts, Wire, interactive, sample, say, totp_code};
use haystack::Haystack;
use needle::Needles;

/// Secrets by what they are.
type Secrets = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread")]
async fn r5_no_secret_is_anywhere_but_in_its_answer() {
    let daemon = Daemon::start("[log]\nformat = \"json\"\nlevel = \"trace\"\n").await;
    let facts = sample(&daemon).await;
    let mut said = Vec::new();
    let secrets = collect(&daemon, &facts, &mut said).await;
    let needles = Needles::of(&secrets);
    for (what, secret) in &secrets {
        wrong_places::send(&daemon, what, secret, &mut said).await;
    }
    read_all(&daemon, &secrets, &mut said).await;
    let mut haystack = Haystack::default();
    haystack.add("an answer", &said.join(&b'\n'));
    let metrics = management(&daemon, "/metrics").await;
    assert!(!metrics.is_empty(), "there are metrics to search");
    haystack.add("/metrics", &metrics);
    for file in ["cmdline", "environ"] {
        let path = format!("/proc/{}/{file}", daemon.pid());
        haystack.add(&path, &std::fs::read(&path).expect("a file of /proc"));
    }
    haystack.add_folder(&daemon.folder());
    daemon.kill();
    haystack.add_folder(&daemon.folder());
    let log = daemon.log();
    assert!(log.contains("\"TRACE\"") || log.contains("\"DEBUG\""), "the log is at its loudest");
    assert!(haystack.names().any(|name| name.ends_with(".db-wal")), "the write-ahead log was searched");
    assert!(haystack.names().any(|name| name.ends_with(".jsonl")), "audit files were searched");
    // What is not secret is found, so the search works.
    let id = facts.text("/tokens/member/id").to_owned();
    let known = Needles::of(&Secrets::from([("a token's public id".to_owned(), id)]));
    assert!(!haystack.search(&known).is_empty(), "the search finds what is there");
    let found = haystack.search(&needles);
    assert!(found.is_empty(), "secrets leaked:\n{}", found.join("\n"));
    say(&format!("canary: {} secrets, {} bytes searched", secrets.len(), haystack.len()));
}

/// Makes one of everything that is secret. Answers that show none go to `said`.
async fn collect(daemon: &Daemon, facts: &Facts, said: &mut Vec<Vec<u8>>) -> Secrets {
    let mut secrets = Secrets::new();
    let mut keep = |what: &str, secret: &str| {
        secrets.insert(what.to_owned(), secret.to_owned());
    };
    for owner in ["member", "acme-admin"] {
        keep(&format!("{owner}'s token"), facts.text(&format!("/tokens/{owner}/secret")));
    }
    for user in ["member", "acme-member", "acme-admin", "globex-admin", "mfa-member"] {
        keep(&format!("{user}'s password"), facts.text(&format!("/users/{user}/password")));
    }
    keep("mfa-member's TOTP secret", facts.text("/users/mfa-member/totp_secret"));
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    let mut member = interactive(daemon, &facts.0["users"]["acme-member"], "acme").await;
    keep("an interactive session", &member);
    let minted = ask(&mut wire, "POST", "/v1/sites/acme/tokens", Some(&member), &json!({"name": "x"})).await;
    keep("a token", text(&minted, "/secret"));
    let by_token = json!({"site": "acme", "token_secret": text(&minted, "/secret")});
    for what in ["a superseded session", "a token session"] {
        let opened = ask(&mut wire, "POST", "/v1/sessions", None, &by_token).await;
        keep(what, text(&opened, "/credential"));
    }
    let by_password = json!({
        "site": "acme", "username": "acme-member", "password": facts.text("/users/acme-member/password"),
    });
    let opened = ask(&mut wire, "POST", "/v1/sessions", None, &by_password).await;
    keep("a password session", text(&opened, "/credential"));
    let new = json!({
        "current_password": facts.text("/users/acme-member/password"), "new_password": "a wholly new battery staple",
    });
    said.push(call(&mut wire, "POST", "/v1/me/password", Some(&member), &new).await.1);
    keep("a new password", "a wholly new battery staple");
    let mut again = facts.0["users"]["acme-member"].clone();
    again["password"] = json!("a wholly new battery staple");
    member = interactive(daemon, &again, "acme").await;
    let begun = ask(&mut wire, "POST", "/v1/me/totp", Some(&member), &json!({})).await;
    keep("a TOTP secret", text(&begun, "/secret"));
    let code = json!({"code": totp_code(text(&begun, "/secret"))});
    let confirmed = ask(&mut wire, "POST", "/v1/me/totp/confirm", Some(&member), &code).await;
    let codes = confirmed["recovery_codes"].as_array().expect("recovery codes");
    for (number, code) in codes.iter().enumerate() {
        keep(&format!("recovery code {number}"), code.as_str().expect("a recovery code"));
    }
    let recovery = json!({
        "site": "acme", "username": "acme-member", "password": "a wholly new battery staple",
        "totp": codes[0], "interactive": true,
    });
    let opened = ask(&mut wire, "POST", "/v1/sessions", None, &recovery).await;
    keep("a session by a recovery code", text(&opened, "/credential"));
    let admin = interactive(daemon, &facts.0["users"]["acme-admin"], "acme").await;
    keep("an admin's session", &admin);
    let invited = json!({"username": "newcomer", "site_role": "Viewer"});
    let invited = ask(&mut wire, "POST", "/v1/sites/acme/users", Some(&admin), &invited).await;
    keep("an open invitation", text(&invited, "/invitation"));
    let invited = daemon.patd(&["user", "add", "operators-guest", "--site", "globex", "--role", "Viewer"]);
    keep("a redeemed invitation", text(&invited, "/invitation"));
    keep("a first password", "the very first battery staple");
    let redeem =
        json!({"invitation": text(&invited, "/invitation"), "password": "the very first battery staple"});
    said.push(call(&mut wire, "POST", "/v1/invitations/redeem", None, &redeem).await.1);
    let recovery = daemon.patd(&["user", "recover", "operators-guest"]);
    keep("a recovery", text(&recovery, "/invitation"));
    let site = daemon.patd(&["site", "credential", "acme"]);
    keep("a site's credential", text(&site, "/client_secret"));
    secrets
}

/// Everything that lists or shows things, so that it can be searched.
async fn read_all(daemon: &Daemon, secrets: &Secrets, said: &mut Vec<Vec<u8>>) {
    let admin = secrets["an admin's session"].as_str();
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    for path in [
        "/v1/sites/acme/tokens?owner=all&ended=true&limit=1000",
        "/v1/sites/acme/events?limit=1000",
        "/v1/sites/acme/users?limit=1000",
        "/v1/sessions/current",
        "/v1/openapi.json",
        "/.well-known/patd",
    ] {
        let (status, body) = call(&mut wire, "GET", path, Some(admin), &Value::Null).await;
        assert_eq!(status, 200, "GET {path}");
        said.push(body);
    }
    for command in [["site", "list"], ["store", "status"], ["plugin", "list"]] {
        said.push(daemon.patd(&command).to_string().into_bytes());
    }
    said.push(management(daemon, "/readyz").await);
}

async fn management(daemon: &Daemon, path: &str) -> Vec<u8> {
    let answer = crate::harness::client().get(format!("{}{path}", daemon.management_url)).send().await;
    answer.expect("management answers").bytes().await.expect("a body").to_vec()
}

async fn call(
    wire: &mut Wire,
    method: &str,
    path: &str,
    credential: Option<&str>,
    body: &Value,
) -> (u16, Vec<u8>) {
    let body = Some(body).filter(|body| !body.is_null());
    let answer = wire.call(method, path, credential, body).await.expect("an answer");
    (answer.status, answer.body)
}

/// A call that must succeed.
async fn ask(wire: &mut Wire, method: &str, path: &str, credential: Option<&str>, body: &Value) -> Value {
    let (status, body) = call(wire, method, path, credential, body).await;
    assert!(status < 300, "{method} {path}: {status} {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).expect("JSON")
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} in {value}"))
}
