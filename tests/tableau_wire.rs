//! The Tableau surface on the wire: request shapes of clients that are not run here, formats, refusals of hostile
//! requests, and the exact bytes where strangers must not tell two cases apart.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::{Daemon, Facts, client, interactive, sample};

struct Surface {
    daemon: Daemon,
    facts: Facts,
    http: reqwest::Client,
}

/// An answer, read whole.
struct Answer {
    status: u16,
    content_type: Option<String>,
    no_store: bool,
    body: String,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (content_type, cache) = (header("content-type"), header("cache-control"));
        let status = response.status().as_u16();
        let body = response.text().await.expect("a body");
        Self { status, content_type, no_store: cache.as_deref() == Some("no-store"), body }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The error's code, after checks of everything that clients need of an error, in either format.
    fn code(&self) -> String {
        assert!(self.no_store, "an answer may be cached: {}", self.body);
        let (code, summary, detail) = if self.body.starts_with('{') {
            let error = &self.json()["error"];
            let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            (text("code"), text("summary"), text("detail"))
        } else {
            assert!(self.body.starts_with("<?xml"), "{}", self.body);
            assert!(self.body.contains("<tsResponse xmlns=\"http://tableau.com/api\""), "{}", self.body);
            let between = |from: &str, to: &str| {
                let rest = self.body.split_once(from).map(|(_, rest)| rest).unwrap_or_default();
                rest.split_once(to).map(|(text, _)| text.to_owned()).unwrap_or_default()
            };
            (between(" code=\"", "\""), between("<summary>", "</"), between("<detail>", "</"))
        };
        assert!(!summary.is_empty() && !detail.is_empty(), "{}", self.body);
        assert_eq!(code.get(..3), Some(self.status.to_string().as_str()), "{}", self.body);
        code
    }
}

impl Surface {
    async fn start() -> Self {
        let daemon = Daemon::start("").await;
        let facts = sample(&daemon).await;
        Self { daemon, facts, http: client() }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.daemon.base_url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.body(body.into()).send().await.expect("an answer")).await
    }

    async fn sign_in(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        self.send(Method::POST, "/api/2.4/auth/signin", headers, body).await
    }

    fn pat_xml(&self, root: &str) -> String {
        let (name, secret) =
            (self.facts.text("/tokens/member/name"), self.facts.text("/tokens/member/secret"));
        let end = root.split_whitespace().next().unwrap_or_default();
        format!(
            "<{root}><credentials personalAccessTokenName=\"{name}\" personalAccessTokenSecret=\"{secret}\">\
             <site contentUrl=\"acme\"/></credentials></{end}>"
        )
    }

    fn pat_json(&self, further: Value) -> String {
        let mut credentials = json!({
            "personalAccessTokenName": self.facts.text("/tokens/member/name"),
            "personalAccessTokenSecret": self.facts.text("/tokens/member/secret"),
            "site": {"contentUrl": "acme"},
        });
        if let (Some(members), Some(more)) = (credentials.as_object_mut(), further.as_object()) {
            members.extend(more.clone());
        }
        json!({"credentials": credentials}).to_string()
    }

    async fn session(&self) -> String {
        let answer = self.sign_in(&[("accept", "application/json")], self.pat_json(json!({}))).await;
        answer.json()["credentials"]["token"].as_str().expect("a session").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_clients_shape_signs_in_whatever_its_content_type_says() {
    let surface = Surface::start().await;
    let luid = surface.facts.text("/sites/acme/luid").to_owned();
    for (headers, body) in [
        (&[][..], surface.pat_xml("tsRequest")),
        (&[("content-type", "text/xml")], surface.pat_xml("tsRequest xmlns=\"http://tableau.com/api\"")),
        (
            &[("content-type", "application/xml")],
            surface.pat_xml("ns0:tsRequest xmlns:ns0=\"http://tableau.com/api\""),
        ),
        (&[("content-type", "application/x-www-form-urlencoded")], surface.pat_xml("tsRequest")),
        (&[("content-type", "application/json")], surface.pat_json(json!({"user": {"id": null}}))),
        (&[("content-type", "text/xml")], surface.pat_json(json!({"later": [{"a": 1}]}))),
        (&[("x-tableau-auth", "a dead session")], surface.pat_json(json!({}))),
    ] {
        let answer = surface.sign_in(headers, body.clone()).await;
        assert_eq!((answer.status, answer.no_store), (200, true), "{headers:?} {}", answer.body);
        assert_eq!(answer.content_type.as_deref(), Some("application/xml;charset=UTF-8"));
        assert!(
            answer.body.contains(&format!("<site id=\"{luid}\" contentUrl=\"Acme\"/>")),
            "{}",
            answer.body
        );
        let accept = [headers, &[("accept", "application/json, text/plain, */*")]].concat();
        let answer = surface.sign_in(&accept, body).await;
        assert_eq!(answer.content_type.as_deref(), Some("application/json;charset=UTF-8"));
        assert_eq!(answer.json()["credentials"]["site"], json!({"id": luid, "contentUrl": "Acme"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_info_needs_nothing_and_ignores_a_dead_session() {
    let surface = Surface::start().await;
    for (path, headers) in [
        ("/api/2.4/serverInfo", &[][..]),
        ("/api/3.27/serverinfo?format=x", &[("x-tableau-auth", "garbage")]),
        ("/API/2.0/SERVERINFO", &[("content-type", "application/json")]),
    ] {
        let answer = surface.send(Method::GET, path, headers, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains("<restApiVersion>3.27</restApiVersion>"), "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_has_the_surfaces_error_body_in_both_formats() {
    let surface = Surface::start().await;
    let laughs = "<!DOCTYPE t [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><tsRequest>&b;</tsRequest>";
    let signin = "/api/3.27/auth/signin";
    let gzip = [("content-encoding", "gzip")];
    for (method, path, headers, body, code) in [
        (Method::GET, "/api/3.28/serverInfo", &[][..], Vec::new(), "404003"),
        (Method::GET, "/api/99.0/auth/signin", &[], Vec::new(), "404003"),
        (Method::GET, "/api/", &[], Vec::new(), "404003"),
        (Method::GET, "/api/3.27/nothing", &[], Vec::new(), "404003"),
        (Method::GET, "/api/3.27/auth%2fsignin", &[], Vec::new(), "404003"),
        (Method::GET, signin, &[], Vec::new(), "405000"),
        (Method::PATCH, signin, &[], Vec::new(), "405000"),
        (Method::POST, signin, &[], Vec::new(), "400000"),
        (Method::POST, signin, &[], b"<tsRequest>".to_vec(), "400000"),
        (Method::POST, signin, &[], b"<tsRequest a='\xff'/>".to_vec(), "400000"),
        (Method::POST, signin, &[], laughs.as_bytes().to_vec(), "400000"),
        (Method::POST, signin, &[], "<a>".repeat(10_000).into_bytes(), "400000"),
        (Method::POST, signin, &[], "{\"a\":".repeat(10_000).into_bytes(), "400000"),
        (Method::POST, signin, &[], b"{\"credentials\":{}}".to_vec(), "400000"),
        (Method::POST, signin, &[], vec![b' '; 1 << 20], "413000"),
        (Method::POST, signin, &gzip, b"\x1f\x8b".to_vec(), "415000"),
        (Method::GET, "/api/3.27/sessions/current", &[], Vec::new(), "401000"),
        (Method::POST, "/api/3.27/auth/signout", &[("x-tableau-auth", "x")], Vec::new(), "401002"),
        (Method::POST, "/api/3.27/auth/switchSite", &[("authorization", "Bearer x")], Vec::new(), "401002"),
    ] {
        for accept in ["*/*", "application/json"] {
            let headers = [headers, &[("accept", accept)]].concat();
            let answer = surface.send(method.clone(), path, &headers, body.clone()).await;
            assert_eq!(answer.code(), code, "{method} {path}: {}", answer.body);
            assert_eq!(answer.body.starts_with('{'), accept == "application/json", "{}", answer.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_tell_one_refusal_from_another() {
    let surface = Surface::start().await;
    let secret = surface.facts.text("/tokens/member/secret");
    let (head, tail) = secret.split_at(secret.len() - 1);
    let changed = format!("{head}{}", if tail == "a" { "b" } else { "a" });
    let pat = |name: &str, secret: &str, site: Value| json!({"credentials": {"personalAccessTokenName": name, "personalAccessTokenSecret": secret, "site": site}});
    let password = |name: &str| json!({"credentials": {"name": name, "password": "wrong", "site": {"contentUrl": "acme"}}});
    let mut bodies = std::collections::HashSet::new();
    for body in [
        pat("sample", &changed, json!({"contentUrl": "acme"})),
        pat("sample", "rubbish", json!({"contentUrl": "acme"})),
        pat("another", secret, json!({"contentUrl": "acme"})),
        pat("sample", secret, json!({"contentUrl": "nowhere"})),
        pat("sample", secret, json!({})),
        pat("sample", secret, Value::Null),
        password("member"),
        password("globex-admin"),
        password("nobody"),
    ] {
        let answer = surface.sign_in(&[("accept", "application/json")], body.to_string()).await;
        assert_eq!(answer.code(), "401001", "{body}");
        bodies.insert(answer.body);
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_an_interactive_session_is_refused_on_every_route() {
    let surface = Surface::start().await;
    let credential = interactive(&surface.daemon, &surface.facts.0["users"]["member"], "acme").await;
    let routes = surface.daemon.patd(&["routes"]);
    let (site, user) = (surface.facts.text("/sites/acme/luid"), surface.facts.text("/users/member/luid"));
    let mut tried = 0;
    for route in routes["tableau"].as_array().expect("the surface's routes") {
        let text = |name: &str| route[name].as_str().unwrap_or_else(|| panic!("no {name} in {route}"));
        if text("access") == "anyone" {
            continue;
        }
        let path = text("path").replace("{version}", "3.27").replace("{site}", site).replace("{user}", user);
        let method = Method::from_bytes(text("method").as_bytes()).expect("a method");
        let answer = surface.send(method, &path, &[("x-tableau-auth", &credential)], "").await;
        assert_eq!(answer.code(), "401002", "{route}");
        tried += 1;
    }
    assert!(tried > 10, "only {tried} routes were tried");
    let url = format!("{}/v1/sessions/current", surface.daemon.base_url);
    let alive = surface.http.get(url).bearer_auth(&credential).send().await.expect("an answer");
    assert_eq!(alive.status(), 200, "and it is none the worse for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_that_differ_are_refused_and_the_query_string_is_no_place_for_one() {
    let surface = Surface::start().await;
    let session = surface.session().await;
    let path = "/api/3.27/sessions/current";
    let bearer = format!("Bearer {session}");
    let good = surface
        .send(Method::GET, path, &[("X-TABLEAU-AUTH", &session), ("authorization", &bearer)], "")
        .await;
    assert_eq!(good.status, 200, "{}", good.body);
    let differ = [("x-tableau-auth", session.as_str()), ("authorization", "Bearer other")];
    assert_eq!(surface.send(Method::GET, path, &differ, "").await.code(), "401002");
    let in_query = format!("{path}?X-Tableau-Auth={}&token={0}", session.replace('|', "%7C"));
    assert_eq!(surface.send(Method::GET, &in_query, &[], "").await.code(), "401000");
    assert!(!surface.daemon.log().contains(session.split('|').nth(1).expect("a secret part")));
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_is_empty_and_untyped_even_for_json_clients() {
    let surface = Surface::start().await;
    let session = surface.session().await;
    let headers = [
        ("x-tableau-auth", session.as_str()),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    ];
    let path = "/api/3.27/auth/signout?pageNumber=1";
    let answer = surface.send(Method::POST, path, &headers, "").await;
    assert_eq!((answer.status, answer.content_type, answer.body.as_str()), (204, None, ""));
    let again = surface.send(Method::POST, path, &headers, "").await;
    assert_eq!(again.code(), "401002");
    assert!(again.body.contains("session-signed-out"), "{}", again.body);
}
