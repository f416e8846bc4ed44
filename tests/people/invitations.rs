//! Invitations: alike for whoever is invited, spent once, and no way into another person's account.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Answer, Kind, PASSWORD, Stage, totp_code_in};

async fn redeem(stage: &Stage, session: Option<&str>, body: &Value) -> Answer {
    stage.call("POST", "/v1/invitations/redeem", session, Some(body)).await
}

fn password_of(name: &str, password: &str) -> Value {
    json!({"site": "acme", "username": name, "password": password})
}

/// Everything about an answer that a name could change, but for its ids and secrets.
fn shape(answer: &Answer, name: &str) -> (u16, BTreeSet<String>, Vec<(String, String)>) {
    let headers = answer.headers.keys().map(ToString::to_string).collect();
    let json = answer.json();
    let members = json.as_object().expect("an object").iter().map(|(key, value)| {
        let text = value.as_str().expect("text");
        let shown = match key.as_str() {
            "luid" | "invitation" => text.len().to_string(),
            "expires_at" => text.get(..10).unwrap_or(text).to_owned(),
            "username" => text.replace(name, "(name)"),
            _ => text.to_owned(),
        };
        (key.clone(), shown)
    });
    (answer.status, headers, members.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_an_invitation_looks_alike_whether_or_not_the_name_exists_elsewhere() {
    let stage = Stage::start("").await;
    let known = stage.person("globex", "Viewer").await;
    let fresh = stage.fresh_name();
    let of_known = stage.invite(&known.username, "acme", "Viewer").await.expect(201);
    let of_fresh = stage.invite(&fresh, "acme", "Viewer").await.expect(201);
    assert_eq!(shape(&of_known, &known.username), shape(&of_fresh, &fresh));
    // The listing tells nothing more before they join.
    let listed = stage.call("GET", "/v1/sites/acme/users", Some(stage.admin("acme")), None).await.json();
    let item = |name: &str| {
        let items = listed["items"].as_array().expect("items");
        let mut item = items.iter().find(|item| item["username"] == name).expect("the member").clone();
        item["luid"] = Value::Null;
        item["username"] = Value::Null;
        item
    };
    assert_eq!(item(&known.username), item(&fresh));
    assert_eq!(item(&fresh)["state"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_works_once_and_every_other_one_is_refused_alike() {
    let stage = Stage::start("").await;
    let name = stage.fresh_name();
    let replaced = stage.invite(&name, "acme", "Viewer").await.expect(201).at("/invitation");
    let used = stage.invite(&name, "acme", "Creator").await.expect(201).at("/invitation");
    let body = |invitation: &str| json!({"invitation": invitation, "password": PASSWORD});
    assert_eq!(replaced.len(), used.len());
    let replaced = redeem(&stage, None, &body(&replaced)).await.refused("401 credentials-rejected");
    redeem(&stage, None, &body(&used)).await.expect(200);
    let mut refusals = vec![replaced];
    let gone = stage.fresh_name();
    let removed = stage.invite(&gone, "acme", "Viewer").await.expect(201);
    let path = format!("/v1/sites/acme/users/{}", removed.at("/luid"));
    stage.call("DELETE", &path, Some(stage.admin("acme")), None).await.expect(204);
    let mut other = used.clone();
    let last = if other.pop() == Some('a') { 'b' } else { 'a' };
    other.push(last);
    for invitation in [used.as_str(), &removed.at("/invitation"), &other, "patdi_no", "", "\u{0}", PASSWORD] {
        refusals.push(redeem(&stage, None, &body(invitation)).await.refused("401 credentials-rejected"));
    }
    let texts: BTreeSet<String> = refusals.iter().map(Answer::without_request_id).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    // The role is the last invitation's.
    let signed_in = stage.sign_in(&password_of(&name, PASSWORD)).await.expect(201);
    assert_eq!(signed_in.at("/user/site_role"), "Creator");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_is_raced_for_is_redeemed_once() {
    let stage = Stage::start("").await;
    let invitation = stage.invite(&stage.fresh_name(), "acme", "Viewer").await.expect(201).at("/invitation");
    let body = json!({"invitation": invitation, "password": PASSWORD});
    let answers = futures_util::future::join_all((0..16).map(|_| redeem(&stage, None, &body))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 15, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_an_invitation_never_sets_the_password_of_a_person_who_has_one() {
    let stage = Stage::start("").await;
    let known = stage.person("globex", "Viewer").await;
    let invitation = stage.invite(&known.username, "acme", "Viewer").await.expect(201).at("/invitation");
    let with = |password: &str| json!({"invitation": invitation, "password": password});
    redeem(&stage, None, &with("a password of the admin")).await.refused("401 credentials-rejected");
    redeem(&stage, None, &json!({"invitation": invitation})).await.refused("422 invalid-value");
    redeem(&stage, None, &with(PASSWORD)).await.expect(200);
    stage.sign_in(&password_of(&known.username, PASSWORD)).await.expect(201);
    let wrong = stage.sign_in(&password_of(&known.username, "a password of the admin")).await;
    wrong.refused("401 credentials-rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_without_a_password_is_refused_alike_for_known_and_new_people() {
    let stage = Stage::start("").await;
    let known = stage.person("globex", "Viewer").await;
    let mut answers = BTreeSet::new();
    for name in [known.username, stage.fresh_name()] {
        let invitation = stage.invite(&name, "acme", "Viewer").await.expect(201).at("/invitation");
        let answer = redeem(&stage, None, &json!({"invitation": invitation})).await;
        answers.insert((answer.to_string(), answer.without_request_id()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_a_second_factor_joins_with_password_and_code() {
    let stage = Stage::start("").await;
    let known = stage.person("globex", "Viewer").await;
    let session = stage.session(&known, "globex", Kind::Interactive).await;
    let (secret, _) = stage.enrol(&session).await;
    let invitation = stage.invite(&known.username, "acme", "Viewer").await.expect(201).at("/invitation");
    let next = totp_code_in(&secret, 30);
    let with = |password: &str, code: Option<&str>| json!({"invitation": invitation, "password": password, "totp": code});
    redeem(&stage, None, &with(PASSWORD, None)).await.refused("401 totp-required");
    redeem(&stage, None, &with(PASSWORD, Some("000000"))).await.refused("401 credentials-rejected");
    redeem(&stage, None, &with("not the password", Some(&next))).await.refused("401 credentials-rejected");
    redeem(&stage, None, &with(PASSWORD, Some(&next))).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_joins_from_an_own_interactive_session_and_from_no_other() {
    let stage = Stage::start("").await;
    let known = stage.person("globex", "Viewer").await;
    let other = stage.person("globex", "Viewer").await;
    let invitation = stage.invite(&known.username, "acme", "Viewer").await.expect(201).at("/invitation");
    let body = json!({"invitation": invitation});
    for (person, kind) in [(&other, Kind::Interactive), (&known, Kind::Token), (&known, Kind::Password)] {
        let session = stage.session(person, "globex", kind).await;
        let answer = redeem(&stage, Some(&session), &body).await;
        assert!(matches!(answer.status, 401 | 422), "{kind:?}: {answer}");
    }
    let own = stage.session(&known, "globex", Kind::Interactive).await;
    redeem(&stage, Some(&own), &body).await.expect(200);
    stage.sign_in(&password_of(&known.username, PASSWORD)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_an_admin_cannot_change_who_a_person_is() {
    let stage = Stage::start("").await;
    let member = stage.person("acme", "Viewer").await;
    let path = format!("/v1/sites/acme/users/{}", member.luid);
    let admin = stage.admin("acme");
    for change in [
        json!({"username": "mine"}),
        json!({"email": "me@example.com"}),
        json!({"full_name": "Me"}),
        json!({"password": "a password of the admin"}),
        json!({"totp": null}),
        json!({"site_role": "Viewer", "username": "mine"}),
    ] {
        stage.call("PATCH", &path, Some(admin), Some(&change)).await.refused("400 invalid-request");
    }
    let before = stage.call("GET", &path, Some(admin), None).await.expect(200).json();
    let host = stage.person("acme", "SiteAdministratorCreator").await;
    let program = stage.session(&host, "acme", Kind::Password).await;
    let path = format!("/api/3.27/sites/{}/users/{}", stage.luid("acme"), member.luid);
    for name in ["name", "fullName", "email", "password"] {
        let body = json!({"user": {name: "other@example.com", "siteRole": "Creator"}});
        stage.call("PUT", &path, Some(&program), Some(&body)).await.refused("403004");
    }
    let path = format!("/v1/sites/acme/users/{}", member.luid);
    assert_eq!(stage.call("GET", &path, Some(admin), None).await.json(), before);
}
