//! Audit events: what is listed, what sites see of each other, and what the file sink has written.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Kind, PASSWORD, Person, Stage, Token, found};

async fn events(stage: &Stage, site: &str) -> Vec<Value> {
    let path = format!("/v1/sites/{site}/events?limit=1000");
    let listed = stage.call("GET", &path, Some(stage.admin(site)), None).await.expect(200).json();
    assert_eq!(listed["next_cursor"], Value::Null);
    without_checkpoints(listed["items"].as_array().expect("items").clone())
}

/// Checkpoints come when they come.
fn without_checkpoints(mut events: Vec<Value>) -> Vec<Value> {
    events.retain(|event| event["type"] != "patd.audit.checkpoint");
    events
}

/// A life at acme in which everything happens that a site's admins see.
async fn story(stage: &Stage) -> (Person, Token) {
    let person = stage.person("acme", "Creator").await;
    stage.join(&person.username, "globex", "Viewer").await;
    let (token, spare) = (stage.mint(&person, "acme").await, stage.mint(&person, "acme").await);
    stage.use_token(&token, "acme").await.expect(201);
    let abroad = stage.use_token(&token, "globex").await.expect(201).at("/credential");
    stage.call("DELETE", "/v1/sessions/current", Some(&abroad), None).await.expect(204);
    stage.use_token(&spare, "acme").await.expect(201);
    let admin = Some(stage.admin("acme"));
    stage.call("DELETE", &format!("/v1/sites/acme/tokens/{}", spare.id), admin, None).await.expect(204);
    let path = format!("/v1/sites/acme/users/{}", person.luid);
    for change in [json!({"site_role": "Viewer"}), json!({"disabled": true}), json!({"disabled": false})] {
        stage.call("PATCH", &path, admin, Some(&change)).await.expect(200);
    }
    let revocation = json!({"issued_before": "2020-01-01T00:00:00Z", "dry_run": false});
    stage.call("POST", "/v1/sites/acme/revocations", admin, Some(&revocation)).await.expect(200);
    stage.call("DELETE", &path, admin, None).await.expect(204);
    (person, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_everything_that_happens_is_listed_with_who_what_and_where() {
    let stage = Stage::start("").await;
    let (person, token) = story(&stage).await;
    let listed = events(&stage, "acme").await;
    let types: BTreeSet<&str> = listed.iter().filter_map(|event| event["type"].as_str()).collect();
    for kind in [
        "token.minted",
        "token.revoked",
        "session.opened",
        "session.superseded",
        "session.signed_out",
        "user.invited",
        "user.joined",
        "user.role_changed",
        "user.disabled",
        "user.enabled",
        "user.removed",
        "site.revoked_before",
    ] {
        assert!(types.contains(format!("patd.{kind}").as_str()), "no {kind} in {types:?}");
    }
    let source = format!("/sites/{}", stage.luid("acme"));
    let mut ids = BTreeSet::new();
    let mut last: Option<(jiff::Timestamp, String)> = None;
    for event in &listed {
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["source"], source.as_str());
        assert_eq!(event["datacontenttype"], "application/json");
        let id = event["id"].as_str().expect("an id").to_owned();
        assert!(ids.insert(id.clone()), "{id} is listed twice");
        let time = event["time"].as_str().expect("a time").parse().expect("RFC 3339");
        assert!(last.is_none_or(|last| last >= (time, id.clone())), "newest first: {event}");
        last = Some((time, id));
        assert!(event["data"]["actor"]["kind"].is_string(), "{event}");
    }
    let of = |kind: &str, member: &str, value: &str| {
        let found = listed.iter().find(|e| e["type"] == kind && e["data"][member] == value);
        found.unwrap_or_else(|| panic!("no {kind} of {value}")).clone()
    };
    let minted = of("patd.token.minted", "token_id", &token.id);
    assert_eq!(minted["subject"], format!("tokens/{}", token.id));
    assert_eq!(minted["data"]["user"], person.luid.as_str());
    let actor = json!({"kind": "user", "luid": person.luid, "username": person.username});
    assert_eq!(minted["data"]["actor"], actor);
    assert_eq!(minted["data"]["address"], "127.0.0.1");
    let removed = of("patd.user.removed", "user", &person.luid);
    assert_eq!(removed["data"]["actor"]["username"], "acme-host");
    assert_eq!(removed["subject"], format!("users/{}", person.luid));
    let paged = paged(&stage, "acme", 3).await;
    assert_eq!(paged, listed);
}

/// The events, in pages.
async fn paged(stage: &Stage, site: &str, limit: u32) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/sites/{site}/events?limit={limit}{cursor}");
        let page = stage.call("GET", &path, Some(stage.admin(site)), None).await.expect(200).json();
        found.extend(page["items"].as_array().expect("items").clone());
        match page["next_cursor"].as_str() {
            None => return without_checkpoints(found),
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_foreign_sign_in_names_neither_site_to_the_other() {
    let stage = Stage::start("").await;
    let (acme, globex) = (stage.luid("acme"), stage.luid("globex"));
    let person = stage.person("acme", "Creator").await;
    stage.join(&person.username, "globex", "Viewer").await;
    let token = stage.mint(&person, "acme").await;
    let session = stage.use_token(&token, "globex").await.expect(201).at("/session/id");
    let relayed = found("the visited site's copy", async || {
        let listed = events(&stage, "globex").await;
        listed.into_iter().find(|event| event["data"]["session_id"] == session.as_str())
    })
    .await;
    assert_eq!(relayed["type"], "patd.session.opened");
    assert_eq!(relayed["source"], format!("/sites/{globex}"));
    let text = json!(events(&stage, "globex").await).to_string().to_ascii_lowercase();
    for of_home in [token.id.as_str(), acme.as_str(), "acme"] {
        assert!(!text.contains(of_home), "{of_home} in {text}");
    }
    let listed = events(&stage, "acme").await;
    assert!(listed.iter().any(|event| event["data"]["session_id"] == session.as_str()));
    let text = json!(listed).to_string().to_ascii_lowercase();
    for visited in [globex.as_str(), "globex"] {
        assert!(!text.contains(visited), "{visited} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_file_has_the_listed_events_line_by_line() {
    let stage = Stage::start("").await;
    story(&stage).await;
    let by_id = |events: Vec<Value>| {
        let mut events = without_checkpoints(events);
        events.sort_by_key(|event| event["id"].as_str().expect("an id").to_owned());
        events.dedup_by_key(|event| event["id"].clone());
        events
    };
    let folder = stage.daemon.data_dir().join("audit");
    let delivered = found("all events are in the file", async || {
        let listed = by_id(events(&stage, "acme").await);
        let files: Vec<_> = std::fs::read_dir(&folder).ok()?.filter_map(Result::ok).collect();
        let mut written = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(file.path()).ok()?;
            let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
            let source = format!("/sites/{}", stage.luid("acme"));
            written.extend(lines.filter(|event| event["source"] == source.as_str()));
        }
        let written = by_id(written);
        (written.len() == listed.len()).then_some((written, listed))
    })
    .await;
    assert_eq!(delivered.0, delivered.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_sign_ins_are_counted_without_what_was_tried() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    stage.session(&person, "acme", Kind::Password).await;
    let guessed = "hunter2 hunter2 hunter2";
    let body = json!({"site": "acme", "username": person.username, "password": guessed});
    for _ in 0..5 {
        stage.sign_in(&body).await.refused("401 credentials-rejected");
    }
    let log = stage.daemon.log();
    assert!(!log.contains(guessed) && !log.contains(PASSWORD), "a password is in the log");
    assert!(!json!(events(&stage, "acme").await).to_string().contains(guessed));
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_sign_ins_of_a_minute_are_one_event_per_account_and_reason_with_their_count() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let token = stage.mint(&person, "acme").await;
    let wrong = json!({"site": "acme", "username": person.username, "password": "not the password"});
    for _ in 0..5 {
        stage.sign_in(&wrong).await.refused("401 credentials-rejected");
    }
    for _ in 0..3 {
        let nobody = json!({"site": "acme", "username": stage.fresh_name(), "password": "not the password"});
        stage.sign_in(&nobody).await.refused("401 credentials-rejected");
    }
    let named = json!({"site": "acme", "token_secret": token.secret, "token_name": "another"});
    stage.sign_in(&named).await.refused("401 credentials-rejected");
    // A stop writes down what the minute has counted.
    stage.daemon.stop().await;
    stage.daemon.restart().await;
    let all = events(&stage, "acme").await;
    let mut failed: Vec<(Value, Value, Value)> = all
        .iter()
        .filter(|event| event["type"] == "patd.signin.failed")
        .map(|event| {
            let data = &event["data"];
            assert_eq!(
                (&data["address"], &data["actor"]["kind"]),
                (&json!("127.0.0.1"), &json!("anonymous"))
            );
            (data["user"].clone(), data["token_id"].clone(), data["count"].clone())
        })
        .collect();
    let mut expected = vec![
        (json!(person.luid), Value::Null, json!(5)),
        (Value::Null, Value::Null, json!(3)),
        (json!(person.luid), json!(token.id), Value::Null),
    ];
    for all in [&mut failed, &mut expected] {
        all.sort_by_key(|event| format!("{event:?}"));
    }
    assert_eq!(failed, expected);
}
