//! A running server with two sites and two people, and a client that sends bytes as they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use patd_core::changes::Row;
use patd_core::id::{Epoch, SiteLuid, UserLuid, Version};
use patd_core::name::{SiteRole, Username};
use patd_core::record::{MemberState, Membership, Password, User};
use patd_core::secret::PhcDigest;
use patd_core::time::{Span, Timestamp};
use patd_http::listen::{Listen, Listener};
use patd_http::server::Server;
use patd_http::state::{Http, Limits};
use patd_service::limits::Attempts;
use patd_service::service::{Service, SiteRef};
use patd_service::start::SitePlan;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::memory::{self, Memory, View};

/// The password of everybody here.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const ADA: UserLuid = UserLuid(Uuid::from_u128(0xada));

pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    pub(crate) http: Arc<Http>,
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) done: tokio::task::JoinHandle<()>,
    /// Ada is an admin here, `grace` a viewer.
    pub(crate) acme: SiteLuid,
    /// Ada is a viewer here.
    pub(crate) globex: SiteLuid,
}

/// Short times, so that tests of them do not last.
pub(crate) fn limits() -> Limits {
    Limits {
        max_connections: 64,
        max_header_bytes: 8 * 1024,
        max_body_bytes: 4 * 1024,
        header_time: Duration::from_millis(400),
        request_time: Duration::from_millis(600),
        drain_time: Duration::from_secs(5),
    }
}

fn plan(content_url: &str) -> SitePlan {
    SitePlan { name: format!("{content_url} Inc"), ..memory::plan(content_url, "sites") }
}

fn people(memory: &Memory, acme: SiteLuid, globex: SiteLuid) {
    let (version, epoch, at) = (Version(1), Epoch(0), Timestamp(1_600_000_000_000_000));
    let mut password = PASSWORD.as_bytes().to_vec();
    password.resize(64, 0);
    let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, &password);
    let grace = UserLuid(Uuid::from_u128(0x9ace));
    for (luid, name) in [(ADA, "ada"), (grace, "grace")] {
        memory.put(Row::User(User {
            luid,
            username: Username::parse(name).expect("a name"),
            full_name: String::new(),
            email: String::new(),
            disabled: false,
            access_epoch: epoch,
            credential_epoch: epoch,
            muted: patd_core::notice::Muted::default(),
            created_at: at,
            version,
        }));
        let digest = PhcDigest(format!("$plain$v=1$salt${digest}"));
        memory.put(Row::Password(Password { user: luid, digest, changed_at: at, version }));
    }
    let member = |site, user, role| {
        let (access_epoch, token_epoch, state) = (epoch, epoch, MemberState::Active);
        let member =
            Membership { site, user, role, state, access_epoch, token_epoch, created_at: at, version };
        memory.put(Row::Membership(member));
    };
    member(acme, ADA, SiteRole::SiteAdministratorCreator);
    member(globex, ADA, SiteRole::Viewer);
    member(acme, grace, SiteRole::Viewer);
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(limits()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        let memory = Arc::new(Memory::default());
        let wide = Attempts { free: 1000, first_delay: Span::seconds(1), max_delay: Span::seconds(1) };
        let opener = Arc::new(View(Arc::clone(&memory)));
        let sites = vec![plan("Acme"), plan("globex")];
        let service = Service::start(memory::parts(opener, sites, wide)).await.expect("the service starts");
        let site = |name| service.site(&SiteRef(name)).expect("a site");
        let (acme, globex) = (site("acme"), site("globex"));
        people(&memory, acme, globex);
        let http = Arc::new(Http {
            service: Arc::clone(&service),
            limits,
            trusted_proxies: Vec::new(),
            public_url: "http://patd.example".to_owned(),
            leak_keys: Vec::new(),
        });
        let listener = Listener::bind(&"127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let Ok(Listen::Tcp(address)) = listener.address() else { panic!("not TCP") };
        let stop = CancellationToken::new();
        let server = Server::public(Arc::clone(&http));
        let done = tokio::spawn(server.serve(vec![listener], stop.clone()));
        Self { service, http, address, stop, done, acme, globex }
    }

    /// Signs Ada in at acme; `interactive` or by password.
    pub(crate) async fn sign_in(&self, username: &str, interactive: bool) -> String {
        let body =
            json!({"site": "ACME", "username": username, "password": PASSWORD, "interactive": interactive});
        let answer = self.call("POST", "/v1/sessions", None, Some(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["credential"].as_str().expect("a credential").to_owned()
    }

    /// A JSON call.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        credential: Option<&str>,
        body: Option<&Value>,
    ) -> Reply {
        let credential = credential.map(|c| format!("Authorization: Bearer {c}\r\n")).unwrap_or_default();
        let body = body.map(Value::to_string);
        let (kind, body) = match body {
            Some(body) => ("Content-Type: application/json\r\n", body),
            None => ("", String::new()),
        };
        let length = body.len();
        self.send(&format!(
            "{method} {path} HTTP/1.1\r\nHost: patd\r\nConnection: close\r\n{credential}{kind}\
             Content-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    /// Sends these bytes and reads until the server closes.
    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let mut stream = self.connect().await;
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(bytes.as_ref()).await;
        Reply::read(&mut stream).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    /// Reads to the end of the connection; an answer without a status line has status 0.
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await.expect("the server hangs");
        // A reset after the answer: the server closed with input unread.
        drop(read);
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Self { status, head, body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// Checks that this is a whole problem of this status and type.
    pub(crate) fn problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let body = self.json();
        assert_eq!(body["type"], format!("urn:patd:problem:{name}"), "{body}");
        assert_eq!(body["status"], status);
        let id = self.header("x-request-id").expect("a request id");
        assert_eq!(body["instance"], format!("urn:uuid:{id}"));
    }
}
