//! Sign-in by token: as many different tokens as requests in flight, since one token holds one session.

use serde_json::json;

use super::load::Request;
use crate::env::interactive_session;
use crate::env::state::State;
use crate::failure::Failure;
use crate::http::Client;

/// How many tokens are minted: as many as the most requests in flight.
const TOKENS: u32 = 64;

/// Mints the tokens and returns their secrets.
pub(crate) fn mint(state: &State) -> Result<Vec<String>, Failure> {
    let client = Client::new(&state.base_url);
    let owner = state.users.get("acme-member").ok_or_else(|| Failure::new("there is no acme-member"))?;
    let credential = interactive_session(&client, owner, "acme")?;
    let mut secrets = Vec::new();
    for number in 1..=TOKENS {
        let body = json!({ "name": format!("bench {number}") });
        let minted = client.post("/v1/sites/acme/tokens", Some(&credential), &body)?.expect(201)?;
        secrets.push(minted.text("/secret")?);
    }
    Ok(secrets)
}

/// `POST /v1/sessions`, each with the next token in turn.
pub(crate) fn request(state: &State, secrets: &[String], in_flight: u32) -> Request {
    let bodies: Vec<String> = secrets
        .iter()
        .take(in_flight as usize)
        .map(|secret| format!("[==[{}]==]", json!({ "site": "acme", "token_secret": secret })))
        .collect();
    let script = format!(
        r#"local bodies = {{ {} }}
local headers = {{ ["Content-Type"] = "application/json" }}
local requests, turn = {{}}, 0
function init(args)
  for i, body in ipairs(bodies) do requests[i] = wrk.format("POST", "/v1/sessions", headers, body) end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
"#,
        bodies.join(", ")
    );
    Request { url: state.base_url.clone(), connections: in_flight, script, name: "sign-in" }
}
