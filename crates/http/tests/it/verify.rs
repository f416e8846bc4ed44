//! Forward auth and introspection.

use serde_json::json;

use crate::world::{ADA, World};

async fn verify(world: &World, site: &str, credential: Option<&str>) -> crate::world::Reply {
    world.call("GET", &format!("/v1/sites/{site}/verify"), credential, None).await
}

#[tokio::test]
async fn a_live_session_passes_with_headers_and_without_a_body() {
    let world = World::start().await;
    let credential = world.sign_in("ada", false).await;
    for site in ["Acme", "aCME", "%41cme", &world.acme.to_string()] {
        let answer = verify(&world, site, Some(&credential)).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{site}");
        assert_eq!(answer.header("x-patd-user"), Some("ada"));
        assert_eq!(answer.header("x-patd-user-luid"), Some(ADA.to_string().as_str()));
        assert_eq!(answer.header("x-patd-site-role"), Some("SiteAdministratorCreator"));
        assert_eq!(answer.header("x-patd-token-id"), None);
        assert!(answer.header("x-patd-session-id").is_some_and(|id| id.len() == 36));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-length"), None);
    }
}

#[tokio::test]
async fn a_token_session_names_its_token() {
    let world = World::start().await;
    let person = world.sign_in("ada", true).await;
    let minted =
        world.call("POST", "/v1/sites/acme/tokens", Some(&person), Some(&json!({"name": "ci"}))).await;
    assert_eq!(minted.status, 201, "{}", minted.text());
    let minted = minted.json();
    let body = json!({"site": "acme", "token_secret": minted["secret"]});
    let opened = world.call("POST", "/v1/sessions", None, Some(&body)).await.json();
    let answer = verify(&world, "acme", opened["credential"].as_str()).await;
    assert_eq!(answer.header("x-patd-token-id"), minted["id"].as_str());
    assert_eq!(answer.header("x-patd-session-id"), opened["session"]["id"].as_str());
}

#[tokio::test]
async fn r1_no_site_accepts_an_interactive_session() {
    let world = World::start().await;
    let credential = world.sign_in("ada", true).await;
    verify(&world, "acme", Some(&credential)).await.problem(401, "credentials-rejected");
}

#[tokio::test]
async fn r8_another_site_and_an_unknown_one_answer_alike() {
    let world = World::start().await;
    let credential = world.sign_in("ada", false).await;
    for site in ["globex", "nowhere", &world.globex.to_string(), "%ff", "a%2Fb"] {
        verify(&world, site, Some(&credential)).await.problem(403, "session-of-another-site");
        let path = format!("/v1/sites/{site}/tokens");
        world.call("GET", &path, Some(&credential), None).await.problem(404, "not-found");
    }
    for site in ["acme", "nowhere"] {
        verify(&world, site, None).await.problem(401, "credentials-required");
        verify(&world, site, Some("a|b|c")).await.problem(401, "credentials-rejected");
        let path = format!("/v1/sites/{site}/tokens");
        world.call("GET", &path, None, None).await.problem(401, "credentials-required");
    }
}

#[tokio::test]
async fn a_superseded_session_is_told_so_and_where_its_successor_is_only_at_current() {
    let world = World::start().await;
    let person = world.sign_in("ada", true).await;
    let minted =
        world.call("POST", "/v1/sites/acme/tokens", Some(&person), Some(&json!({"name": "ci"}))).await;
    let secret = minted.json()["secret"].clone();
    let sign_in = async |site: &str| {
        world
            .call("POST", "/v1/sessions", None, Some(&json!({"site": site, "token_secret": secret})))
            .await
            .json()
    };
    let (old, new) = (sign_in("acme").await, sign_in("globex").await);
    assert_eq!(new["superseded"]["session_id"], old["session"]["id"]);
    let old = old["credential"].as_str();
    let answer = verify(&world, "acme", old).await;
    answer.problem(401, "session-superseded");
    assert_eq!(answer.json()["successor"], new["session"]["id"]);
    assert!(!answer.text().contains("globex"));
    let answer = world.call("GET", "/v1/sessions/current", old, None).await;
    answer.problem(401, "session-superseded");
    assert_eq!(answer.json()["successor_site"]["content_url"], "globex");
}

#[tokio::test]
async fn a_signed_out_session_is_told_so() {
    let world = World::start().await;
    let credential = world.sign_in("ada", false).await;
    let out = world.call("DELETE", "/v1/sessions/current", Some(&credential), None).await;
    assert_eq!((out.status, out.text().as_str()), (204, ""));
    let answer = verify(&world, "acme", Some(&credential)).await;
    answer.problem(401, "session-signed-out");
    assert!(answer.json()["ended_at"].is_string());
}

#[tokio::test]
async fn introspection_wants_the_sites_own_credential_first() {
    let world = World::start().await;
    for (site, credential, name) in [
        ("acme", "", "credentials-required"),
        ("acme", "Authorization: Basic YTpi\r\n", "credentials-rejected"),
        ("nowhere", "Authorization: Basic YTpi\r\n", "credentials-rejected"),
        ("nowhere", "Authorization: Bearer a|b|c\r\n", "credentials-required"),
    ] {
        let answer = world
            .send(format!(
                "POST /v1/sites/{site}/introspect HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{credential}\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\ntoken=x"
            ))
            .await;
        answer.problem(401, name);
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"patd\""));
    }
}

async fn introspect(world: &World, site: &str, form: &str) -> crate::world::Reply {
    let (id, secret) = world.service.operator_site_credential("acme").await.expect("a credential");
    let basic = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("{id}:{}", secret.expose()),
    );
    let length = form.len();
    world
        .send(format!(
            "POST /v1/sites/{site}/introspect HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Basic {basic}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n{form}"
        ))
        .await
}

#[tokio::test]
async fn introspection_tells_of_live_sessions_of_its_site_only() {
    let world = World::start().await;
    let credential = world.sign_in("ada", false).await.replace('|', "%7C");
    let live = introspect(&world, "ACME", &format!("token_type_hint=x&token={credential}")).await;
    assert_eq!(live.header("cache-control"), Some("no-store"));
    let live = live.json();
    assert_eq!((&live["active"], &live["username"]), (&json!(true), &json!("ada")));
    assert_eq!((&live["sub"], &live["aud"]), (&json!(ADA.to_string()), &json!(world.acme.to_string())));
    assert_eq!(live["exp"].as_i64().zip(live["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(7200));
    let interactive = world.sign_in("ada", true).await;
    for token in ["", "x", "a%7Cb%7Cc", &interactive.replace('|', "%7C")] {
        let inactive = introspect(&world, "acme", &format!("token={token}")).await;
        assert_eq!((inactive.status, inactive.text().as_str()), (200, r#"{"active":false}"#), "{token}");
    }
    introspect(&world, "globex", &format!("token={credential}")).await.problem(401, "credentials-rejected");
    for form in ["", "tokens=x", "token=x&token=y", "token=%ff"] {
        introspect(&world, "acme", form).await.problem(400, "invalid-request");
    }
}
