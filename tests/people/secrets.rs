//! What strangers cannot tell apart, they get in the same bytes; and what sites' servers are told of sessions.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::harness::{Answer, Kind, PASSWORD, Stage};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Another secret of the same token, with a right check: CRC-32/ISO-HDLC in base62, six characters.
fn another_secret(secret: &str) -> String {
    let (stem, _) = secret.split_at(secret.len() - 6);
    let last = if stem.ends_with('1') { '2' } else { '1' };
    let stem = format!("{}{last}", &stem[..stem.len() - 1]);
    let mut crc = u32::MAX;
    for byte in stem.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let mut rest = !crc as usize;
    let mut check = [0_u8; 6];
    for place in check.iter_mut().rev() {
        *place = ALPHABET[rest % 62];
        rest /= 62;
    }
    format!("{stem}{}", String::from_utf8_lossy(&check))
}

fn alike(answers: &[Answer], expected: &str) {
    let mut texts = BTreeSet::new();
    for answer in answers {
        assert_eq!(answer.to_string(), expected, "{}", answer.text);
        let headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        texts.insert((headers, answer.without_request_id()));
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_or_unknown_secret_is_answered_in_the_same_bytes() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let stranger = stage.person("globex", "Creator").await;
    let (token, theirs) = (stage.mint(&person, "acme").await, stage.mint(&stranger, "globex").await);
    let wrong = another_secret(&token.secret);
    assert_eq!(wrong.len(), token.secret.len());
    let by_token = |site: &str, secret: &str| json!({"site": site, "token_secret": secret});
    let by_password =
        |name: &str, password: &str| json!({"site": "acme", "username": name, "password": password});
    let mut answers = Vec::new();
    for body in [
        by_token("acme", &wrong),
        by_token("no-such-site", &token.secret),
        by_token("globex", &token.secret),
        by_token("acme", &theirs.secret),
        by_token("acme", &token.secret[1..]),
        by_token("acme", "patd_1_2_3"),
        by_token("acme", ""),
        json!({"site": "acme", "token_secret": token.secret, "token_name": "another name"}),
        by_password(&person.username, "not the password"),
        by_password(&stage.fresh_name(), PASSWORD),
        by_password(&stranger.username, PASSWORD),
        json!({"site": "no-such-site", "username": person.username, "password": PASSWORD}),
    ] {
        answers.push(stage.sign_in(&body).await);
    }
    alike(&answers, "401 credentials-rejected");
    let mut answers = Vec::new();
    for (site, name, secret) in [
        ("acme", token.name.as_str(), wrong.as_str()),
        ("no-such-site", &token.name, &token.secret),
        ("", &token.name, &token.secret),
        ("globex", &token.name, &token.secret),
        ("acme", "another name", &token.secret),
        ("acme", &token.name, "patd_1_2_3"),
    ] {
        let body = json!({"credentials": {
            "personalAccessTokenName": name, "personalAccessTokenSecret": secret, "site": {"contentUrl": site},
        }});
        answers.push(stage.call("POST", "/api/3.27/auth/signin", None, Some(&body)).await);
    }
    alike(&answers, "401001");
    // Whoever holds the real one still gets in.
    stage.use_token(&token, "acme").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_session_credential_is_answered_in_the_same_bytes() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let live = stage.session(&person, "acme", Kind::Token).await;
    let parts: Vec<&str> = live.split('|').collect();
    let [key, secret, luid] = parts[..] else { panic!("a credential has three parts") };
    let turned: String = secret.chars().rev().collect();
    let turned_key: String = key.chars().rev().collect();
    let globex = stage.luid("globex");
    for path in ["/v1/sessions/current", "/v1/sites/acme/verify"] {
        let mut answers = Vec::new();
        for credential in [
            format!("{key}|{turned}|{luid}"),
            format!("{turned_key}|{secret}|{luid}"),
            format!("{key}|{secret}|{globex}"),
            format!("{key}|{secret}"),
            format!("{key}||{luid}"),
            "a".to_owned(),
            "a".repeat(4000),
        ] {
            answers.push(stage.call("GET", path, Some(&credential), None).await);
        }
        alike(&answers, "401 credentials-rejected");
    }
    stage.who_am_i(&live).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_things_of_another_site_answer_as_things_that_do_not_exist() {
    let stage = Stage::start("").await;
    let theirs = stage.person("globex", "Creator").await;
    let token = stage.mint(&theirs, "globex").await;
    let (nothing, acme) = ("00000000-0000-4000-8000-000000000000", stage.luid("acme"));
    let host = stage.person("acme", "SiteAdministratorCreator").await;
    let program = stage.session(&host, "acme", Kind::Password).await;
    let role = json!({"site_role": "Viewer"});
    for (method, path, body) in [
        ("GET", "/v1/sites/acme/users/{user}", None),
        ("PATCH", "/v1/sites/acme/users/{user}", Some(&role)),
        ("DELETE", "/v1/sites/acme/users/{user}", None),
        ("GET", "/v1/sites/acme/users/{user}/tokens", None),
        ("DELETE", "/v1/sites/acme/users/{user}/tokens", None),
        ("DELETE", "/v1/sites/acme/tokens/{token}", None),
    ] {
        let mut answers = Vec::new();
        for (user, token) in [(theirs.luid.as_str(), token.id.as_str()), (nothing, nothing)] {
            let path = path.replace("{user}", user).replace("{token}", token);
            answers.push(stage.call(method, &path, Some(stage.admin("acme")), body).await);
        }
        alike(&answers, "404 not-found");
    }
    let role = json!({"user": {"siteRole": "Viewer"}});
    for (method, path, body) in [
        ("GET", "users/{user}", None),
        ("PUT", "users/{user}", Some(&role)),
        ("DELETE", "users/{user}", None),
        ("GET", "users/{user}/personal-access-tokens", None),
        ("DELETE", "users/{user}/personal-access-tokens/{token}", None),
    ] {
        let mut answers = Vec::new();
        for (user, token) in [(theirs.luid.as_str(), token.id.as_str()), (nothing, nothing)] {
            let path = path.replace("{user}", user).replace("{token}", token);
            let path = format!("/api/3.27/sites/{acme}/{path}");
            answers.push(stage.call(method, &path, Some(&program), body).await);
        }
        alike(&answers, "404002");
    }
    stage.use_token(&token, "globex").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_learns_of_its_own_programs_sessions_only() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    stage.join(&person.username, "globex", "Viewer").await;
    let (acme, globex) = (stage.site_credential("acme"), stage.site_credential("globex"));
    let introspect = |site: &str, (id, secret): &(String, String), token: &str| {
        let request = stage.request("POST", &format!("/v1/sites/{site}/introspect"));
        let form = format!("token={}", utf8_percent_encode(token, NON_ALPHANUMERIC));
        let form_type = "application/x-www-form-urlencoded";
        let request = request.basic_auth(id, Some(secret)).header("content-type", form_type).body(form);
        async move { Answer::of(request.send().await.expect("an answer")).await }
    };
    let token = stage.mint(&person, "acme").await;
    let opened = stage.use_token(&token, "acme").await.expect(201);
    let session = opened.at("/credential");
    let found = introspect("Acme", &acme, &session).await.expect(200).json();
    assert_eq!(found["active"], true);
    assert_eq!(found["sub"], person.luid.as_str());
    assert_eq!(found["username"], person.username.as_str());
    assert_eq!(found["token_id"], token.id.as_str());
    assert_eq!(found["session_id"], opened.at("/session/id"));
    assert_eq!(found["site_role"], "Creator");
    let password = stage.session(&person, "acme", Kind::Password).await;
    assert_eq!(introspect("acme", &acme, &password).await.json()["active"], true);
    let elsewhere = stage.session(&person, "globex", Kind::Password).await;
    let in_person = stage.session(&person, "acme", Kind::Interactive).await;
    for inactive in [elsewhere.as_str(), &in_person, &token.secret, "a|b|c", ""] {
        assert_eq!(introspect("acme", &acme, inactive).await.expect(200).text, r#"{"active":false}"#);
    }
    stage.use_token(&token, "globex").await.expect(201);
    assert_eq!(introspect("acme", &acme, &session).await.text, r#"{"active":false}"#);
    let wrong = (acme.0.clone(), "wrong".to_owned());
    let refused = [
        introspect("acme", &globex, &session).await,
        introspect("acme", &wrong, &session).await,
        introspect("no-such-site", &acme, &session).await,
    ];
    assert!(refused.iter().all(|answer| answer.header("www-authenticate").starts_with("Basic")));
    alike(&refused, "401 credentials-rejected");
    // A new credential ends the one before.
    let new = stage.site_credential("acme");
    introspect("acme", &acme, &session).await.refused("401 credentials-rejected");
    introspect("acme", &new, &session).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_walked_by_cursor_to_their_end() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let mut minted = BTreeSet::new();
    for _ in 0..5 {
        minted.insert(stage.mint(&person, "acme").await.id);
        stage.person("acme", "Viewer").await;
    }
    let session = stage.session(&person, "acme", Kind::Interactive).await;
    let (ids, pages) = walk(&stage, "/v1/sites/acme/tokens?limit=2", &session, "id").await;
    assert_eq!((ids.len(), pages), (5, 3), "{ids:?}");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), minted);
    let admin = stage.admin("acme");
    let (names, _) = walk(&stage, "/v1/sites/acme/users?limit=2", admin, "username").await;
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((names.len(), &names), (7, &sorted));
    for bad in ["limit=0", "limit=x", "cursor=x", "cursor=%00", "limit=1&limit=2"] {
        for list in ["tokens", "users", "events"] {
            let path = format!("/v1/sites/acme/{list}?{bad}");
            stage.call("GET", &path, Some(admin), None).await.refused("400 invalid-request");
        }
    }
}

/// All values of a member, page by page, and the number of pages.
async fn walk(stage: &Stage, path: &str, session: &str, member: &str) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut next) = (Vec::new(), 0, path.to_owned());
    loop {
        let page = stage.call("GET", &next, Some(session), None).await.expect(200).json();
        pages += 1;
        let items = page["items"].as_array().expect("items").clone();
        found.extend(items.iter().map(|item| item[member].as_str().expect("text").to_owned()));
        match &page["next_cursor"] {
            Value::Null => return (found, pages),
            cursor => next = format!("{path}&cursor={}", cursor.as_str().expect("text")),
        }
    }
}
