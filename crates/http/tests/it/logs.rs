//! What the server logs, at the lowest level there is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::world::World;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no poison")).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no poison").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn listen() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn r5_a_secret_in_the_wrong_place_reaches_no_log() {
    let (log, _guard) = listen();
    let world = World::start().await;
    let canary = "patd_1_canary";
    let body = json!({"site": canary, "token_secret": canary, "token_name": canary});
    world.call("POST", "/v1/sessions", None, Some(&body)).await;
    world.call("POST", "/v1/sessions", Some(canary), Some(&json!({canary: 1}))).await;
    for path in
        ["/v1/sites/acme/verify", "/v1/sessions/current", "/v1/sites/acme/tokens", "/nothing", "/api/3.4/x"]
    {
        world.call("GET", &format!("{path}?token={canary}"), None, None).await;
        world.call("GET", &format!("{path}/{canary}"), Some(canary), None).await;
        let headers = format!(
            "User-Agent: {canary}\r\nX-Secret: {canary}\r\nCookie: {canary}\r\nReferer: {canary}\r\n"
        );
        world.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await;
    }
    world.send(format!("GET /{canary} {canary}\r\n\r\n")).await;
    world.send(format!("{canary} /v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
    let text = log.text();
    assert!(text.contains("answered"), "nothing was logged");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn each_request_leaves_a_line_with_its_id_route_and_status() {
    let (log, _guard) = listen();
    let world = World::start().await;
    let answer = world.call("GET", "/v1/sites/acme/tokens?limit=5", None, None).await;
    let id = answer.header("x-request-id").expect("a request id");
    let text = log.text();
    let line = text.lines().find(|line| line.contains("answered")).expect("a line");
    for part in [id, "route=\"/v1/sites/{site}/tokens\"", "method=GET", "status=401", "ms="] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!line.contains("limit=5"));
}

#[tokio::test]
async fn the_cause_of_a_fault_is_logged_once_under_the_request_id_that_the_client_was_told() {
    let (log, _guard) = listen();
    let world = World::start().await;
    let ada = world.sign_in("ada", true).await;
    let answer = world.call("GET", "/v1/sites/acme/users", Some(&ada), None).await;
    let id = answer.header("x-request-id").expect("a request id");
    let text = log.text();
    let causes: Vec<_> = text.lines().filter(|line| line.contains("a handler panicked")).collect();
    assert!(causes.len() == 1 && causes[0].contains(id), "{causes:?}");
    // Another's text might quote a secret.
    assert!(!text.contains("a fault on purpose"), "{text}");
}
