//! People made on the spot: every test, and every cell of the authorization table, has actors of its own, so that no
//! test depends on what another did.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::daemon::{Daemon, client};
use super::sample::totp_code;

/// The password of everybody here.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A daemon with one admin per site, through whom everybody else is invited.
pub(crate) struct Stage {
    /// The daemon.
    pub(crate) daemon: Daemon,
    http: reqwest::Client,
    admins: [String; 2],
    count: AtomicU32,
}

/// A person who can sign in.
#[derive(Clone)]
pub(crate) struct Person {
    /// User name.
    pub(crate) username: String,
    /// LUID.
    pub(crate) luid: String,
}

/// How somebody is signed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// With a token.
    Token,
    /// With a password over REST.
    Password,
    /// As a person who is present.
    Interactive,
}

/// A minted token.
pub(crate) struct Token {
    /// Public id.
    pub(crate) id: String,
    /// Name.
    pub(crate) name: String,
    /// The secret.
    pub(crate) secret: String,
}

/// An answer, read whole.
pub(crate) struct Answer {
    /// Status.
    pub(crate) status: u16,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body.
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body") }
    }

    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The text at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> String {
        let json = self.json();
        let text = json.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text at {pointer}: {self}")).to_owned()
    }

    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body without the request id, which alone may differ between answers to what strangers cannot tell apart.
    pub(crate) fn without_request_id(&self) -> String {
        let id = self.header("x-request-id");
        assert!(!id.is_empty(), "no request id: {self}");
        self.text.replace(id, "")
    }

    /// Passes the answer on if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Passes the answer on if it is this problem or Tableau error, e.g. `403 not-permitted` or `404002`.
    #[track_caller]
    pub(crate) fn refused(self, expected: &str) -> Self {
        assert_eq!(self.to_string(), expected, "{}", self.text);
        self
    }
}

/// `204`, `401 credentials-rejected` or, from the Tableau surface, `401002`.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = self.json();
        if let Some(code) = json.pointer("/error/code").and_then(Value::as_str) {
            return f.write_str(code);
        }
        write!(f, "{}", self.status)?;
        let kind = json.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind.strip_prefix("urn:patd:problem:") {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

impl Stage {
    /// Starts a daemon; `further` is appended to its config file.
    pub(crate) async fn start(further: &str) -> Self {
        Self::on(Daemon::start(further).await).await
    }

    /// Sets the stage on a fresh daemon.
    pub(crate) async fn on(daemon: Daemon) -> Self {
        let mut stage =
            Self { daemon, http: client(), admins: Default::default(), count: AtomicU32::default() };
        for (place, site) in ["acme", "globex"].into_iter().enumerate() {
            let name = format!("{site}-host");
            let role = "SiteAdministratorCreator";
            let added = stage.daemon.patd(&["user", "add", &name, "--site", site, "--role", role]);
            let invitation = added["invitation"].as_str().expect("an invitation");
            stage.redeem(invitation).await.expect(200);
            let host = Person { username: name, luid: added["luid"].as_str().expect("a luid").to_owned() };
            stage.admins[place] = stage.session(&host, site, Kind::Interactive).await;
        }
        stage
    }

    /// One request with a session credential, where there is one, and a JSON body, where there is one.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        credential: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let request = self.request(method, path);
        let request = match credential {
            Some(credential) => request.header("x-tableau-auth", credential),
            None => request,
        };
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        Answer::of(request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))).await
    }

    /// A request that is still to be sent.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.daemon.base_url));
        request.header("accept", "application/json")
    }

    /// A name that nobody has.
    pub(crate) fn fresh_name(&self) -> String {
        format!("person-{}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// An interactive session of the admin through whom people are invited to a site.
    pub(crate) fn admin(&self, site: &str) -> &str {
        &self.admins[usize::from(site != "acme")]
    }

    /// Invites a name to a site.
    pub(crate) async fn invite(&self, name: &str, site: &str, role: &str) -> Answer {
        let body = json!({"username": name, "site_role": role});
        self.call("POST", &format!("/v1/sites/{site}/users"), Some(self.admin(site)), Some(&body)).await
    }

    /// Redeems an invitation with everybody's password.
    pub(crate) async fn redeem(&self, invitation: &str) -> Answer {
        let body = json!({"invitation": invitation, "password": PASSWORD});
        self.call("POST", "/v1/invitations/redeem", None, Some(&body)).await
    }

    /// A new member of a site.
    pub(crate) async fn person(&self, site: &str, role: &str) -> Person {
        let username = self.fresh_name();
        let luid = self.join(&username, site, role).await;
        Person { username, luid }
    }

    /// Makes a name a member of a site.
    pub(crate) async fn join(&self, name: &str, site: &str, role: &str) -> String {
        let invited = self.invite(name, site, role).await.expect(201);
        self.redeem(&invited.at("/invitation")).await.expect(200);
        invited.at("/luid")
    }

    /// Signs in with a token.
    pub(crate) async fn use_token(&self, token: &Token, site: &str) -> Answer {
        self.sign_in(&json!({"site": site, "token_secret": token.secret})).await
    }

    /// Tries to sign in.
    pub(crate) async fn sign_in(&self, body: &Value) -> Answer {
        self.call("POST", "/v1/sessions", None, Some(body)).await
    }

    /// A session's credential.
    pub(crate) async fn session(&self, person: &Person, site: &str, kind: Kind) -> String {
        let body = match kind {
            Kind::Token => {
                let token = self.mint(person, site).await;
                json!({"site": site, "token_secret": token.secret})
            }
            Kind::Password => json!({"site": site, "username": person.username, "password": PASSWORD}),
            Kind::Interactive => json!({
                "site": site, "username": person.username, "password": PASSWORD, "interactive": true
            }),
        };
        self.sign_in(&body).await.expect(201).at("/credential")
    }

    /// A new token of a person.
    pub(crate) async fn mint(&self, person: &Person, site: &str) -> Token {
        let session = Box::pin(self.session(person, site, Kind::Interactive)).await;
        let body = json!({"name": self.fresh_name()});
        let minted =
            self.call("POST", &format!("/v1/sites/{site}/tokens"), Some(&session), Some(&body)).await;
        let minted = minted.expect(201);
        Token { id: minted.at("/id"), name: minted.at("/name"), secret: minted.at("/secret") }
    }

    /// Begins TOTP with an interactive session: the secret.
    pub(crate) async fn begin_totp(&self, session: &str) -> String {
        self.call("POST", "/v1/me/totp", Some(session), None).await.expect(201).at("/secret")
    }

    /// Enrols TOTP with an interactive session: the secret and the recovery codes.
    pub(crate) async fn enrol(&self, session: &str) -> (String, Vec<String>) {
        let secret = self.begin_totp(session).await;
        let body = json!({"code": totp_code(&secret)});
        let confirmed =
            self.call("POST", "/v1/me/totp/confirm", Some(session), Some(&body)).await.expect(200);
        let codes = confirmed.json()["recovery_codes"].clone();
        (secret, serde_json::from_value(codes).expect("recovery codes"))
    }

    /// Whether a session is live: the answer of `GET /v1/sessions/current`.
    pub(crate) async fn who_am_i(&self, credential: &str) -> Answer {
        self.call("GET", "/v1/sessions/current", Some(credential), None).await
    }

    /// A site's LUID.
    pub(crate) fn luid(&self, site: &str) -> String {
        let sites = self.daemon.patd(&["site", "list"]);
        let sites = sites.as_array().expect("sites");
        let found = sites.iter().find(|listed| listed["key"] == site).expect("the site");
        found["luid"].as_str().expect("a luid").to_owned()
    }

    /// A site's credential for introspection: id and secret.
    pub(crate) fn site_credential(&self, site: &str) -> (String, String) {
        let made = self.daemon.patd(&["site", "credential", site]);
        let text = |name: &str| made[name].as_str().expect("text").to_owned();
        (text("client_id"), text("client_secret"))
    }
}
