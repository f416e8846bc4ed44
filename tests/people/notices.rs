//! People are told that an admin has revoked what was minted before a time: in the listing of events, each owner once,
//! whatever becomes of the daemon.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Kind, Person, Stage};

/// How often each person was told, by the revocation's time.
async fn told(stage: &Stage) -> BTreeMap<(String, String), u32> {
    let listed = stage.call("GET", "/v1/sites/acme/events?limit=1000", Some(stage.admin("acme")), None).await;
    let mut told = BTreeMap::new();
    for event in listed.expect(200).json()["items"].as_array().expect("items") {
        if event["type"] == "patd.notice.token_revoked" {
            let text = |member: &str| event["data"][member].as_str().expect("text").to_owned();
            assert_eq!(event["data"]["actor"]["username"], "acme-host");
            *told.entry((text("not_before"), text("user"))).or_default() += 1;
        }
    }
    told
}

/// Revokes what was minted at acme until now; the time before which it must have been minted.
async fn revoke(stage: &Stage, by: &Person) -> String {
    let newest = stage.mint(by, "acme").await;
    let own = stage.session(by, "acme", Kind::Interactive).await;
    let listed = stage.call("GET", "/v1/sites/acme/tokens", Some(&own), None).await.expect(200).json();
    assert_eq!(listed["items"][0]["id"], newest.id.as_str(), "newest first: {listed}");
    let before = &listed["items"][0]["created_at"];
    let body = json!({"issued_before": before, "dry_run": false});
    stage
        .call("POST", "/v1/sites/acme/revocations", Some(stage.admin("acme")), Some(&body))
        .await
        .expect(200);
    before.as_str().expect("a time").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_told_once_of_what_was_revoked_together_however_often_the_daemon_is_killed() {
    let stage = Stage::start("").await;
    let (ann, ben) = (stage.person("acme", "Creator").await, stage.person("acme", "Creator").await);
    let mut expected = BTreeMap::new();
    for round in 0..6 {
        for person in [&ann, &ann, &ben] {
            stage.mint(person, "acme").await;
        }
        let own = json!({"name": format!("own {round}")});
        stage.call("POST", "/v1/sites/acme/tokens", Some(stage.admin("acme")), Some(&own)).await.expect(201);
        let before = revoke(&stage, &ann).await;
        // At another moment each time: before the owners are told, while, and after.
        tokio::time::sleep(Duration::from_millis(round * 25)).await;
        stage.daemon.restart().await;
        expected.extend([&ann, &ben].map(|person| ((before.clone(), person.luid.clone()), 1)));
        let seen = async {
            loop {
                let told = told(&stage).await;
                // The site's revocations are gone through in order: what came twice would be there.
                if told.len() >= expected.len() {
                    return told;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(30), seen).await.expect("in time");
        assert_eq!(seen, expected);
    }
    let listed = stage.call("GET", "/v1/sites/acme/events?limit=1000", Some(stage.admin("acme")), None).await;
    let listed = listed.expect(200).json();
    let events = listed["items"].as_array().expect("items");
    let revocations: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "patd.site.revoked_before").collect();
    let stamps: Vec<_> = revocations.iter().map(|event| &event["data"]["not_before"]).collect();
    let before: Vec<_> = revocations.iter().map(|event| &event["data"]["not_before_was"]).collect();
    assert_eq!(before[..5], stamps[1..], "each goes on from the one before");
    assert_eq!(before[5], "1970-01-01T00:00:00Z");
}
