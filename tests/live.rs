//! The live stream of a site's events: exactly once and in one order, over reconnections, restarts and two stores; and for
//! those only who may see it.

mod slow;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Kind, Person, Stage, until};

const PATIENCE: Duration = Duration::from_secs(30);

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    id: String,
    kind: String,
    data: Value,
}

/// An open stream.
struct Live {
    response: reqwest::Response,
    read: String,
}

async fn ask(stage: &Stage, credential: &str, query: &str, after: Option<&str>) -> reqwest::Response {
    let url = format!("{}/v1/sites/acme/events{query}", stage.daemon.base_url);
    let mut request = reqwest::Client::builder().no_proxy().build().expect("a client").get(url);
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    request.header("accept", "text/event-stream").bearer_auth(credential).send().await.expect("an answer")
}

impl Live {
    async fn open(stage: &Stage, credential: &str, query: &str, after: Option<&str>) -> Self {
        let response = ask(stage, credential, query, after).await;
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, read: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Told> {
        let next = async {
            loop {
                while let Some(end) = self.read.find("\n\n") {
                    let block: String = self.read.drain(..end + 2).collect();
                    if let Some(told) = told(&block) {
                        return Some(told);
                    }
                }
                let chunk = self.response.chunk().await.expect("the stream is whole")?;
                self.read.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("an event in time")
    }

    async fn take(&mut self, count: usize) -> Vec<Told> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.next().await.expect("the stream goes on"));
        }
        all
    }
}

fn told(block: &str) -> Option<Told> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let kind = field("event")?.to_owned();
    let data: Value = serde_json::from_str(field("data").expect("data")).expect("JSON");
    if kind != "end" {
        assert_eq!((data["id"].as_str(), data["type"].as_str()), (field("id"), Some(kind.as_str())));
    }
    Some(Told { id: field("id").unwrap_or_default().to_owned(), kind, data })
}

async fn listed(stage: &Stage, query: &str) -> Vec<Value> {
    let path = format!("/v1/sites/acme/events?limit=1000{query}");
    let page = stage.call("GET", &path, Some(stage.admin("acme")), None).await.expect(200).json();
    assert_eq!(page["next_cursor"], Value::Null);
    page["items"].as_array().expect("items").clone()
}

fn ids(events: &[Value]) -> BTreeSet<String> {
    events.iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

/// Changes of both stores at once: sign-ins lie in the site's, password sign-ins and invitations in the directory's.
async fn busy(stage: &Stage, person: &Person, rounds: usize) {
    let token = stage.mint(person, "acme").await;
    for _ in 0..rounds {
        let name = stage.fresh_name();
        let (signed_in, session, invited) = tokio::join!(
            stage.use_token(&token, "acme"),
            stage.session(person, "acme", Kind::Password),
            stage.invite(&name, "acme", "Viewer"),
        );
        signed_in.expect(201);
        invited.expect(201);
        stage.call("DELETE", "/v1/sessions/current", Some(&session), None).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_both_stores_comes_once_and_in_one_order_over_reconnections_and_a_kill() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let admin = stage.admin("acme");
    let before = ids(&listed(&stage, "").await);
    let mut whole = Live::open(&stage, admin, "", None).await;
    let mut broken = Live::open(&stage, admin, "", None).await;
    // One reader breaks off after every third event, while changes go on.
    let reader = async {
        let mut seen: Vec<Told> = Vec::new();
        while seen.len() < 60 {
            seen.extend(broken.take(3).await);
            let last = seen.last().map(|told| told.id.clone());
            broken = Live::open(&stage, admin, "", last.as_deref()).await;
        }
        seen
    };
    let ((), mut seen) = tokio::join!(busy(&stage, &person, 20), reader);
    // The one that never broke off saw the same, in the same order.
    assert_eq!(whole.take(60).await, seen[..60]);
    drop((broken, whole));
    stage.daemon.restart().await;
    let last = seen.last().expect("some").id.clone();
    // The sealers of both stores write beside each other: a list from between the two has the later one's checkpoint alone.
    until("all is sealed", async || stage.daemon.patd(&["audit", "verify"])["unsealed"] == 0).await;
    let wanted: BTreeSet<String> = ids(&listed(&stage, "").await).difference(&before).cloned().collect();
    let mut rest = Live::open(&stage, admin, "", Some(&last)).await;
    seen.extend(rest.take(wanted.len() - seen.len()).await);
    let came: BTreeSet<String> = seen.iter().map(|told| told.id.clone()).collect();
    assert_eq!((came.len(), &came), (seen.len(), &wanted), "each once, none missed");
    let stores: BTreeSet<&str> = seen.iter().map(|told| told.kind.as_str()).collect();
    assert!(stores.contains("patd.session.superseded") && stores.contains("patd.user.invited"), "{stores:?}");
    // Whoever reads it all again later does so, too.
    let mut again = Live::open(&stage, admin, "", Some(&seen[0].id)).await;
    assert_eq!(again.take(seen.len() - 1).await, seen[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_at_once_and_says_why_when_its_admin_is_one_no_longer() {
    let stage = Stage::start("").await;
    let path = |luid: &str| format!("/v1/sites/acme/users/{luid}");
    for (change, problem) in [
        (Some(json!({"site_role": "Viewer"})), "urn:patd:problem:not-permitted"),
        (Some(json!({"disabled": true})), "urn:patd:problem:session-revoked"),
        (None, "urn:patd:problem:session-signed-out"),
    ] {
        let other = stage.person("acme", "SiteAdministratorCreator").await;
        let session = stage.session(&other, "acme", Kind::Interactive).await;
        let mut live = Live::open(&stage, &session, "", None).await;
        match &change {
            Some(change) => {
                let admin = Some(stage.admin("acme"));
                stage.call("PATCH", &path(&other.luid), admin, Some(change)).await.expect(200);
            }
            None => {
                stage.call("DELETE", "/v1/sessions/current", Some(&session), None).await.expect(204);
            }
        }
        let last = live.next().await.expect("a last event");
        assert_eq!((last.kind.as_str(), &last.data["type"]), ("end", &json!(problem)), "{last:?}");
        assert_eq!(live.next().await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_the_daemon_ends_streams_without_waiting_for_them() {
    let stage = Stage::start("").await;
    let mut live = Live::open(&stage, stage.admin("acme"), "", None).await;
    stage.daemon.terminate(Duration::from_secs(8)).await;
    let last = live.next().await.expect("a last event");
    assert_eq!((last.kind.as_str(), &last.data["status"]), ("end", &json!(503)));
    assert_eq!(live.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_point_that_is_not_known_here_is_refused_and_so_are_too_many_streams() {
    let stage = Stage::start("").await;
    let admin = stage.admin("acme");
    let refused = async |after: &str| Answer::of(ask(&stage, admin, "", Some(after)).await).await.to_string();
    assert_eq!(refused("7").await, "400 invalid-request");
    assert_eq!(refused("0190f5fe-7c00-7a00-8000-000000000001").await, "410 unknown-event");
    let path = "/v1/sites/globex/events?limit=1";
    let globex = stage.call("GET", path, Some(stage.admin("globex")), None).await.expect(200);
    assert_eq!(refused(&globex.at("/items/0/id")).await, "410 unknown-event", "another site's is unknown");
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(Live::open(&stage, admin, "", None).await);
    }
    Answer::of(ask(&stage, admin, "", None).await).await.refused("429 too-many-streams");
    open.pop();
    until("a place is free again", async || ask(&stage, admin, "", None).await.status() == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_hold_for_pages_and_streams_alike() {
    let stage = Stage::start("").await;
    let (one, other) = (stage.person("acme", "Creator").await, stage.person("acme", "Creator").await);
    let admin = stage.admin("acme");
    let mut live = Live::open(&stage, admin, &format!("?type=patd.token.*&user={}", other.luid), None).await;
    let mine = stage.mint(&one, "acme").await;
    let theirs = stage.mint(&other, "acme").await;
    let session = stage.use_token(&theirs, "acme").await.expect(201).at("/session/id");
    stage
        .call("DELETE", &format!("/v1/sites/acme/tokens/{}", theirs.id), Some(admin), None)
        .await
        .expect(204);
    let told = live.take(2).await;
    let kinds: Vec<&str> = told.iter().map(|told| told.kind.as_str()).collect();
    assert_eq!(kinds, ["patd.token.minted", "patd.token.revoked"]);

    let found = async |query: &str| {
        let events = listed(&stage, query).await;
        events.iter().map(|event| event["type"].as_str().expect("a type").to_owned()).collect::<Vec<_>>()
    };
    let of_mine = found(&format!("&token={}", mine.id)).await;
    assert_eq!(of_mine, ["patd.notice.token_minted", "patd.token.minted"]);
    assert_eq!(found(&format!("&session={session}")).await, ["patd.session.ended", "patd.session.opened"]);
    let types = format!("&type=patd.token.revoked&type=patd.session.opened&token={}", theirs.id);
    assert_eq!(found(&types).await, ["patd.token.revoked", "patd.session.opened"]);
    assert_eq!(found("&severity=critical").await, Vec::<String>::new());
    let at =
        listed(&stage, &format!("&token={}", mine.id)).await[0]["time"].as_str().expect("a time").to_owned();
    let since = found(&format!("&since={at}&type=patd.token.*")).await;
    assert_eq!(since, ["patd.token.revoked", "patd.token.minted", "patd.token.minted"]);
    assert_eq!(found(&format!("&until={at}&type=patd.token.*")).await, Vec::<String>::new());
    for (query, refusal) in [
        ("type=patd.tokens", "422 invalid-value"),
        ("severity=urgent", "422 invalid-value"),
        ("user=nobody", "400 invalid-request"),
        ("token=7", "400 invalid-request"),
        ("session=", "400 invalid-request"),
        ("since=yesterday", "422 invalid-value"),
        ("since=2030-01-01T00:00:00Z&until=2030-01-01T00:00:00Z", "422 invalid-value"),
        (
            "user=0190f5fe-7c00-7a00-8000-000000000001&user=0190f5fe-7c00-7a00-8000-000000000001",
            "400 invalid-request",
        ),
    ] {
        let path = format!("/v1/sites/acme/events?{query}");
        stage.call("GET", &path, Some(admin), None).await.refused(refusal);
    }
}
