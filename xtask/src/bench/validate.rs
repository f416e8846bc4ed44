//! The request of every request: is this session alive? Its peers answer the same without asking.

use serde_json::json;

use super::load::Request;
use crate::env::state::State;
use crate::failure::Failure;
use crate::http::Client;

const CONNECTIONS: u32 = 64;

/// A live token session at `acme`.
pub(crate) struct Target {
    credential: String,
}

impl Target {
    /// Signs the sample token in; nothing else in this task uses it, so the session lives to the end.
    pub(crate) fn sign_in(state: &State) -> Result<Self, Failure> {
        let token = state.tokens.get("member").ok_or_else(|| Failure::new("there is no sample token"))?;
        let body = json!({ "site": "acme", "token_secret": token.secret });
        let answer = Client::new(&state.base_url).post("/v1/sessions", None, &body)?.expect(201)?;
        Ok(Self { credential: answer.text("/credential")? })
    }

    /// `GET /v1/sites/acme/verify`.
    pub(crate) fn request(&self, state: &State) -> Request {
        Request {
            url: format!("{}/v1/sites/acme/verify", state.base_url),
            connections: CONNECTIONS,
            script: authorized(&self.credential),
            name: "verify",
        }
    }

    /// The same request to a peer, header included, so that both read as much.
    pub(crate) fn peer(&self, url: &str, name: &'static str) -> Request {
        Request {
            url: format!("{url}v1/sites/acme/verify"),
            connections: CONNECTIONS,
            script: authorized(&"x".repeat(self.credential.len())),
            name,
        }
    }
}

fn authorized(credential: &str) -> String {
    format!("wrk.headers[\"Authorization\"] = \"Bearer {credential}\"\n")
}
