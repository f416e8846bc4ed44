//! Sessions that run out: what their holders are told, and that their token signs in again.

use serde_json::json;

use crate::harness::{Answer, PASSWORD, Stage, Token, found};

/// Globex, with sessions of a second.
async fn brief() -> (Stage, Token) {
    let stage = Stage::start("session_lifetime = \"1s\"\n").await;
    let person = stage.person("acme", "Creator").await;
    let added = stage.daemon.patd(&["user", "add", &person.username, "--site", "globex", "--role", "Viewer"]);
    let body = json!({"invitation": added["invitation"], "password": PASSWORD});
    stage.call("POST", "/v1/invitations/redeem", None, Some(&body)).await.expect(200);
    let token = stage.mint(&person, "acme").await;
    (stage, token)
}

async fn until_dead(stage: &Stage, credential: &str) -> Answer {
    let dead = async || Some(stage.who_am_i(credential).await).filter(|answer| answer.status != 200);
    found("it runs out", dead).await
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_token_signs_in_again_after_its_session_has_run_out() {
    let (stage, token) = brief().await;
    for _ in 0..2 {
        let opened = stage.use_token(&token, "globex").await.expect(201);
        assert_eq!(opened.json()["superseded"], json!(null), "what ran out is not superseded");
        until_dead(&stage, &opened.at("/credential")).await.refused("401 session-expired");
    }
    stage.use_token(&token, "acme").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_session_that_was_killed_before_is_not_called_superseded() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    stage.join(&person.username, "globex", "Viewer").await;
    let token = stage.mint(&person, "acme").await;
    let old = stage.use_token(&token, "globex").await.expect(201).at("/credential");
    // Out of globex and in again: the session there is dead, the token at home in acme is not.
    let path = format!("/v1/sites/globex/users/{}", person.luid);
    stage.call("DELETE", &path, Some(stage.admin("globex")), None).await.expect(204);
    stage.join(&person.username, "globex", "Viewer").await;
    let opened = stage.use_token(&token, "globex").await.expect(201);
    assert_eq!(opened.json()["superseded"], json!(null));
    stage.who_am_i(&old).await.refused("401 session-revoked");
    stage.who_am_i(&opened.at("/credential")).await.expect(200);
}
