//! Requests that mean no good: never a 5xx, never a hang, and the next client is served as before.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::world::{Reply, World};

/// The server is as well as ever.
async fn still_well(world: &World) {
    assert_eq!(world.call("GET", "/.well-known/patd", None, None).await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let world = World::start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = world.send(bytes).await;
        assert!(
            matches!(answer.status, 0 | 400..500),
            "{}: {}",
            String::from_utf8_lossy(bytes),
            answer.status
        );
    }
    still_well(&world).await;
}

#[tokio::test]
async fn long_lines_and_many_headers_are_431_or_414() {
    let world = World::start().await;
    let long = "a".repeat(9_000);
    let many = "X: y\r\n".repeat(200);
    for request in [
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /?token={long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "a".repeat(200_000)),
    ] {
        let answer = world.send(&request).await;
        assert!(matches!(answer.status, 0 | 414 | 431), "{}", answer.status);
    }
    still_well(&world).await;
}

#[tokio::test]
async fn a_body_above_the_limit_is_413_announced_or_not() {
    let world = World::start().await;
    let head =
        "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    world.send(format!("{head}Content-Length: 999999999\r\n\r\n")).await.problem(413, "body-too-large");
    let answer = world.send(format!("{head}Content-Length: 18446744073709551615\r\n\r\n")).await;
    assert!(matches!(answer.status, 413 | 431), "{}", answer.status);
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000));
    let request = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(2));
    world.send(request).await.problem(413, "body-too-large");
    still_well(&world).await;
}

#[tokio::test]
async fn bad_framing_of_a_body_is_400() {
    let world = World::start().await;
    let request = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
                   Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n";
    assert_eq!(world.send(request).await.status, 400);
    still_well(&world).await;
}

#[tokio::test]
async fn deep_json_and_odd_bytes_are_400() {
    let world = World::start().await;
    let nested = format!("{{\"site\": {}", "[".repeat(4_000));
    for body in
        [nested.as_bytes(), b"\xff\xfe{}", b"{\"site\": \"\xff\"}", b"\0\0\0", b"{\"site\": \"\\ud800\"}"]
    {
        let mut request = format!(
            "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        world.send(&request).await.problem(400, "invalid-request");
    }
}

#[tokio::test]
async fn tricks_with_the_path_find_nothing() {
    let world = World::start().await;
    let ada = world.sign_in("ada", false).await;
    for path in [
        "/v1/sites/acme/../acme/tokens",
        "/v1/sites/acme%2Ftokens",
        "/v1/sites/acme%00/tokens",
        "/v1/sites/%2e%2e/tokens",
        "/v1/sites/acme//tokens",
        "//v1/sites/acme/tokens",
        "/V1/sites/acme/tokens",
        "/v1/sites/acme/tokens/",
        "/v1/sites/acme;x=1/tokens",
        "/v1/sites/%/tokens",
        "/v1/sites/%c0%ae/tokens",
    ] {
        world.call("GET", path, Some(&ada), None).await.problem(404, "not-found");
    }
    let other = world.send("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!((400..500).contains(&other.status), "{}", other.status);
    let tunnel =
        world.send("CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!((400..500).contains(&tunnel.status), "{}", tunnel.status);
    // The absolute form is HTTP, and names the same thing.
    let request = format!(
        "GET http://evil.example/v1/sites/acme/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         X-Tableau-Auth: {ada}\r\n\r\n"
    );
    assert_eq!(world.send(request).await.status, 204);
}

#[tokio::test]
async fn a_credential_in_the_query_string_is_none() {
    let world = World::start().await;
    let ada = world.sign_in("ada", false).await;
    let ada = ada.replace('|', "%7C");
    for name in ["access_token", "token", "X-Tableau-Auth"] {
        let path = format!("/v1/sites/acme/verify?{name}={ada}");
        world.call("GET", &path, None, None).await.problem(401, "credentials-required");
    }
}

#[tokio::test]
async fn slow_headers_end_the_connection() {
    let world = World::start().await;
    let mut stream = world.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.expect("sent");
    let answer = Reply::read(&mut stream).await;
    assert!(matches!(answer.status, 0 | 408), "{}", answer.status);
    // A connection that says nothing goes as well.
    let mut silent = world.connect().await;
    assert!(matches!(Reply::read(&mut silent).await.status, 0 | 408));
    still_well(&world).await;
}

#[tokio::test]
async fn a_slow_body_is_408() {
    let world = World::start().await;
    let mut stream = world.connect().await;
    let head = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("sent");
    Reply::read(&mut stream).await.problem(408, "request-timeout");
    still_well(&world).await;
}

#[tokio::test]
async fn a_client_that_breaks_off_disturbs_nobody() {
    let world = World::start().await;
    for _ in 0..100 {
        let mut stream = world.connect().await;
        stream
            .write_all(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
            .await
            .expect("sent");
        drop(stream);
    }
    still_well(&world).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let world = World::start().await;
    let one = "GET /v1/sites/acme/verify HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = world.send(format!("{one}{one}{last}")).await;
    let all = answer.text();
    assert_eq!(answer.status, 401);
    assert_eq!(all.matches("HTTP/1.1 401").count(), 1);
    assert_eq!(all.matches("HTTP/1.1 404").count(), 1);
}

#[tokio::test]
async fn more_connections_than_allowed_wait_their_turn() {
    let mut limits = crate::world::limits();
    limits.max_connections = 2;
    let world = World::start_with(limits).await;
    let held = [world.connect().await, world.connect().await];
    let waiting = world.call("GET", "/.well-known/patd", None, None);
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
    drop(held);
    assert_eq!(waiting.await.status, 200);
}

#[tokio::test]
async fn a_client_that_asks_and_does_not_read_is_let_go() {
    let mut limits = crate::world::limits();
    limits.max_connections = 1;
    let world = World::start_with(limits).await;
    let mut deaf = world.connect().await;
    let request = "GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50);
    // Until the server stalls on its answers, and so on its reads.
    while tokio::time::timeout(Duration::from_millis(200), deaf.write_all(request.as_bytes()))
        .await
        .is_ok_and(|sent| sent.is_ok())
    {}
    // The only connection there may be is free again.
    still_well(&world).await;
}
