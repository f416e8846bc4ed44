//! The server itself: faults of ours, stopping, Unix sockets.

use std::sync::Arc;
use std::time::Duration;

use patd_http::listen::{Listen, Listener};
use patd_http::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::world::{Reply, World};

#[tokio::test]
async fn r9_a_panic_is_a_refusal_and_the_server_lives_on() {
    let world = World::start().await;
    let ada = world.sign_in("ada", true).await;
    for _ in 0..3 {
        let answer = world.call("GET", "/v1/sites/acme/users", Some(&ada), None).await;
        answer.problem(503, "unavailable");
        assert!(!answer.text().contains("on purpose"));
    }
    assert_eq!(world.call("GET", "/v1/sessions/current", Some(&ada), None).await.status, 200);
}

#[tokio::test]
async fn r9_a_store_that_never_answers_is_a_refusal_in_time() {
    let world = World::start().await;
    let ada = world.sign_in("ada", true).await;
    world.call("GET", "/v1/sites/acme/events", Some(&ada), None).await.problem(503, "unavailable");
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_finish_and_closes_idle_connections() {
    let world = World::start().await;
    let mut busy = world.connect().await;
    let head = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";
    busy.write_all(head.as_bytes()).await.expect("sent");
    let mut idle = world.connect().await;
    idle.write_all(b"GET /.well-known/patd HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    world.stop.cancel();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("closed by the server");
    busy.write_all(b"{}").await.expect("sent");
    assert_eq!(Reply::read(&mut busy).await.status, 400);
    tokio::time::timeout(Duration::from_secs(5), world.done)
        .await
        .expect("it stops")
        .expect("without a panic");
    assert!(tokio::net::TcpStream::connect(world.address).await.is_err());
}

#[tokio::test]
async fn a_stop_is_bounded_however_slow_a_client_is() {
    let mut limits = crate::world::limits();
    limits.drain_time = Duration::from_millis(50);
    limits.request_time = Duration::from_secs(600);
    let world = World::start_with(limits).await;
    let mut busy = world.connect().await;
    let head = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{";
    busy.write_all(head.as_bytes()).await.expect("sent");
    still_open(&world).await;
    world.stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), world.done)
        .await
        .expect("it stops")
        .expect("without a panic");
    assert_eq!(Reply::read(&mut busy).await.status, 0);
}

/// By its answer, whatever was sent before on other connections has been accepted.
async fn still_open(world: &World) {
    assert_eq!(world.call("GET", "/.well-known/patd", None, None).await.status, 200);
}

#[tokio::test]
async fn a_unix_socket_serves_and_goes_with_the_server() {
    let world = World::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("patd.sock");
    let at: Listen = format!("unix:{}", path.display()).parse().expect("an address");
    // A socket file that nobody listens on is left from a crash.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    let listener = Listener::bind(&at).await.expect("replaced");
    assert_eq!(listener.address().expect("an address"), at);
    assert!(Listener::bind(&at).await.is_err(), "somebody listens there");
    let stop = CancellationToken::new();
    let done = tokio::spawn(Server::public(Arc::clone(&world.http)).serve(vec![listener], stop.clone()));
    let mut stream = UnixStream::connect(&path).await.expect("connected");
    stream
        .write_all(b"GET /.well-known/patd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"));
    stop.cancel();
    done.await.expect("it stops");
    assert!(!path.exists());
}

#[tokio::test]
async fn the_management_listener_tells_health_readiness_and_metrics() {
    let world = World::start().await;
    let metrics: patd_http::management::RenderMetrics = Arc::new(|| "patd_up 1\n".to_owned());
    let router = patd_http::management::router(Arc::clone(&world.service), metrics);
    let listener = Listener::bind(&"127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let Ok(Listen::Tcp(address)) = listener.address() else { panic!("not TCP") };
    let stop = CancellationToken::new();
    tokio::spawn(Server::plain(router, crate::world::limits()).serve(vec![listener], stop.clone()));
    let management = World { address, ..world };
    let get = async |path: &str| management.call("GET", path, None, None).await;
    assert_eq!(get("/healthz").await.json(), serde_json::json!({"status": "ok"}));
    let good = serde_json::json!({"ready": true, "reasons": []});
    let ready = get("/readyz").await.json();
    assert_eq!((&ready["ready"], &ready["reasons"]), (&good["ready"], &good["reasons"]));
    assert_eq!(ready["sites"], serde_json::json!({"Acme": good, "globex": good}));
    assert_eq!(get("/readyz/acme").await.json()["site"]["content_url"], "Acme");
    get("/readyz/nowhere").await.problem(404, "not-found");
    assert_eq!(get("/metrics").await.text(), "patd_up 1\n");
    get("/v1/sessions").await.problem(404, "not-found");
    assert_eq!(get("/v1/sites/acme/verify").await.status, 404);
    stop.cancel();
}

#[test]
fn addresses_to_listen_on_are_read_strictly() {
    for good in ["127.0.0.1:8420", "[::1]:0", "unix:/run/patd/patd.sock"] {
        assert_eq!(good.parse::<Listen>().map(|at| at.to_string()), Ok(good.to_owned()));
    }
    for bad in ["", "8420", "localhost:8420", "unix:", "unix:relative", "127.0.0.1"] {
        assert!(bad.parse::<Listen>().is_err(), "{bad}");
    }
}
