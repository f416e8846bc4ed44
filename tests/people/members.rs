//! What happens to live sessions and tokens when a person or a membership changes.

use serde_json::{Value, json};

use crate::harness::{Answer, Kind, PASSWORD, Person, Stage, Token};

/// A member of both sites, with tokens at home in both and sessions of every kind.
struct Cast {
    person: Person,
    token: Token,
    elsewhere: Token,
    /// Of the token of acme, opened at globex: at home in acme.
    abroad: String,
    /// Password and interactive at acme.
    here: [String; 2],
    /// Password and interactive at globex, and the session of globex's token.
    there: [String; 3],
}

impl Cast {
    async fn of(stage: &Stage) -> Self {
        let person = stage.person("acme", "Creator").await;
        stage.join(&person.username, "globex", "Creator").await;
        let (token, elsewhere) = (stage.mint(&person, "acme").await, stage.mint(&person, "globex").await);
        Self {
            abroad: stage.use_token(&token, "globex").await.expect(201).at("/credential"),
            here: [
                stage.session(&person, "acme", Kind::Password).await,
                stage.session(&person, "acme", Kind::Interactive).await,
            ],
            there: [
                stage.session(&person, "globex", Kind::Password).await,
                stage.session(&person, "globex", Kind::Interactive).await,
                stage.use_token(&elsewhere, "globex").await.expect(201).at("/credential"),
            ],
            person,
            token,
            elsewhere,
        }
    }

    fn path(&self) -> String {
        format!("/v1/sites/acme/users/{}", self.person.luid)
    }

    /// Everything at home or opened at acme is dead, nothing elsewhere is.
    async fn is_out_of_acme(&self, stage: &Stage) {
        for session in self.here.iter().chain([&self.abroad]) {
            stage.who_am_i(session).await.refused("401 session-revoked");
        }
        for session in &self.there {
            stage.who_am_i(session).await.expect(200);
        }
        let verify = stage.call("GET", "/v1/sites/globex/verify", Some(&self.abroad), None).await;
        verify.refused("401 session-revoked");
        stage.use_token(&self.token, "globex").await.refused("401 credentials-rejected");
        stage.use_token(&self.elsewhere, "globex").await.expect(201);
    }
}

async fn by_admin(stage: &Stage, method: &str, path: &str, body: Option<&Value>) -> Answer {
    stage.call(method, path, Some(stage.admin("acme")), body).await
}

fn password_at_acme(person: &Person) -> Value {
    json!({"site": "acme", "username": person.username, "password": PASSWORD})
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_disabling_ends_a_membership_at_once_and_enabling_revives_nothing() {
    let stage = Stage::start("").await;
    let cast = Cast::of(&stage).await;
    by_admin(&stage, "PATCH", &cast.path(), Some(&json!({"disabled": true}))).await.expect(200);
    cast.is_out_of_acme(&stage).await;
    stage.use_token(&cast.elsewhere, "acme").await.refused("401 credentials-rejected");
    stage.sign_in(&password_at_acme(&cast.person)).await.refused("401 credentials-rejected");
    by_admin(&stage, "PATCH", &cast.path(), Some(&json!({"disabled": false}))).await.expect(200);
    for session in cast.here.iter().chain([&cast.abroad]) {
        stage.who_am_i(session).await.refused("401 session-revoked");
    }
    stage.use_token(&cast.token, "acme").await.refused("401 token-revoked");
    stage.sign_in(&password_at_acme(&cast.person)).await.expect(201);
    let fresh = stage.mint(&cast.person, "acme").await;
    stage.use_token(&fresh, "acme").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_unlicensing_ends_a_membership_at_once_and_a_licence_revives_nothing() {
    let stage = Stage::start("").await;
    let cast = Cast::of(&stage).await;
    by_admin(&stage, "PATCH", &cast.path(), Some(&json!({"site_role": "Unlicensed"}))).await.expect(200);
    cast.is_out_of_acme(&stage).await;
    stage.sign_in(&password_at_acme(&cast.person)).await.refused("401 credentials-rejected");
    by_admin(&stage, "PATCH", &cast.path(), Some(&json!({"site_role": "Viewer"}))).await.expect(200);
    stage.use_token(&cast.token, "acme").await.refused("401 token-revoked");
    stage.who_am_i(&cast.here[0]).await.refused("401 session-revoked");
    stage.sign_in(&password_at_acme(&cast.person)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_removing_ends_a_membership_at_once_and_adding_again_revives_nothing() {
    let stage = Stage::start("").await;
    let cast = Cast::of(&stage).await;
    by_admin(&stage, "DELETE", &cast.path(), None).await.expect(204);
    cast.is_out_of_acme(&stage).await;
    by_admin(&stage, "GET", &cast.path(), None).await.refused("404 not-found");
    by_admin(&stage, "DELETE", &cast.path(), None).await.refused("404 not-found");
    stage.sign_in(&password_at_acme(&cast.person)).await.refused("401 credentials-rejected");
    stage.join(&cast.person.username, "acme", "Viewer").await;
    stage.use_token(&cast.token, "acme").await.refused("401 token-revoked");
    stage.who_am_i(&cast.here[1]).await.refused("401 session-revoked");
    stage.sign_in(&password_at_acme(&cast.person)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_disables_the_person_everywhere() {
    let stage = Stage::start("").await;
    let cast = Cast::of(&stage).await;
    stage.daemon.patd(&["user", "disable", &cast.person.username]);
    for session in cast.here.iter().chain(&cast.there).chain([&cast.abroad]) {
        stage.who_am_i(session).await.refused("401 session-revoked");
    }
    for token in [&cast.token, &cast.elsewhere] {
        stage.use_token(token, "globex").await.refused("401 credentials-rejected");
    }
    stage.daemon.patd(&["user", "enable", &cast.person.username]);
    stage.use_token(&cast.token, "acme").await.refused("401 token-revoked");
    stage.who_am_i(&cast.there[0]).await.refused("401 session-revoked");
    stage.sign_in(&password_at_acme(&cast.person)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_acts_at_once_on_sessions_that_live_on() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Viewer").await;
    let path = format!("/v1/sites/acme/users/{}", person.luid);
    let session = stage.session(&person, "acme", Kind::Token).await;
    for (role, listed) in [("SiteAdministratorExplorer", 200), ("Explorer", 403)] {
        by_admin(&stage, "PATCH", &path, Some(&json!({"site_role": role}))).await.expect(200);
        stage.call("GET", "/v1/sites/acme/users", Some(&session), None).await.expect(listed);
        let verified = stage.call("GET", "/v1/sites/acme/verify", Some(&session), None).await.expect(204);
        assert_eq!(verified.header("x-patd-site-role"), role);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_a_new_password_ends_other_sessions_of_the_person_but_no_automation() {
    let stage = Stage::start("").await;
    let cast = Cast::of(&stage).await;
    let own = stage.session(&cast.person, "acme", Kind::Interactive).await;
    let new = "another horse and staple";
    let change = |current: &str| json!({"current_password": current, "new_password": new});
    let path = "/v1/me/password";
    let wrong = stage.call("POST", path, Some(&own), Some(&change("not the password"))).await;
    wrong.refused("403 current-password-wrong");
    stage.who_am_i(&cast.here[0]).await.expect(200);
    stage.call("POST", path, Some(&own), Some(&change(PASSWORD))).await.expect(204);
    for session in cast.here.iter().chain(&cast.there[..2]) {
        stage.who_am_i(session).await.refused("401 session-revoked");
    }
    for session in [&own, &cast.abroad, &cast.there[2]] {
        stage.who_am_i(session).await.expect(200);
    }
    stage.use_token(&cast.token, "acme").await.expect(201);
    stage.sign_in(&password_at_acme(&cast.person)).await.refused("401 credentials-rejected");
    let body = json!({"site": "acme", "username": cast.person.username, "password": new});
    stage.sign_in(&body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_a_new_name_leaves_tokens_and_sessions_alone() {
    let stage = Stage::start("").await;
    let cast = Cast::of(&stage).await;
    let name = stage.fresh_name();
    let body = json!({"username": name, "email": "new@example.com"});
    stage.call("PATCH", "/v1/me", Some(&cast.here[1]), Some(&body)).await.expect(200);
    let verified = stage.call("GET", "/v1/sites/globex/verify", Some(&cast.abroad), None).await.expect(204);
    assert_eq!(verified.header("x-patd-user"), name);
    let signed_in = stage.use_token(&cast.token, "acme").await.expect(201);
    assert_eq!(signed_in.at("/user/username"), name);
    let taken = json!({"username": stage.person("acme", "Viewer").await.username.to_ascii_uppercase()});
    stage.call("PATCH", "/v1/me", Some(&cast.here[1]), Some(&taken)).await.refused("409 username-taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_all_of_a_members_tokens_leaves_everybody_elses() {
    let stage = Stage::start("").await;
    let cast = Cast::of(&stage).await;
    let other = stage.person("acme", "Creator").await;
    let others = stage.mint(&other, "acme").await;
    by_admin(&stage, "DELETE", &format!("{}/tokens", cast.path()), None).await.expect(204);
    stage.who_am_i(&cast.abroad).await.refused("401 session-revoked");
    stage.use_token(&cast.token, "acme").await.refused("401 token-revoked");
    let listed = by_admin(&stage, "GET", &format!("{}/tokens", cast.path()), None).await.expect(200);
    assert_eq!(listed.json()["items"], json!([]));
    let ended = by_admin(&stage, "GET", &format!("{}/tokens?ended=true", cast.path()), None).await.json();
    assert_eq!(ended["items"][0]["ended_reason"], "revoked", "{ended}");
    for session in cast.here.iter().chain(&cast.there) {
        stage.who_am_i(session).await.expect(200);
    }
    stage.use_token(&others, "acme").await.expect(201);
    let fresh = stage.mint(&cast.person, "acme").await;
    stage.use_token(&fresh, "acme").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_what_was_minted_before_a_time_counts_first_and_spares_the_rest() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    stage.join(&person.username, "globex", "Viewer").await;
    let old = stage.mint(&person, "acme").await;
    let old_session = stage.use_token(&old, "acme").await.expect(201).at("/credential");
    let foreign = stage.mint(&person, "globex").await;
    let new = stage.mint(&person, "acme").await;
    let mine = stage.session(&person, "acme", Kind::Interactive).await;
    let listed = stage.call("GET", "/v1/sites/acme/tokens", Some(&mine), None).await.json();
    assert_eq!(listed["items"][0]["id"], new.id.as_str(), "newest first: {listed}");
    let before = &listed["items"][0]["created_at"];
    let ask = |dry: bool| json!({"issued_before": before, "dry_run": dry});
    let path = "/v1/sites/acme/revocations";
    let counted = by_admin(&stage, "POST", path, Some(&ask(true))).await.expect(200).json();
    assert_eq!((&counted["tokens"], &counted["sessions"]), (&json!(1), &json!(1)), "{counted}");
    assert_eq!(counted["dry_run"], true);
    stage.who_am_i(&old_session).await.expect(200);
    let done = by_admin(&stage, "POST", path, Some(&ask(false))).await.expect(200).json();
    assert_eq!((&done["tokens"], &done["sessions"]), (&json!(1), &json!(1)), "{done}");
    stage.who_am_i(&old_session).await.refused("401 session-revoked");
    stage.use_token(&old, "acme").await.refused("401 token-revoked");
    stage.use_token(&foreign, "acme").await.expect(201);
    stage.use_token(&new, "acme").await.expect(201);
    for (before, refusal) in
        [("2999-01-01T00:00:00Z", "422 invalid-value"), ("yesterday", "422 invalid-value")]
    {
        let body = json!({"issued_before": before, "dry_run": true});
        by_admin(&stage, "POST", path, Some(&body)).await.refused(refusal);
    }
}
