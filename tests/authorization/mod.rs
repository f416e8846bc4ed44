//! Who may call what: every route that the daemon prints × everybody who could call it, on the real daemon.
//!
//! The answers are the data in `table.rs`. Each cell has a caller, a session and objects of its own, so no request
//! depends on another. A route without a row fails, and so does a row without a route.

mod table;

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::harness::{Answer, Kind, PASSWORD, Person, Stage, totp_code};
use table::{Given, Row, TABLE, Target};

/// Cells that are asked side by side.
const AT_ONCE: usize = 8;
const KINDS: [Kind; 3] = [Kind::Token, Kind::Password, Kind::Interactive];

/// The role of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Member,
    Admin,
    OtherAdmin,
}

impl Role {
    fn site(self) -> &'static str {
        if self == Self::OtherAdmin { "globex" } else { "acme" }
    }

    fn name(self) -> &'static str {
        if self == Self::Member { "Creator" } else { "SiteAdministratorCreator" }
    }
}

/// One caller of one row.
#[derive(Clone, Copy)]
struct Cell {
    row: &'static Row,
    caller: Option<(Role, Kind)>,
    expected: &'static str,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for row in TABLE {
        cells.push(Cell { row, caller: None, expected: row.nobody });
        for (role, answers) in
            [(Role::Member, row.member), (Role::Admin, row.admin), (Role::OtherAdmin, row.other_admin)]
        {
            for (kind, expected) in KINDS.into_iter().zip(answers) {
                cells.push(Cell { row, caller: Some((role, kind)), expected });
            }
        }
    }
    cells
}

/// What rows are filled with besides fresh objects.
struct Scene {
    stage: Stage,
    acme: String,
    site_credential: (String, String),
}

impl Scene {
    async fn ask(&self, cell: Cell) -> Answer {
        let row = cell.row;
        let stage = &self.stage;
        let (role, kind) = cell.caller.unwrap_or((Role::Member, Kind::Password));
        let caller = stage.person(role.site(), role.name()).await;
        if row.given == Given::BothSites {
            let elsewhere = if role.site() == "acme" { "globex" } else { "acme" };
            stage.join(&caller.username, elsewhere, "Viewer").await;
        }
        let credential = match cell.caller {
            Some(_) => Some(stage.session(&caller, role.site(), kind).await),
            None => None,
        };
        let own = row.target == Target::Own && cell.caller.is_some();
        let target = if own { caller.clone() } else { stage.person("acme", "Creator").await };
        let code = self.code(row.given, credential.as_deref().filter(|_| kind == Kind::Interactive)).await;
        let path = self.path(row.request, &target, if own { role.site() } else { "acme" }).await;
        let body = self.body(row.body, &target, &code).await;
        let (method, path) = path.split_once(' ').expect("a method and a path");
        if path.ends_with("/introspect") {
            return self.introspect(path, row, credential.as_deref(), body).await;
        }
        let body: Option<Value> =
            (!body.is_empty()).then(|| serde_json::from_str(&body).expect("a row's body is JSON"));
        stage.call(method, path, credential.as_deref(), body.as_ref()).await
    }

    async fn introspect(&self, path: &str, row: &Row, session: Option<&str>, form: String) -> Answer {
        let mut request = self.stage.request("POST", path).body(form);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        if let Some(session) = session {
            request = request.header("x-tableau-auth", session);
        }
        if row.given == Given::SiteCredential {
            let (id, secret) = &self.site_credential;
            request = request.basic_auth(id, Some(secret));
        }
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// A one-time code of the caller, where the row needs one. Only a person who is present has one: enrolment ends
    /// the person's password sessions.
    async fn code(&self, given: Given, session: Option<&str>) -> String {
        match (given, session) {
            (Given::TotpBegun, Some(session)) => totp_code(&self.stage.begin_totp(session).await),
            (Given::TotpEnrolled, Some(session)) => {
                let (_, recovery) = self.stage.enrol(session).await;
                recovery.into_iter().next().expect("a recovery code")
            }
            _ => "123456".to_owned(),
        }
    }

    async fn path(&self, template: &str, target: &Person, home: &str) -> String {
        // The native API takes either spelling of a site, the Tableau surface its LUID.
        let site = if template.contains("/v1/") { "ACME" } else { &self.acme };
        let mut path = template
            .replace("{site}", site)
            .replace("{version}", "3.27")
            .replace("{luid}", &target.luid)
            .replace("{user}", &target.luid);
        if path.contains("{id}") || path.contains("{token}") {
            let token = self.stage.mint(target, home).await;
            path = path.replace("{id}", &token.id).replace("{token}", &token.id);
        }
        path
    }

    async fn body(&self, template: &str, target: &Person, code: &str) -> String {
        let mut body = template
            .replace("$target", &target.username)
            .replace("$password", PASSWORD)
            .replace("$fresh", &self.stage.fresh_name())
            .replace("$code", code);
        if body.contains("$token_secret") {
            let token = self.stage.mint(target, "acme").await;
            body = body.replace("$token_secret", &token.secret).replace("$token_name", &token.name);
        }
        if body.contains("$session") {
            body = body.replace("$session", &self.stage.session(target, "acme", Kind::Password).await);
        }
        if body.contains("$invitation") {
            let invited = self.stage.invite(&self.stage.fresh_name(), "acme", "Viewer").await.expect(201);
            body = body.replace("$invitation", &invited.at("/invitation"));
        }
        body
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_caller_as_the_table_says() {
    let stage = Stage::start("").await;
    let (acme, site_credential) = (stage.luid("acme"), stage.site_credential("acme"));
    let scene = &Scene { stage, acme, site_credential };
    let wrong: Vec<String> = stream::iter(cells())
        .map(|cell| async move {
            let answer = scene.ask(cell).await;
            let Cell { row, caller, expected } = cell;
            (answer.to_string() != expected).then(|| {
                let whose = row.target;
                format!("{} ({whose:?}) {caller:?}: {answer}, not {expected}: {}", row.request, answer.text)
            })
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_exactly_the_routes_that_the_daemon_prints() {
    let printed = Stage::start("").await.daemon.patd(&["routes"]);
    let mut routes = BTreeSet::new();
    for surface in ["native", "tableau"] {
        for route in printed[surface].as_array().expect("a list of routes") {
            let text = |name: &str| route[name].as_str().expect("text").to_owned();
            assert!(routes.insert(format!("{} {}", text("method"), text("path"))), "{route} is there twice");
        }
    }
    let plain = |row: &Row| row.request.split_once('?').map_or(row.request, |(path, _)| path).to_owned();
    let rows: BTreeSet<String> = TABLE.iter().map(plain).collect();
    let without_row: Vec<_> = routes.difference(&rows).collect();
    assert!(without_row.is_empty(), "routes without a row: {without_row:?}");
    let without_route: Vec<_> = rows.difference(&routes).collect();
    assert!(without_route.is_empty(), "rows without a route: {without_route:?}");
}

/// What a session of one site is told of another site is what it is told of a site that does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn r8_another_site_answers_as_one_that_does_not_exist() {
    let stage = Stage::start("").await;
    let admin = stage.admin("globex");
    let target = stage.person("acme", "Creator").await;
    let token = stage.mint(&target, "acme").await;
    for row in TABLE.iter().filter(|row| row.request.contains("/v1/sites/{site}")) {
        if row.request.contains("introspect") || row.request.contains("verify") {
            continue;
        }
        let (method, path) = row.request.split_once(' ').expect("a method and a path");
        let path = path.replace("{luid}", &target.luid).replace("{id}", &token.id);
        let body = (!row.body.is_empty()).then(|| json!({}));
        let mut answers = Vec::new();
        for site in ["acme", "Acme", "no-such-site", "00000000-0000-4000-8000-000000000000"] {
            let answer = stage.call(method, &path.replace("{site}", site), Some(admin), body.as_ref()).await;
            answers.push(answer.refused("404 not-found").without_request_id());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{}: {answers:?}", row.request);
    }
}
