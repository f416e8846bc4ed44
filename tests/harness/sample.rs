//! Sample accounts and tokens: what `cargo xtask env up` makes, made the same way (invitation, password, TOTP, mint).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::daemon::{Daemon, client};

const ACCOUNTS: [(&str, &[(&str, &str)]); 5] = [
    ("member", &[("acme", "Creator"), ("globex", "Viewer")]),
    ("acme-member", &[("acme", "Explorer")]),
    ("acme-admin", &[("acme", "SiteAdministratorCreator")]),
    ("globex-admin", &[("globex", "SiteAdministratorCreator")]),
    ("mfa-member", &[("acme", "Creator")]),
];
const TOKENS: [(&str, &str); 2] = [("member", "acme"), ("acme-admin", "acme")];

/// What a test knows of a daemon's contents, in the shape of `env.json`.
pub(crate) struct Facts(pub(crate) Value);

impl Facts {
    /// The text at a JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        text(&self.0, pointer)
    }
}

/// Fills a fresh daemon.
pub(crate) async fn sample(daemon: &Daemon) -> Facts {
    let mut facts = json!({"base_url": daemon.base_url, "sites": {}, "users": {}, "tokens": {}});
    for (username, memberships) in ACCOUNTS {
        facts["users"][username] = account(daemon, username, memberships).await;
    }
    let listed = daemon.patd(&["site", "list"]);
    for site in listed.as_array().expect("a list of sites") {
        facts["sites"][text(site, "/key")] =
            json!({"luid": text(site, "/luid"), "content_url": text(site, "/content_url")});
    }
    let secret = enrol_totp(daemon, &facts["users"]["mfa-member"]).await;
    facts["users"]["mfa-member"]["totp_secret"] = Value::String(secret);
    for (owner, home) in TOKENS {
        let session = interactive(daemon, &facts["users"][owner], home).await;
        let path = format!("/v1/sites/{home}/tokens");
        let minted = post(daemon, &path, Some(&session), &json!({"name": "sample"}), 201).await;
        facts["tokens"][owner] = json!({
            "id": text(&minted, "/id"), "name": "sample", "home": home, "secret": text(&minted, "/secret"),
        });
    }
    Facts(facts)
}

async fn account(daemon: &Daemon, username: &str, memberships: &[(&str, &str)]) -> Value {
    let password = format!("correct horse of {username}");
    let mut luid = String::new();
    let mut sites = json!({});
    for (site, role) in memberships {
        let added = daemon.patd(&["user", "add", username, "--site", site, "--role", role]);
        let body = json!({"invitation": text(&added, "/invitation"), "password": password});
        post(daemon, "/v1/invitations/redeem", None, &body, 200).await;
        text(&added, "/luid").clone_into(&mut luid);
        sites[*site] = json!(role);
    }
    json!({"username": username, "password": password, "luid": luid, "sites": sites})
}

async fn enrol_totp(daemon: &Daemon, user: &Value) -> String {
    let session = interactive(daemon, user, "acme").await;
    let begun = post(daemon, "/v1/me/totp", Some(&session), &json!({}), 201).await;
    let secret = text(&begun, "/secret").to_owned();
    let code = json!({"code": totp_code(&secret)});
    post(daemon, "/v1/me/totp/confirm", Some(&session), &code, 200).await;
    secret
}

/// Signs an account without MFA in as a person who is present.
pub(crate) async fn interactive(daemon: &Daemon, user: &Value, site: &str) -> String {
    let body = json!({
        "site": site, "interactive": true,
        "username": text(user, "/username"), "password": text(user, "/password"),
    });
    let signed_in = post(daemon, "/v1/sessions", None, &body, 201).await;
    text(&signed_in, "/credential").to_owned()
}

/// The code that an authenticator application shows now.
pub(crate) fn totp_code(secret: &str) -> String {
    totp_code_in(secret, 0)
}

/// The code that it will show in so many seconds; a daemon takes the next one already.
#[expect(clippy::disallowed_methods, reason = "an authenticator has a clock of its own")]
pub(crate) fn totp_code_in(secret: &str, seconds: u64) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).expect("a base32 secret");
    let totp = totp_rs::Builder::new().with_secret(secret).build().expect("a TOTP");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    totp.generate(now.as_secs() + seconds).to_string()
}

async fn post(daemon: &Daemon, path: &str, credential: Option<&str>, body: &Value, status: u16) -> Value {
    let mut request = client().post(format!("{}{path}", daemon.base_url)).json(body);
    if let Some(credential) = credential {
        request = request.bearer_auth(credential);
    }
    let answer = request.send().await.unwrap_or_else(|error| panic!("POST {path}: {error}"));
    let found = answer.status().as_u16();
    let text = answer.text().await.unwrap_or_else(|error| panic!("POST {path}: {error}"));
    assert_eq!(found, status, "POST {path}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} in {value}"))
}
