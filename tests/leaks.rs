//! Reports of leaked secrets: real tokens die, nobody learns which were real.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};

use crate::harness::{Answer, Daemon, Kind, Stage, found};

/// A well-formed secret of nobody.
const STRANGE: &str = "patd_1_0000000000000000000001_00000000000000000000000000000000000000000000000000";

async fn report(stage: &Stage, tokens: &[&str]) -> Answer {
    stage.call("POST", "/v1/leaks", None, Some(&json!({"tokens": tokens}))).await
}

async fn events_of(stage: &Stage, token: &str) -> Vec<Value> {
    let path = format!("/v1/sites/acme/events?token={token}");
    let page = stage.call("GET", &path, Some(stage.admin("acme")), None).await.expect(200).json();
    page["items"].as_array().expect("items").clone()
}

/// Waits until a token's events have one of this type; gives them all, newest first.
async fn until_told(stage: &Stage, token: &str, kind: &str) -> Vec<Value> {
    let told = async || {
        let events = events_of(stage, token).await;
        events.iter().any(|event| event["type"] == kind).then_some(events)
    };
    found(kind, told).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_token_is_revoked_with_its_session_and_its_owner_is_told() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let (leaked, dead) = (stage.mint(&person, "acme").await, stage.mint(&person, "acme").await);
    let session = stage.use_token(&leaked, "acme").await.expect(201).at("/credential");
    let path = format!("/v1/sites/acme/tokens/{}", dead.id);
    stage.call("DELETE", &path, Some(stage.admin("acme")), None).await.expect(204);
    let before = events_of(&stage, &dead.id).await.len();
    // The right id with another secret is no proof of anything.
    let spare = stage.mint(&person, "acme").await;
    let forged = forged(&spare.secret);
    let answer =
        report(&stage, &[&dead.secret, "nonsense", STRANGE, &forged, &leaked.secret]).await.expect(202);
    assert_eq!(answer.json(), json!({"received": 5}));
    let events = until_told(&stage, &leaked.id, "patd.notice.token_leaked").await;
    let of =
        |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let revoked = of("patd.token.revoked");
    assert_eq!(revoked["data"]["reason"], "leaked");
    assert_eq!(revoked["data"]["actor"], json!({"kind": "system"}));
    let notice = of("patd.notice.token_leaked");
    assert_eq!(notice["data"]["user"], person.luid.as_str());
    assert_eq!(notice["data"]["token_name"], leaked.name.as_str());
    assert_eq!(of("patd.session.ended")["data"]["reason"], "leaked");
    stage.who_am_i(&session).await.refused("401 session-revoked");
    stage.use_token(&leaked, "acme").await.refused("401 token-revoked");
    stage.use_token(&spare, "acme").await.expect(201);
    assert_eq!(events_of(&stage, &dead.id).await.len(), before, "a dead token dies once");
    let listed = format!("/v1/sites/acme/users/{}/tokens?ended=true", person.luid);
    let listed = stage.call("GET", &listed, Some(stage.admin("acme")), None).await.expect(200).json();
    let item =
        listed["items"].as_array().expect("items").iter().find(|item| item["id"] == leaked.id.as_str());
    assert_eq!(item.expect("it is listed")["ended_reason"], "leaked");
    assert!(!stage.daemon.log().contains(&leaked.secret[30..]), "a secret is in the log");
}

/// Another secret with the same id: what somebody has who knows the id alone.
fn forged(secret: &str) -> String {
    let body = &secret[..secret.len() - 49];
    let text = format!("{body}{}", "0".repeat(43));
    // The check digits are public: anybody can make them.
    let mut crc = crc32(text.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        let value = (crc % 62) as u8;
        *digit = match value {
            0..10 => b'0' + value,
            10..36 => b'A' + value - 10,
            _ => b'a' + value - 36,
        };
        crc /= 62;
    }
    format!("{text}{}", std::str::from_utf8(&digits).expect("ASCII"))
}

/// CRC-32/ISO-HDLC, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_is_answered_alike_and_what_is_no_report_is_refused() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let real = stage.mint(&person, "acme").await;
    let answers = [
        report(&stage, &[&real.secret]).await,
        report(&stage, &[STRANGE]).await,
        report(&stage, &["x"]).await,
    ];
    for answer in &answers {
        assert_eq!((answer.status, answer.text.as_str()), (202, r#"{"received":1}"#));
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(answer), names(&answers[0]));
    }
    report(&stage, &[]).await.expect(202);
    report(&stage, &vec![STRANGE; 1000]).await.expect(202);
    report(&stage, &vec![STRANGE; 1001]).await.refused("422 invalid-value");
    for (body, refusal) in [
        (json!({}), "400 invalid-request"),
        (json!({"tokens": [7]}), "400 invalid-request"),
        (json!({"tokens": [], "more": 1}), "400 invalid-request"),
        (json!([{"token": STRANGE, "type": "t", "url": "u", "source": "s"}]), "403 leak-signature-rejected"),
    ] {
        stage.call("POST", "/v1/leaks", None, Some(&body)).await.refused(refusal);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_one_address_are_limited_per_hour_and_signed_ones_are_not() {
    let key = SigningKey::from_slice(&[7; 32]).expect("a key");
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF).expect("PEM");
    let further = format!("[leaks]\ngithub_keys = [{{ id = \"k1\", key = '''{pem}''' }}]\n");
    let limits = "attempts_per_account = 1000\nattempts_per_address = 1000\nleak_reports_per_hour = 2\n";
    let stage = Stage::on(Daemon::start_with_limits(limits, &further).await).await;
    let person = stage.person("acme", "Creator").await;
    let (one, other) = (stage.mint(&person, "acme").await, stage.mint(&person, "acme").await);
    for _ in 0..2 {
        report(&stage, &[STRANGE]).await.expect(202);
    }
    let refused = report(&stage, &[&one.secret]).await.refused("429 too-many-attempts");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");

    let body = json!([
        {"token": other.secret, "type": "patd_token", "url": "https://github.com/o/r/blob/x", "source": "content"},
        {"token": STRANGE, "type": "patd_token", "url": "", "source": "commit"},
    ]);
    let body = body.to_string();
    let signature: Signature = key.sign(body.as_bytes());
    let signature = base64(signature.to_der().as_bytes());
    let send = async |id: &str, body: &str| {
        let request = stage.request("POST", "/v1/leaks").header("content-type", "application/json");
        let request = request.header("github-public-key-identifier", id);
        let request = request.header("github-public-key-signature", &signature).body(body.to_owned());
        Answer::of(request.send().await.expect("an answer")).await
    };
    let answer = send("k1", &body).await.expect(202);
    assert_eq!(answer.json(), json!({"received": 2}));
    let events = until_told(&stage, &other.id, "patd.notice.token_leaked").await;
    let notice = events.iter().find(|event| event["type"] == "patd.notice.token_leaked").expect("a notice");
    assert_eq!(notice["data"]["found_at"], "https://github.com/o/r/blob/x");
    for (id, body) in [("k2", body.as_str()), ("k1", &body.replace("content", "Content"))] {
        send(id, body).await.refused("429 too-many-attempts");
    }
    stage.use_token(&one, "acme").await.expect(201);
    assert!(!stage.session(&person, "acme", Kind::Interactive).await.is_empty());
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
