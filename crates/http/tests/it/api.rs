//! The native API's answers to requests that are wrong in form, and to right ones.

use serde_json::json;

use crate::world::{PASSWORD, World};

#[tokio::test]
async fn a_wrong_address_or_method_is_a_problem_too() {
    let world = World::start().await;
    for path in ["/", "/v1", "/v1/", "/v1/nothing", "/v1/sessions/", "/v1/sites/acme/verify/"] {
        world.call("GET", path, None, None).await.problem(404, "not-found");
    }
    let answer = world.call("PUT", "/v1/sessions/current", None, None).await;
    answer.problem(405, "method-not-allowed");
    let allow = answer.header("allow").expect("Allow");
    assert!(allow.contains("GET") && allow.contains("DELETE"), "{allow}");
    let answer = world.call("DELETE", "/v1/sites/acme/verify", None, None).await;
    answer.problem(405, "method-not-allowed");
    assert!(world.call("BREW", "/invitation", None, None).await.status == 405);
}

#[tokio::test]
async fn a_sign_in_takes_one_form_and_nothing_else() {
    let world = World::start().await;
    let post = async |body| world.call("POST", "/v1/sessions", None, Some(&body)).await;
    for body in [
        json!({}),
        json!([]),
        json!("x"),
        json!({"site": "acme"}),
        json!({"site": 1, "token_secret": "x"}),
        json!({"site": "acme", "token_secret": "x", "username": "ada"}),
        json!({"site": "acme", "token_secret": "x", "interactive": true}),
        json!({"site": "acme", "username": "ada"}),
        json!({"site": "acme", "username": "ada", "password": "x", "token_name": "x"}),
        json!({"site": "acme", "username": "ada", "password": "x", "owner": "x"}),
    ] {
        post(body).await.problem(400, "invalid-request");
    }
    let rejected = [
        json!({"site": "acme", "token_secret": "patd_"}),
        json!({"site": "nowhere", "username": "ada", "password": PASSWORD}),
        json!({"site": "acme", "username": "nobody", "password": PASSWORD}),
        json!({"site": "acme", "username": "ada", "password": "wrong"}),
        json!({"site": "globex", "username": "grace", "password": PASSWORD}),
    ];
    let mut texts = Vec::new();
    for body in rejected {
        let answer = post(body).await;
        answer.problem(401, "credentials-rejected");
        texts.push(answer.text().replace(answer.header("x-request-id").expect("an id"), ""));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "they differ: {texts:?}");
}

#[tokio::test]
async fn a_body_needs_its_media_type() {
    let world = World::start().await;
    for kind in ["", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"] {
        let request = format!(
            "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{kind}Content-Length: 2\r\n\r\n{{}}"
        );
        world.send(request).await.problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn values_against_a_rule_are_422_and_say_which() {
    let world = World::start().await;
    let ada = world.sign_in("ada", true).await;
    for (method, path, body) in [
        ("POST", "/v1/sites/acme/tokens", json!({"name": ""})),
        ("POST", "/v1/sites/acme/tokens", json!({"name": "x", "lifetime_days": 0})),
        ("POST", "/v1/sites/acme/tokens", json!({"name": "x", "lifetime_days": -1})),
        ("POST", "/v1/sites/acme/tokens", json!({"name": "x", "lifetime_days": 99_999_999_999_u64})),
        ("POST", "/v1/sites/acme/users", json!({"username": "x", "site_role": "Emperor"})),
        ("PATCH", "/v1/sites/acme/users/00000000-0000-0000-0000-000000009ace", json!({})),
        ("PATCH", "/v1/me", json!({})),
        ("POST", "/v1/sites/acme/revocations", json!({"issued_before": "yesterday", "dry_run": true})),
        (
            "POST",
            "/v1/sites/acme/revocations",
            json!({"issued_before": "2999-01-01T00:00:00Z", "dry_run": true}),
        ),
    ] {
        let answer = world.call(method, path, Some(&ada), Some(&body)).await;
        answer.problem(422, "invalid-value");
        assert!(answer.json()["detail"].as_str().is_some_and(|d| d.starts_with('`')), "{}", answer.text());
    }
    let float = json!({"name": "x", "lifetime_days": 1.5});
    world
        .call("POST", "/v1/sites/acme/tokens", Some(&ada), Some(&float))
        .await
        .problem(400, "invalid-request");
}

#[tokio::test]
async fn bad_limits_cursors_and_ids_are_refused() {
    let world = World::start().await;
    let ada = world.sign_in("ada", false).await;
    let get = async |path: &str| world.call("GET", path, Some(&ada), None).await;
    for query in [
        "limit=0",
        "limit=x",
        "limit=-1",
        "limit=1&limit=2",
        "cursor=%21",
        "cursor=",
        "ended=yes",
        "owner=grace",
    ] {
        get(&format!("/v1/sites/acme/tokens?{query}")).await.problem(400, "invalid-request");
    }
    let page = get("/v1/sites/acme/tokens?limit=5000&other=1").await;
    assert_eq!(page.json(), json!({"items": [], "next_cursor": null}));
    for id in ["x", "..", "%00", "00000000-0000-0000-0000-000000000001"] {
        world
            .call("DELETE", &format!("/v1/sites/acme/tokens/{id}"), Some(&ada), None)
            .await
            .problem(404, "not-found");
    }
}

#[tokio::test]
async fn r5_an_answer_with_a_secret_is_not_stored() {
    let world = World::start().await;
    let ada = world.sign_in("ada", true).await;
    for (method, path, body) in [
        ("POST", "/v1/sites/acme/tokens", Some(json!({"name": "ci"}))),
        ("POST", "/v1/sites/acme/users", Some(json!({"username": "new", "site_role": "Viewer"}))),
        ("POST", "/v1/me/totp", None),
        ("GET", "/v1/sessions/current", None),
    ] {
        let answer = world.call(method, path, Some(&ada), body.as_ref()).await;
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn what_needs_no_credential_answers_without_one() {
    let world = World::start().await;
    let known = world.call("GET", "/.well-known/patd", None, None).await.json();
    assert_eq!(known["endpoints"]["sessions"], "http://patd.example/v1/sessions");
    assert_eq!(known["scanner_rule"], patd_core::token_text::SCANNER_RULE);
    let document = world.call("GET", "/v1/openapi.json", None, None).await;
    assert_eq!(document.header("content-type"), Some("application/json"));
    assert!(document.json()["openapi"].as_str().is_some_and(|v| v.starts_with("3.")));
    let page = world.call("GET", "/invitation", None, None).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").is_some_and(|p| p.starts_with("default-src 'none'")));
    let head = world.call("HEAD", "/.well-known/patd", None, None).await;
    assert_eq!((head.status, head.text().as_str()), (200, ""));
}

#[tokio::test]
async fn an_invitation_that_is_none_is_rejected_with_or_without_a_session() {
    let world = World::start().await;
    let ada = world.sign_in("ada", true).await;
    let body = json!({"invitation": "patdi_x", "password": PASSWORD});
    let redeem =
        async |credential| world.call("POST", "/v1/invitations/redeem", credential, Some(&body)).await;
    redeem(None).await.problem(401, "credentials-rejected");
    redeem(Some(ada.as_str())).await.problem(401, "credentials-rejected");
    redeem(Some("a|b|c")).await.problem(401, "credentials-rejected");
}

#[tokio::test]
async fn r1_a_session_without_a_person_present_cannot_mint() {
    let world = World::start().await;
    let body = json!({"name": "ci"});
    let mint = async |credential: &str| {
        world.call("POST", "/v1/sites/acme/tokens", Some(credential), Some(&body)).await
    };
    mint(&world.sign_in("ada", false).await).await.problem(403, "interactive-required");
    let owned = json!({"name": "ci", "owner": "grace"});
    let ada = world.sign_in("ada", true).await;
    world
        .call("POST", "/v1/sites/acme/tokens", Some(&ada), Some(&owned))
        .await
        .problem(400, "invalid-request");
    assert_eq!(mint(&ada).await.status, 201);
    mint(&ada).await.problem(409, "token-name-taken");
}
