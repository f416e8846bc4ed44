//! One-time codes: asked for after the right password only, each good once.

use serde_json::{Value, json};

use crate::harness::{Answer, Kind, PASSWORD, Person, Stage, totp_code, totp_code_in};

async fn in_person(stage: &Stage, person: &Person, password: &str, code: Option<&str>) -> Answer {
    let mut body = json!({
        "site": "acme", "username": person.username, "password": password, "interactive": true,
    });
    if let Some(code) = code {
        body["totp"] = Value::from(code);
    }
    stage.sign_in(&body).await
}

async fn enrolled(stage: &Stage) -> (Person, String, String, Vec<String>) {
    let person = stage.person("acme", "Creator").await;
    let session = stage.session(&person, "acme", Kind::Interactive).await;
    let (secret, recovery) = stage.enrol(&session).await;
    (person, session, secret, recovery)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_asked_for_after_the_right_password_only_and_spent_once() {
    let stage = Stage::start("").await;
    let (person, _, secret, _) = enrolled(&stage).await;
    in_person(&stage, &person, PASSWORD, None).await.refused("401 totp-required");
    in_person(&stage, &person, "not the password", None).await.refused("401 credentials-rejected");
    in_person(&stage, &person, PASSWORD, Some("12345")).await.refused("401 credentials-rejected");
    let next = totp_code_in(&secret, 30);
    in_person(&stage, &person, "not the password", Some(&next)).await.refused("401 credentials-rejected");
    in_person(&stage, &person, PASSWORD, Some(&next)).await.expect(201);
    in_person(&stage, &person, PASSWORD, Some(&next)).await.refused("401 credentials-rejected");
    // An earlier step is spent by a later one.
    in_person(&stage, &person, PASSWORD, Some(&totp_code(&secret))).await.refused("401 credentials-rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_raced_with_signs_in_once() {
    let stage = Stage::start("").await;
    let (person, _, secret, recovery) = enrolled(&stage).await;
    for code in [totp_code_in(&secret, 30), recovery[0].clone()] {
        let tries = (0..16).map(|_| in_person(&stage, &person, PASSWORD, Some(&code)));
        let answers = futures_util::future::join_all(tries).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 15, "{statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_works_once() {
    let stage = Stage::start("").await;
    let (person, _, _, recovery) = enrolled(&stage).await;
    assert_eq!(recovery.len(), 10);
    in_person(&stage, &person, PASSWORD, Some(&recovery[3])).await.expect(201);
    in_person(&stage, &person, PASSWORD, Some(&recovery[3])).await.refused("401 credentials-rejected");
    in_person(&stage, &person, PASSWORD, Some(&recovery[4])).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_second_factor_programs_need_a_token() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let token = stage.mint(&person, "acme").await;
    let password = stage.session(&person, "acme", Kind::Password).await;
    let session = stage.session(&person, "acme", Kind::Interactive).await;
    let (secret, _) = stage.enrol(&session).await;
    // A session that a password alone had opened is over; the enroller's own is not.
    stage.who_am_i(&password).await.refused("401 session-revoked");
    stage.who_am_i(&session).await.expect(200);
    let by_rest = |password: &str, code: Option<String>| {
        let mut body = json!({"site": "acme", "username": person.username, "password": password});
        if let Some(code) = code {
            body["totp"] = Value::from(code);
        }
        body
    };
    let refusal = "403 password-not-allowed-with-mfa";
    stage.sign_in(&by_rest(PASSWORD, None)).await.refused(refusal);
    stage.sign_in(&by_rest(PASSWORD, Some(totp_code_in(&secret, 30)))).await.refused(refusal);
    stage.sign_in(&by_rest("not the password", None)).await.refused("401 credentials-rejected");
    let credentials = json!({"name": person.username, "password": PASSWORD, "site": {"contentUrl": "acme"}});
    let body = json!({"credentials": credentials});
    let answer = stage.call("POST", "/api/3.27/auth/signin", None, Some(&body)).await.refused("401001");
    assert!(answer.text.contains("password-not-allowed-with-mfa"), "{}", answer.text);
    stage.use_token(&token, "acme").await.expect(201);
    // The code that REST was refused with was not spent.
    in_person(&stage, &person, PASSWORD, Some(&totp_code_in(&secret, 30))).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_codes_are_given_up_with_a_code_only() {
    let stage = Stage::start("").await;
    let (person, session, _, recovery) = enrolled(&stage).await;
    let remove = |code: String| {
        let (stage, session) = (&stage, &session);
        async move { stage.call("DELETE", "/v1/me/totp", Some(session), Some(&json!({"code": code}))).await }
    };
    remove("000000".to_owned()).await.refused("401 credentials-rejected");
    in_person(&stage, &person, PASSWORD, Some(&recovery[0])).await.expect(201);
    remove(recovery[0].clone()).await.refused("401 credentials-rejected");
    remove(recovery[1].clone()).await.expect(204);
    let body = json!({"site": "acme", "username": person.username, "password": PASSWORD});
    stage.sign_in(&body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_never_confirmed_changes_nothing() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let session = stage.session(&person, "acme", Kind::Interactive).await;
    let first = stage.begin_totp(&session).await;
    in_person(&stage, &person, PASSWORD, None).await.expect(201);
    let second = stage.begin_totp(&session).await;
    assert_ne!(first, second);
    let confirm = |secret: &str| json!({"code": totp_code(secret)});
    let path = "/v1/me/totp/confirm";
    stage
        .call("POST", path, Some(&session), Some(&confirm(&first)))
        .await
        .refused("401 credentials-rejected");
    stage.call("POST", path, Some(&session), Some(&confirm(&second))).await.expect(200);
    stage.call("POST", "/v1/me/totp", Some(&session), None).await.refused("409 totp-state");
}
