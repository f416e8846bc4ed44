//! Sinks over the network, in the daemon: what each plug-in sends is tested in its own package.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Daemon, Kind, Stage, client, path_of, until};

const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon whose sites have this sink as well.
pub(crate) async fn with_sink(name: &str, section: &str) -> Stage {
    let stage = Stage::start("").await;
    let config = std::fs::read_to_string(stage.daemon.config()).expect("the config");
    let config = config.replacen("sinks = [\"file\"]", &format!("sinks = [\"file\", \"{name}\"]"), 1);
    let section = format!("[sinks.{name}]\nretry = {{ first = \"20ms\", max = \"100ms\" }}\n{section}");
    std::fs::write(stage.daemon.config(), format!("{config}\n{section}\n")).expect("written");
    stage.daemon.restart().await;
    stage
}

/// A receiver that answers every request with one status, but for what it refuses, and keeps the ids of what it got.
#[derive(Clone)]
pub(crate) struct Hook {
    status: Arc<AtomicU16>,
    /// What has any of these in its body gets 422.
    refused: Arc<Mutex<Vec<String>>>,
    /// Before each answer.
    pause: Arc<Mutex<Duration>>,
    ids: Arc<Mutex<Vec<String>>>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    pub(crate) async fn serve(status: u16) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/patd", listener.local_addr().expect("an address"));
        let hook = Self {
            status: Arc::new(AtomicU16::new(status)),
            refused: Arc::default(),
            pause: Arc::default(),
            ids: Arc::default(),
            taken: Arc::default(),
        };
        let own = hook.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().connection(stream));
            }
        });
        (hook, url)
    }

    async fn connection(self, stream: TcpStream) -> Option<()> {
        let mut stream = tokio::io::BufReader::new(stream);
        loop {
            let (mut length, mut id) = (0, String::new());
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
                match line.trim_end().split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().ok()?,
                    Some(("webhook-id", value)) => id = value.to_owned(),
                    None if line.trim_end().is_empty() => break,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            self.ids.lock().expect("sound").push(id.clone());
            let pause = *self.pause.lock().expect("sound");
            tokio::time::sleep(pause).await;
            let status = if self.refuses(&body) { 422 } else { self.status.load(Ordering::SeqCst) };
            if status == 204 {
                self.taken.lock().expect("sound").push(id);
            }
            let answer = format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes()).await.ok()?;
        }
    }

    fn refuses(&self, body: &[u8]) -> bool {
        let body = String::from_utf8_lossy(body);
        self.refused.lock().expect("sound").iter().any(|part| body.contains(part))
    }

    /// From now on it will never take what has any of these in it.
    pub(crate) fn refuse(&self, parts: &[&str]) {
        *self.refused.lock().expect("sound") = parts.iter().map(|part| (*part).to_owned()).collect();
    }

    /// From now on it takes so long for each event.
    pub(crate) fn pause(&self, pause: Duration) {
        *self.pause.lock().expect("sound") = pause;
    }

    fn ids(&self) -> Vec<String> {
        self.ids.lock().expect("sound").clone()
    }

    /// Ids of what it took, in order.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.lock().expect("sound").clone()
    }
}

/// The section of an `audit-webhook` that tells this address.
pub(crate) fn webhook(url: &str) -> String {
    let secret = "whsec_YmxhY2sgYm94IGJsYWNrIGJveCBibGFjayBib3g=";
    format!("plugin = \"audit-webhook\"\nconfig = {{ url = \"{url}\", secrets = [\"{secret}\"] }}")
}

async fn metrics(daemon: &Daemon) -> String {
    let answer = client().get(format!("{}/metrics", daemon.management_url)).send().await.expect("an answer");
    answer.text().await.expect("a page")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_told_to_go_away_is_left_alone_until_a_reload_and_then_gets_everything() {
    let (hook, url) = Hook::serve(410).await;
    let stage = with_sink("hook", &webhook(&url)).await;
    let person = stage.person("acme", "Creator").await;
    stage.session(&person, "acme", Kind::Token).await;
    until("the metric tells of it", async || {
        metrics(&stage.daemon).await.contains("patd_plugin_webhook_disabled{instance=\"hook\"} 1")
    })
    .await;
    let asked = hook.ids().len();
    stage.mint(&person, "acme").await;
    until("the pump tries again", async || stage.daemon.log().matches("410 Gone").count() > 3).await;
    // A lane of each site and of the directory may each have had its first try under way.
    assert!(asked <= 3 && hook.ids().len() == asked, "{:?}", hook.ids());

    hook.status.store(204, Ordering::SeqCst);
    let report = stage.daemon.patd(&["reload"]);
    let lines = report["plugins"].as_array().expect("plug-ins");
    let action = |name: &str| lines.iter().find(|line| line["instance"] == name).map(|line| &line["action"]);
    assert_eq!((action("hook"), action("file")), (Some(&json!("replaced")), Some(&json!("unchanged"))));
    let listed = stage.call("GET", "/v1/sites/acme/events?limit=1000", Some(stage.admin("acme")), None).await;
    let listed = listed.expect(200).json()["items"].clone();
    let wanted: Vec<String> = listed
        .as_array()
        .expect("events")
        .iter()
        .map(|e| e["id"].as_str().expect("an id").to_owned())
        .collect();
    assert!(wanted.len() > 5, "{wanted:?}");
    until("every event of the site arrives", async || {
        let got = hook.ids();
        wanted.iter().all(|id| got[asked..].contains(id))
    })
    .await;
    assert!(!stage.daemon.log().contains("whsec_"), "no secret in the log");
}

/// aiosmtpd, which prints what it gets.
struct Mailbox {
    process: Child,
    port: u64,
    said: Receiver<Value>,
}

impl Mailbox {
    fn open() -> Self {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/audit-email/tests/email/server.py");
        let mut process = Command::new(path_of("PATD_TEST_PYTHON_SMTP"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python runs");
        let (say, said) = std::sync::mpsc::channel::<Value>();
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = say.send(serde_json::from_str(&line).expect("JSON"));
            }
        });
        let port = said.recv_timeout(PATIENCE).expect("the port")["port"].as_u64().expect("a port");
        Self { process, port, said }
    }

    fn next(&self) -> Value {
        self.said.recv_timeout(PATIENCE).expect("a mail")
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A daemon that mails events of these types.
async fn with_mailbox(types: &str) -> (Mailbox, Stage) {
    let mailbox = Mailbox::open();
    let config = format!(
        "{{ smtp = \"smtp://127.0.0.1:{}\", starttls = \"off\", from = \"patd <patd@patd.example>\" }}",
        mailbox.port
    );
    let section = format!("plugin = \"audit-email\"\ntypes = [\"{types}\"]\nconfig = {config}");
    let stage = with_sink("mail", &section).await;
    (mailbox, stage)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_leaked_token_is_mailed_once_and_nobody_else_is() {
    let (mailbox, stage) = with_mailbox("patd.notice.token_leaked").await;
    let mut people = Vec::new();
    for name in ["ann", "ben"] {
        let person = stage.person("acme", "Creator").await;
        let session = stage.session(&person, "acme", Kind::Interactive).await;
        let profile = json!({"email": format!("{name}@people.example")});
        stage.call("PATCH", "/v1/me", Some(&session), Some(&profile)).await.expect(200);
        people.push((stage.mint(&person, "acme").await, person));
    }
    let admin = json!({"email": "admin@acme.example"});
    stage.call("PATCH", "/v1/me", Some(stage.admin("acme")), Some(&admin)).await.expect(200);
    // Twice, as scanners do; and the other one afterwards, before whose mail all others must have come.
    for number in [0, 0, 1] {
        let (token, _) = &people[number];
        let body = json!({"tokens": [token.secret]});
        stage.call("POST", "/v1/leaks", None, Some(&body)).await.expect(202);
        until("it is revoked", async || stage.use_token(token, "acme").await.status == 401).await;
    }
    for (name, (token, owner)) in ["ann", "ben"].into_iter().zip(&people) {
        let mail = tokio::task::block_in_place(|| mailbox.next());
        assert_eq!(mail["recipients"], json!([format!("{name}@people.example")]), "{mail}");
        let text = mail["text"].as_str().expect("a text");
        assert!(text.contains("leaked") && text.contains(&token.name), "{} is told: {text}", owner.username);
        assert!(!mail.to_string().contains(&token.secret[30..]), "the secret is in the mail");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_mailed_that_an_admin_revoked_what_was_minted_before_a_time() {
    let (mailbox, stage) = with_mailbox("patd.notice.token_revoked").await;
    let person = stage.person("acme", "Creator").await;
    let session = stage.session(&person, "acme", Kind::Interactive).await;
    let profile = json!({"email": "ann@people.example"});
    stage.call("PATCH", "/v1/me", Some(&session), Some(&profile)).await.expect(200);
    let tokens = [stage.mint(&person, "acme").await, stage.mint(&person, "acme").await];
    let listed = stage.call("GET", "/v1/sites/acme/tokens", Some(&session), None).await.expect(200).json();
    // The older one alone.
    let before = &listed["items"][0]["created_at"];
    let body = json!({"issued_before": before, "dry_run": false});
    stage
        .call("POST", "/v1/sites/acme/revocations", Some(stage.admin("acme")), Some(&body))
        .await
        .expect(200);
    let mail = tokio::task::block_in_place(|| mailbox.next());
    assert_eq!(mail["recipients"], json!(["ann@people.example"]), "{mail}");
    let text = mail["text"].as_str().expect("a text");
    assert!(text.contains("minted before") && text.contains(before.as_str().expect("a time")), "{text}");
    stage.use_token(&tokens[0], "acme").await.refused("401 token-revoked");
    stage.use_token(&tokens[1], "acme").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_grave_events_are_mailed_to_the_admins_of_their_site_and_to_nobody_else() {
    let (mailbox, stage) = with_mailbox("patd.user.*").await;
    for site in ["acme", "globex"] {
        let profile = json!({"email": format!("{site}@admins.example"), "full_name": format!("{site}\u{202e} \"host\"")});
        stage.call("PATCH", "/v1/me", Some(stage.admin(site)), Some(&profile)).await.expect(200);
        let person = stage.person(site, "Creator").await;
        let session = stage.session(&person, site, Kind::Interactive).await;
        let profile = json!({"email": format!("{site}@people.example")});
        stage.call("PATCH", "/v1/me", Some(&session), Some(&profile)).await.expect(200);
        let path = format!("/v1/sites/{site}/users/{}", person.luid);
        let change = json!({"site_role": "Viewer"});
        stage.call("PATCH", &path, Some(stage.admin(site)), Some(&change)).await.expect(200);
        let mail = tokio::task::block_in_place(|| mailbox.next());
        assert_eq!(mail["recipients"], json!([format!("{site}@admins.example")]), "{mail}");
        let text = mail["text"].as_str().expect("a text");
        assert!(text.contains("patd.user.role_changed") && text.contains(&stage.luid(site)), "{text}");
    }
    // Whatever is still to come would have come before this one.
    let person = stage.person("acme", "Creator").await;
    let path = format!("/v1/sites/acme/users/{}", person.luid);
    stage.call("DELETE", &path, Some(stage.admin("acme")), None).await.expect(204);
    let mail = tokio::task::block_in_place(|| mailbox.next());
    assert!(mail["text"].as_str().is_some_and(|text| text.contains("patd.user.removed")), "{mail}");
}
