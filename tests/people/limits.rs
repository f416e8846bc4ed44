//! Limits on guessing, each on a daemon of its own with tight ones.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Daemon, Kind, PASSWORD, Stage};

async fn stage(limits: &str) -> Stage {
    Stage::on(Daemon::start_with_limits(limits, "").await).await
}

async fn guess(stage: &Stage, name: &str, password: &str, site: &str) -> Answer {
    stage.sign_in(&json!({"site": site, "username": name, "password": password})).await
}

/// What a client is told to wait, after checks that it is told so everywhere.
fn wait_of(answer: &Answer) -> u64 {
    assert_eq!(answer.to_string(), "429 too-many-attempts", "{}", answer.text);
    let told: u64 = answer.header("retry-after").parse().expect("seconds");
    assert_eq!(answer.json()["retry_after"], told);
    told
}

/// Guesses until the answer is no 429 any more, as long as the daemon says it takes.
async fn guess_after_the_delay(stage: &Stage, name: &str, password: &str) -> Answer {
    let patient = async {
        loop {
            let answer = guess(stage, name, password, "acme").await;
            if answer.status != 429 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), patient).await.expect("the delay ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_an_account_wait_longer_each_time_and_never_lock_its_tokens_out() {
    let stage = stage(
        "attempts_per_account = 3\nattempts_per_address = 100000\nfirst_delay = \"3s\"\nmax_delay = \"60s\"\n",
    )
    .await;
    let person = stage.person("acme", "Creator").await;
    stage.join(&person.username, "globex", "Viewer").await;
    let token = stage.mint(&person, "acme").await;
    let name = person.username.as_str();
    for _ in 0..4 {
        guess(&stage, name, "not the password", "acme").await.refused("401 credentials-rejected");
    }
    assert!((1..=4).contains(&wait_of(&guess(&stage, name, "not the password", "acme").await)));
    // Every spelling, site and surface counts as one account, and the right password waits, too.
    wait_of(&guess(&stage, &name.to_ascii_uppercase(), PASSWORD, "globex").await);
    let credentials = json!({"name": name, "password": PASSWORD, "site": {"contentUrl": "acme"}});
    let body = json!({"credentials": credentials});
    let answer = stage.call("POST", "/api/3.27/auth/signin", None, Some(&body)).await.refused("429000");
    assert!(answer.header("retry-after").parse::<u64>().is_ok());
    for _ in 0..20 {
        stage.use_token(&token, "acme").await.expect(201);
    }
    let somebody = stage.person("acme", "Viewer").await;
    guess(&stage, &somebody.username, PASSWORD, "acme").await.expect(201);
    guess_after_the_delay(&stage, name, "not the password").await.refused("401 credentials-rejected");
    assert!(wait_of(&guess(&stage, name, "not the password", "acme").await) > 3);
    guess_after_the_delay(&stage, name, PASSWORD).await.expect(201);
    // A good sign-in starts the count anew.
    for _ in 0..3 {
        guess(&stage, name, "not the password", "acme").await.refused("401 credentials-rejected");
    }
    guess(&stage, name, PASSWORD, "acme").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_is_limited_as_a_known_one() {
    let stage = stage(
        "attempts_per_account = 2\nattempts_per_address = 100000\nfirst_delay = \"30s\"\nmax_delay = \"60s\"\n",
    )
    .await;
    let known = stage.person("acme", "Viewer").await.username;
    for name in [known, stage.fresh_name()] {
        for _ in 0..3 {
            guess(&stage, &name, "not the password", "acme").await.refused("401 credentials-rejected");
        }
        wait_of(&guess(&stage, &name, "not the password", "acme").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_from_an_address_are_counted_over_all_accounts() {
    let stage = stage(
        "attempts_per_account = 1000\nattempts_per_address = 5\nfirst_delay = \"30s\"\nmax_delay = \"60s\"\n",
    )
    .await;
    let person = stage.person("acme", "Creator").await;
    let token = stage.mint(&person, "acme").await;
    let mut waited = None;
    for _ in 0..8 {
        let answer = guess(&stage, &stage.fresh_name(), "not the password", "acme").await;
        if answer.status == 429 {
            waited = Some(wait_of(&answer));
            break;
        }
    }
    assert!(waited.is_some_and(|seconds| seconds > 1), "{waited:?}");
    // A header that any client can send changes no address.
    let body = json!({"site": "acme", "username": person.username, "password": PASSWORD});
    let request = stage.request("POST", "/v1/sessions").header("x-forwarded-for", "192.0.2.1").json(&body);
    wait_of(&Answer::of(request.send().await.expect("an answer")).await);
    stage.use_token(&token, "acme").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_a_code_are_limited_as_those_at_a_password_are() {
    let stage = stage(
        "attempts_per_account = 4\nattempts_per_address = 100000\nfirst_delay = \"30s\"\nmax_delay = \"60s\"\n",
    )
    .await;
    // At sign-in, after the right password.
    let person = stage.person("acme", "Creator").await;
    let session = stage.session(&person, "acme", Kind::Interactive).await;
    stage.enrol(&session).await;
    let sign_in = json!({
        "site": "acme", "username": person.username, "password": PASSWORD, "interactive": true, "totp": "000000",
    });
    for _ in 0..5 {
        stage.sign_in(&sign_in).await.refused("401 credentials-rejected");
    }
    wait_of(&stage.sign_in(&sign_in).await);
    // In one's own affairs: to confirm, to remove, to join another site.
    let other = stage.person("acme", "Creator").await;
    let session = stage.session(&other, "acme", Kind::Interactive).await;
    stage.begin_totp(&session).await;
    let code = json!({"code": "000000"});
    let confirm = async || stage.call("POST", "/v1/me/totp/confirm", Some(&session), Some(&code)).await;
    for _ in 0..5 {
        confirm().await.refused("401 credentials-rejected");
    }
    wait_of(&confirm().await);
    wait_of(&stage.call("DELETE", "/v1/me/totp", Some(&session), Some(&code)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_with_an_invitation_at_a_known_persons_password_are_limited() {
    let stage = stage(
        "attempts_per_account = 3\nattempts_per_address = 100000\nfirst_delay = \"30s\"\nmax_delay = \"60s\"\n",
    )
    .await;
    let known = stage.person("globex", "Viewer").await;
    let invitation = stage.invite(&known.username, "acme", "Viewer").await.expect(201).at("/invitation");
    let redeem = async |password: &str| {
        let body = json!({"invitation": invitation, "password": password});
        stage.call("POST", "/v1/invitations/redeem", None, Some(&body)).await
    };
    for _ in 0..4 {
        redeem("not the password").await.refused("401 credentials-rejected");
    }
    wait_of(&redeem(PASSWORD).await);
    // It is one count with that of sign-ins; an invitation that is none counts for nobody.
    wait_of(&guess(&stage, &known.username, PASSWORD, "globex").await);
    let nobody = json!({"invitation": "patdi_none", "password": PASSWORD});
    for _ in 0..10 {
        let answer = stage.call("POST", "/v1/invitations/redeem", None, Some(&nobody)).await;
        answer.refused("401 credentials-rejected");
    }
}

/// A daemon behind a proxy at these addresses.
async fn behind(trusted: &str) -> Stage {
    let limits =
        "attempts_per_account = 1000\nattempts_per_address = 4\nfirst_delay = \"30s\"\nmax_delay = \"60s\"\n";
    let daemon = Daemon::start_with_limits(limits, "").await;
    daemon.edit("[server]\n", &format!("[server]\ntrusted_proxies = [{trusted}]\n"));
    daemon.restart().await;
    Stage::on(daemon).await
}

async fn guess_from(stage: &Stage, forwarded: &str) -> Answer {
    let body = json!({"site": "acme", "username": stage.fresh_name(), "password": "not the password"});
    let request = stage.request("POST", "/v1/sessions").header("x-forwarded-for", forwarded).json(&body);
    Answer::of(request.send().await.expect("an answer")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_the_forwarded_address_counts_and_an_ipv6_network_is_one() {
    let stage = behind("\"127.0.0.0/8\"").await;
    for n in 1..=5 {
        let from = format!("2001:db8:1:2:{n}::{n}");
        guess_from(&stage, &from).await.refused("401 credentials-rejected");
    }
    wait_of(&guess_from(&stage, "2001:db8:1:2:ffff::1").await);
    // The network next to it, an IPv4 neighbour and the proxy itself go on.
    for from in ["2001:db8:1:3::1", "192.0.2.1", "192.0.2.2", "10.9.9.9, 192.0.2.3"] {
        guess_from(&stage, from).await.refused("401 credentials-rejected");
    }
    // What a client wrote left of what the proxy adds is not believed.
    for n in 0..4 {
        guess_from(&stage, &format!("198.51.100.{n}, 192.0.2.3")).await.refused("401 credentials-rejected");
    }
    wait_of(&guess_from(&stage, "198.51.100.77, 192.0.2.3").await);
    // Events tell the same address.
    let person = stage.person("acme", "Viewer").await;
    let body = json!({"site": "acme", "username": person.username, "password": PASSWORD});
    let request = stage.request("POST", "/v1/sessions").header("x-forwarded-for", "203.0.113.7").json(&body);
    Answer::of(request.send().await.expect("an answer")).await.expect(201);
    let events = stage.call("GET", "/v1/sites/acme/events", Some(stage.admin("acme")), None).await.json();
    assert_eq!(events["items"][0]["data"]["address"], "203.0.113.7", "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_address_is_believed_from_trusted_proxies_only() {
    let stage = behind("\"10.0.0.0/8\"").await;
    for n in 0..5 {
        guess_from(&stage, &format!("192.0.2.{n}")).await.refused("401 credentials-rejected");
    }
    wait_of(&guess_from(&stage, "192.0.2.77").await);
}
