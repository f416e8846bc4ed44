//! Requests that mean no good, on both surfaces of the real daemon: each is refused as a client error in its surface's
//! words, none hangs, none reaches the log with a secret, and the next client is served as before.

use std::io::Result;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Daemon, Kind, Reply, Stage, Wire};

const SIGN_IN: &str = "/v1/sessions";
const TABLEAU_SIGN_IN: &str = "/api/3.27/auth/signin";
/// What a secret looks like, where one must not turn up.
const CANARY: &str = "canary0of0a0secret0that0was0misplaced";

/// Sends bytes on a connection of their own and judges the answer: a client error in the surface's own words. A status
/// of 0 stands for a connection that was closed without an answer.
async fn refused(stage: &Stage, request: &[u8]) -> u16 {
    let shown = String::from_utf8_lossy(request.get(..200).unwrap_or(request)).into_owned();
    let answered = tokio::time::timeout(Duration::from_secs(20), raw(stage, request)).await;
    let Ok(reply) = answered.unwrap_or_else(|_| panic!("no answer to {shown}")) else { return 0 };
    let text = reply.shown();
    assert!((400..500).contains(&reply.status), "{shown}: {text}");
    assert!(!text.contains(CANARY), "{shown}: {text}");
    let json = reply.json();
    let native = json["type"].as_str().is_some_and(|kind| kind.starts_with("urn:patd:problem:"));
    let tableau = text.contains("<error code=") || json["error"]["code"].is_string();
    // What is no HTTP, the HTTP library refuses without a body.
    assert!(native || tableau || reply.body.is_empty(), "{shown}: {text}");
    reply.status
}

async fn raw(stage: &Stage, request: &[u8]) -> Result<Reply> {
    Wire::connect(&stage.daemon.base_url).await?.raw(request).await
}

fn post(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes()
}

/// The daemon serves as ever, and nothing that it logged was its own fault or a secret.
async fn still_well(stage: &Stage) {
    stage.call("GET", "/.well-known/patd", None, None).await.expect(200);
    let log = stage.daemon.log();
    for bad in ["panicked", "status=5", CANARY] {
        assert!(!log.contains(bad), "`{bad}` is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_xml_is_refused() {
    let stage = Stage::start("").await;
    let laughs: String =
        (1..12).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let deep = format!("<tsRequest>{}", "<credentials>".repeat(4_000));
    let wide: String = (0..3_000).map(|n| format!(" a{n}='x'")).collect();
    let sign_in = "<credentials personalAccessTokenName='a' personalAccessTokenSecret='b'>\
                   <site contentUrl='acme'/></credentials>";
    for body in [
        format!("<!DOCTYPE tsRequest [<!ENTITY l0 \"ha\">{laughs}]><tsRequest>&l11;</tsRequest>"),
        format!("<!DOCTYPE t SYSTEM \"file:///etc/passwd\"><tsRequest>{sign_in}</tsRequest>"),
        "<!DOCTYPE t [<!ENTITY x SYSTEM 'http://127.0.0.1:1/'>]><tsRequest><credentials name='&x;'/></tsRequest>"
            .to_owned(),
        format!("<?xml version='1.0'?><!DOCTYPE t [<!ENTITY % p '{CANARY}'>%p;]><tsRequest/>"),
        "<tsRequest><credentials name='&unknown;' password='p'/></tsRequest>".to_owned(),
        "<tsRequest><credentials name='&#0;' password='p'/></tsRequest>".to_owned(),
        deep.clone(),
        format!("{deep}{}</tsRequest>", "</credentials>".repeat(4_000)),
        format!("<tsRequest><credentials{wide}/></tsRequest>"),
        format!("<tsRequest>{sign_in}{sign_in}</tsRequest>"),
        format!("<tsRequest>{sign_in}"),
        format!("<other>{sign_in}</other>"),
        format!("<tsRequest>{sign_in}</tsRequest><tsRequest/>"),
        "<tsRequest><credentials name='a' name='b' password='p'/></tsRequest>".to_owned(),
        format!("<tsRequest><credentials name='{CANARY}'"),
        "<".to_owned(),
        "<![CDATA[".to_owned(),
        "\u{feff}<".to_owned(),
        String::new(),
    ] {
        for kind in ["text/xml", "application/xml; charset=utf-16", "application/json", "x"] {
            let status = refused(&stage, &post(TABLEAU_SIGN_IN, kind, body.as_bytes())).await;
            assert!(matches!(status, 400 | 413), "{status}: {}", body.get(..100).unwrap_or(&body));
        }
        let status = refused(&stage, &post(SIGN_IN, "application/xml", body.as_bytes())).await;
        assert!(matches!(status, 413 | 415), "{status}");
    }
    for bytes in [&b"\xff\xfe<\0t\0"[..], b"<tsRequest><credentials name='\xff'/></tsRequest>"] {
        assert_eq!(refused(&stage, &post(TABLEAU_SIGN_IN, "text/xml", bytes)).await, 400);
    }
    still_well(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_json_is_refused() {
    let stage = Stage::start("").await;
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    for body in [
        nested("[", "]"),
        nested("{\"a\":", "}"),
        "[".repeat(60_000),
        format!("{{\"site\":\"acme\",\"token_secret\":\"{CANARY}\",\"owner\":\"x\"}}"),
        "{\"site\":\"acme\",\"site\":\"globex\",\"token_secret\":\"x\"}".to_owned(),
        "{\"site\":\"acme\",\"token_secret\":\"x\"}{}".to_owned(),
        "{\"site\":\"acme\",\"token_secret\":\"x\",}".to_owned(),
        "{\"site\":1,\"token_secret\":[\"x\"]}".to_owned(),
        "{\"site\":\"acme\",\"username\":\"a\",\"password\":\"b\",\"interactive\":\"true\"}".to_owned(),
        "{\"site\":\"acme\",\"token_secret\":\"\\ud800\"}".to_owned(),
        format!("{{\"site\":\"acme\",\"token_secret\":{}}}", "9".repeat(10_000)),
        "NaN".to_owned(),
        "null".to_owned(),
        "\"text\"".to_owned(),
        "{".to_owned(),
        "\u{feff}{}".to_owned(),
        "{}".to_owned(),
        String::new(),
    ] {
        assert_eq!(
            refused(&stage, &post(SIGN_IN, "application/json", body.as_bytes())).await,
            400,
            "{body:.80}"
        );
        let tableau = body.replacen("{\"site\"", "{\"credentials\":{\"site\"", 1);
        assert_eq!(
            refused(&stage, &post(TABLEAU_SIGN_IN, "application/json", tableau.as_bytes())).await,
            400
        );
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            assert_eq!(refused(&stage, &post(SIGN_IN, kind, body.as_bytes())).await, 415);
        }
    }
    let invalid = b"{\"site\":\"\xff\",\"token_secret\":\"x\"}";
    assert_eq!(refused(&stage, &post(SIGN_IN, "application/json", invalid)).await, 400);
    still_well(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tricks_with_paths_find_nothing() {
    let stage = Stage::start("").await;
    let host = stage.person("acme", "SiteAdministratorCreator").await;
    let auth = format!("x-tableau-auth: {}\r\n", stage.session(&host, "acme", Kind::Password).await);
    let long = "a".repeat(6_000);
    for target in [
        "/v1/sites/../sites/acme/users",
        "/v1/sites/%2e%2e/acme/users",
        "/v1/sites/acme%2fusers",
        "/v1/sites/acme%2Fx/users",
        "/v1/sites/acme%00/users",
        "/v1/sites/%00/verify",
        "/v1/sites/acme%0d%0aX:%20y/users",
        "/v1/sites/acme;x=y/users",
        "/v1/sites/acme./users",
        "/v1/sites/%61%63%6d%65%20/users",
        "/v1/sites//users",
        "/v1/sites/acme//users",
        "/v1/sites/acme/users/",
        "/v1//sites/acme/users",
        "//v1/sites/acme/users",
        "/V1/sites/acme/users",
        "/v1/sites/%ff%fe/users",
        "/v1/sites/%/users",
        "/v1/sites/%zz/users",
        "/v1/sites/acme/users/../../globex/users",
        "/v1/sites/acme/users/not-a-uuid",
        "/v1/sites/acme/users/%2e%2e",
        "/v1/sites/acme/tokens/..%2f..",
        "/api/3.27/sites/../sites/x/users",
        "/api/3.27/sites/%2e%2e/users",
        "/api/3.27/sites/x%2fusers",
        "/api/3.27/sites/%00/users",
        "/api/3.27//sites/x/users",
        "/api/3.27/sites/acme/users",
        "/api/%ff/serverInfo",
        "/api/../v1/openapi.json",
        "/api/3.27/%2e%2e/%2e%2e/v1/openapi.json",
        "/api/",
        "/.git/config",
        "/healthz",
        "/metrics",
        "/control.sock",
        "http://elsewhere/v1/none",
        "*",
        &format!("/{long}"),
        &format!("/v1/sites/{long}/users"),
        &format!("/api/3.27/sites/{long}/users"),
    ] {
        let status = refused(&stage, &get(target, &auth)).await;
        // Forward auth knows two refusals only: a site that is not the session's is 403, existing or not.
        let expected = if target.ends_with("/verify") {
            status == 403
        } else {
            matches!(status, 400 | 404 | 405 | 414 | 431)
        };
        assert!(expected, "{status} for {target:.60}");
    }
    assert_eq!(refused(&stage, &get(&format!("/v1/none?token={CANARY}"), "")).await, 404);
    assert_eq!(refused(&stage, &get(&format!("/v1/sites/acme/users?token={CANARY}"), "")).await, 401);
    still_well(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_versions_and_methods_are_refused() {
    let stage = Stage::start("").await;
    for version in
        ["3.28", "4.0", "1.9", "0.0", "3", "3.27.1", "exp", "-1.0", "99999999999999.1", "3.x", "%33.27x"]
    {
        for call in ["serverInfo", "auth/signin", "sites"] {
            assert_eq!(refused(&stage, &get(&format!("/api/{version}/{call}"), "")).await, 404, "{version}");
        }
    }
    let printed = stage.daemon.patd(&["routes"]);
    let routes: Vec<_> = ["native", "tableau"]
        .into_iter()
        .flat_map(|surface| printed[surface].as_array().expect("routes").clone())
        .map(|route| {
            let text = |name: &str| route[name].as_str().expect("text").to_owned();
            (text("method"), text("path"))
        })
        .collect();
    for (_, path) in &routes {
        let taken: Vec<_> =
            routes.iter().filter(|(_, other)| other == path).map(|(m, _)| m.as_str()).collect();
        let path = path.replace("{version}", "3.27").replace(['{', '}'], "");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND", "get"] {
            if taken.contains(&method) {
                continue;
            }
            let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(refused(&stage, request.as_bytes()).await, 405, "{method} {path}");
            let reply = raw(&stage, request.as_bytes()).await.expect("an answer");
            let allow = reply.header("allow").unwrap_or_default();
            assert!(taken.iter().all(|method| allow.contains(method)), "{method} {path}: `{allow}`");
        }
    }
    still_well(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_that_differ_and_secrets_in_wrong_places_are_refused() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let live = stage.session(&person, "acme", Kind::Password).await;
    let other = stage.session(&stage.person("acme", "Creator").await, "acme", Kind::Password).await;
    for target in ["/v1/sessions/current", "/v1/sites/acme/verify", "/api/3.27/sessions/current"] {
        for headers in [
            format!("authorization: Bearer {live}\r\nx-tableau-auth: {other}\r\n"),
            format!("authorization: Bearer {live}\r\nauthorization: Bearer {other}\r\n"),
            format!("x-tableau-auth: {live}\r\nx-tableau-auth: {other}\r\n"),
            format!("x-tableau-auth: {live}\r\nx-tableau-auth: \r\n"),
            format!("x-tableau-auth: {live},{other}\r\n"),
            format!("x-tableau-auth: {live} {other}\r\n"),
            format!("authorization: {live}\r\n"),
            format!("authorization: Basic {CANARY}\r\n"),
            format!("cookie: session={live}\r\n"),
            format!("x-api-key: {live}\r\n"),
            "authorization: Bearer \r\n".to_owned(),
            "x-tableau-auth: \r\n".to_owned(),
            format!("x-tableau-auth: {}\r\n", "|".repeat(3_000)),
        ] {
            assert_eq!(refused(&stage, &get(target, &headers)).await, 401, "{target} {headers:.60}");
        }
        for parameter in ["token", "access_token", "x-tableau-auth"] {
            assert_eq!(refused(&stage, &get(&format!("{target}?{parameter}={live}"), "")).await, 401);
        }
        // The same one twice is one.
        let twice = get(target, &format!("authorization: Bearer {live}\r\nx-tableau-auth: {live}\r\n"));
        assert!(raw(&stage, &twice).await.expect("an answer").status < 300);
    }
    let log = stage.daemon.log();
    assert!(!log.contains(&live) && !log.contains(&other), "a credential is in the log");
    still_well(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused() {
    let stage = Stage::start("").await;
    let huge = json!({"site": "acme", "token_secret": CANARY.repeat(5_000)}).to_string();
    for path in [SIGN_IN, TABLEAU_SIGN_IN] {
        let status = refused(&stage, &post(path, "application/json", huge.as_bytes())).await;
        assert!(matches!(status, 0 | 413), "{status}");
        let announced = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n"
        );
        assert_eq!(refused(&stage, announced.as_bytes()).await, 413);
        let chunk = format!("2000\r\n{}\r\n", "a".repeat(0x2000)).repeat(20);
        let chunked = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
        );
        let status = refused(&stage, chunked.as_bytes()).await;
        assert!(matches!(status, 0 | 413), "{status}");
        let packed = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        assert_eq!(refused(&stage, packed.as_bytes()).await, 415);
    }
    for target in ["/v1/sessions/current", "/api/3.27/sessions/current"] {
        let header = format!("x: {}\r\n", CANARY.repeat(2_000));
        assert!(matches!(refused(&stage, &get(target, &header)).await, 0 | 431));
        assert!(matches!(refused(&stage, &get(target, &"x: y\r\n".repeat(500))).await, 0 | 431));
    }
    still_well(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_sent_away() {
    let limits = "header_timeout = \"2s\"\nrequest_timeout = \"3s\"\n";
    let stage = Stage::on(Daemon::start_with_limits(limits, "").await).await;
    let address = stage.daemon.base_url.trim_start_matches("http://").to_owned();
    let body = "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n";
    // Each may go on with any number of `a`: what can be no request any more is refused as soon as it is looked at.
    for head in ["", "GET /v1/openapi.json", "GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n", body] {
        let begun = tokio::time::Instant::now();
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let trickle = async {
            let mut answer = Vec::new();
            let (mut read, mut write) = stream.split();
            let mut drip = tokio::time::interval(Duration::from_millis(100));
            loop {
                tokio::select! {
                    // What is sent to a closed connection is lost, and the read says so.
                    _ = drip.tick() => drop(write.write_all(if head.is_empty() { b"" } else { b"a" }).await),
                    read = read.read_buf(&mut answer) => if matches!(read, Ok(0) | Err(_)) { return answer },
                }
            }
        };
        let answer = tokio::time::timeout(Duration::from_secs(15), trickle).await;
        let answer = answer.unwrap_or_else(|_| panic!("a slow client is served for ever: {head:?}"));
        let (after, text) = (begun.elapsed(), String::from_utf8_lossy(&answer));
        assert!(after >= Duration::from_millis(1500), "{head:?}: sent away after {after:?} with {text:?}");
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{head:?}: {text}");
    }
    still_well(&stage).await;
}
