//! R3 under races: one token, 64 clients at once, 1,000 rounds (see [`rounds`]).
//!
//! In a round all 64 clients sign in with one token, at two sites, before any answer is awaited; when all are answered,
//! all 64 credentials are verified. Several tokens (lanes) run their rounds side by side, as the daemon serializes the
//! sign-ins of one token but commits those of different tokens together.

use std::collections::HashMap;
use std::sync::Mutex;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Daemon, Facts, Wire, interactive, sample};

const CLIENTS: usize = 64;
const ROUNDS: usize = 1000;
const LANES: usize = 8;
/// So many clients of a round look, as soon as they are answered, whether the session that they ended is still accepted.
const SPIES: usize = 4;

/// [`ROUNDS`], or what `PATD_TEST_RACE_ROUNDS` says, for those in a hurry.
fn rounds() -> usize {
    std::env::var("PATD_TEST_RACE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

/// A sign-in's answer.
#[derive(Clone)]
struct Session {
    id: String,
    credential: String,
    site: &'static str,
    superseded: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_of_64_clients_racing_with_one_token_exactly_one_session_survives_in_every_round() {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    let started = Instant::now();
    let lanes = (0..LANES).map(|number| lane(&daemon, &facts, number));
    let checked: usize = join_all(lanes).await.into_iter().sum();
    let seconds = started.elapsed().as_secs_f64();
    crate::harness::say(&format!(
        "race: {} rounds of {CLIENTS} clients in {seconds:.1} s; {checked} ended sessions were tried while their \
         successors' round still ran",
        rounds()
    ));
}

/// One token's share of the rounds. Says how many looks of spies there were.
async fn lane(daemon: &Daemon, facts: &Facts, number: usize) -> usize {
    let session = interactive(daemon, &facts.0["users"]["member"], "acme").await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Wire::connect(&daemon.base_url).await.expect("a connection"));
    }
    let body = json!({"name": format!("lane {number}")});
    let minted = clients[0].call("POST", "/v1/sites/acme/tokens", Some(&session), Some(&body)).await;
    let minted = minted.expect("a mint").json();
    let secret = minted["secret"].as_str().expect("a secret").to_owned();
    let mut live: Option<String> = None;
    let mut looks = 0;
    for round in 0..rounds().div_ceil(LANES) {
        let answered = Mutex::new(HashMap::new());
        let looked = Mutex::new(0);
        let racing = clients
            .iter_mut()
            .enumerate()
            .map(|(client, wire)| sign_in(wire, client, &secret, round, &answered, &looked));
        let sessions = join_all(racing).await;
        looks += *looked.lock().expect("the looks");
        live = Some(judge(&mut clients, &sessions, live).await);
    }
    looks
}

async fn sign_in(
    wire: &mut Wire,
    client: usize,
    secret: &str,
    round: usize,
    answered: &Mutex<HashMap<String, Session>>,
    looked: &Mutex<usize>,
) -> Session {
    let site = if (client + round).is_multiple_of(2) { "acme" } else { "globex" };
    let body = json!({"site": site, "token_secret": secret});
    let answer = wire.call("POST", "/v1/sessions", None, Some(&body)).await.expect("a sign-in is answered");
    assert_eq!(answer.status, 201, "a racing sign-in with a good token: {}", answer.shown());
    let opened = answer.json();
    let text = |pointer| opened.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let session = Session {
        id: text("/session/id").expect("a session id"),
        credential: text("/credential").expect("a credential"),
        site,
        superseded: text("/superseded/session_id"),
    };
    let ended = {
        let mut answered = answered.lock().expect("the answered");
        answered.insert(session.id.clone(), session.clone());
        session.superseded.as_ref().and_then(|id| answered.get(id)).cloned()
    };
    if let (true, Some(ended)) = (client < SPIES, ended) {
        let answer = verify(wire, &ended).await;
        assert_eq!(
            answer.0, 401,
            "a session is accepted although the sign-in that ended it has been answered"
        );
        *looked.lock().expect("the looks") += 1;
    }
    session
}

/// What `verify` says: status, problem type or session id, successor.
async fn verify(wire: &mut Wire, session: &Session) -> (u16, String, Option<String>) {
    let path = format!("/v1/sites/{}/verify", session.site);
    let answer = wire.call("GET", &path, Some(&session.credential), None).await.expect("verify is answered");
    if answer.status == 204 {
        return (204, answer.header("x-patd-session-id").unwrap_or_default().to_owned(), None);
    }
    let problem = answer.json();
    let text = |member: &str| problem[member].as_str().map(str::to_owned);
    (answer.status, text("type").unwrap_or_else(|| answer.shown()), text("successor"))
}

/// Judges a round that has been answered, and returns the session that lives.
async fn judge(clients: &mut [Wire], sessions: &[Session], before: Option<String>) -> String {
    let asked = clients.iter_mut().zip(sessions).map(|(wire, session)| verify(wire, session));
    let told = join_all(asked).await;
    let mut live = Vec::new();
    let mut successors = HashMap::new();
    for (session, (status, what, successor)) in sessions.iter().zip(told) {
        if status == 204 {
            assert_eq!(what, session.id, "verify names another session");
            live.push(session.id.clone());
            continue;
        }
        assert_eq!((status, what.as_str()), (401, "urn:patd:problem:session-superseded"));
        successors.insert(session.id.clone(), successor.expect("a superseded session names its successor"));
    }
    assert_eq!(live.len(), 1, "exactly one of {CLIENTS} credentials verifies");
    let live = live.remove(0);
    // Who says that it ended a session is the successor that this session's holder is told, and nobody ended two or none.
    for session in sessions {
        let Some(ended) = &session.superseded else {
            assert!(before.is_none(), "a sign-in ended nothing although a session lived");
            continue;
        };
        match successors.get(ended) {
            Some(successor) => {
                assert_eq!(successor, &session.id, "two sign-ins claim to have ended one session")
            }
            None => assert_eq!(Some(ended), before.as_ref(), "a sign-in ended a session of nobody"),
        }
    }
    for session in sessions {
        let mut at = &session.id;
        for _ in 0..CLIENTS {
            at = successors.get(at).unwrap_or(at);
        }
        assert_eq!(at, &live, "a loser's chain of successors does not lead to the live session");
    }
    live
}
