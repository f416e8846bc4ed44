//! Who may call what: every route of both surfaces × every kind of caller, as data ([`table`]).
//!
//! A route that `patd routes` prints and that has no row fails the test, and so does a row without a route. Each cell gets
//! people, tokens and sessions of its own, so that the order does not matter.

mod table;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Daemon, Facts, client, interactive, sample};
use table::{NATIVE, Row, TABLEAU};

/// The callers, in the order of a row's columns. `Yourself` is the person that the path names; the others are somebody else.
/// On the native API `Member`, `Admin`, `OtherAdmin` and `Yourself` hold interactive sessions; on the Tableau surface,
/// which takes none, password sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    Member,
    Admin,
    OtherAdmin,
    /// A token session of an admin of this site.
    Token,
    /// A password session of an admin of this site.
    Password,
    /// An interactive session of an admin of this site on the Tableau surface, of the person named on the native API.
    Interactive,
}

const CALLERS: [Who; 7] =
    [Who::Nobody, Who::Member, Who::Admin, Who::OtherAdmin, Who::Token, Who::Password, Who::Interactive];

/// What a cell's request is made with.
struct Cast {
    /// The caller's credential.
    credential: Option<String>,
    /// The person that the path names.
    luid: String,
    /// That person's token.
    token: String,
    secret: String,
}

struct Stage<'a> {
    daemon: &'a Daemon,
    facts: &'a Facts,
    acme_admin: String,
    globex_admin: String,
    people: u32,
}

impl Stage<'_> {
    async fn post(&self, path: &str, credential: Option<&str>, body: &Value) -> Value {
        let mut request = client().post(format!("{}{path}", self.daemon.base_url)).json(body);
        if let Some(credential) = credential {
            request = request.bearer_auth(credential);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON");
        assert!(status.is_success(), "POST {path}: {status} {body}");
        body
    }

    /// A new person in a site: user name and LUID.
    async fn person(&mut self, site: &str, role: &str) -> (String, String) {
        self.people += 1;
        let username = format!("person-{}", self.people);
        let admin = if site == "acme" { &self.acme_admin } else { &self.globex_admin };
        let body = json!({"username": username, "site_role": role});
        let invited = self.post(&format!("/v1/sites/{site}/users"), Some(admin), &body).await;
        let redeem = json!({"invitation": invited["invitation"], "password": "a long password"});
        self.post("/v1/invitations/redeem", None, &redeem).await;
        (username, invited["luid"].as_str().expect("a LUID").to_owned())
    }

    async fn session(&self, site: &str, username: &str, interactive: bool) -> String {
        let body = json!({
            "site": site, "username": username, "password": "a long password", "interactive": interactive,
        });
        let signed_in = self.post("/v1/sessions", None, &body).await;
        signed_in["credential"].as_str().expect("a credential").to_owned()
    }

    async fn mint(&self, username: &str) -> (String, String) {
        let session = self.session("acme", username, true).await;
        let minted = self.post("/v1/sites/acme/tokens", Some(&session), &json!({"name": "cell"})).await;
        let text = |name: &str| minted[name].as_str().expect("text").to_owned();
        (text("id"), text("secret"))
    }

    async fn cast(&mut self, who: Who, tableau: bool) -> Cast {
        let (named, luid) = self.person("acme", "Explorer").await;
        let (token, secret) = self.mint(&named).await;
        let in_person = !tableau;
        let credential = match who {
            Who::Nobody => None,
            Who::Member => {
                let (name, _) = self.person("acme", "Explorer").await;
                Some(self.session("acme", &name, in_person).await)
            }
            Who::OtherAdmin => {
                let (name, _) = self.person("globex", "SiteAdministratorCreator").await;
                Some(self.session("globex", &name, in_person).await)
            }
            Who::Interactive if !tableau => Some(self.session("acme", &named, true).await),
            Who::Admin | Who::Token | Who::Password | Who::Interactive => {
                let (name, _) = self.person("acme", "SiteAdministratorExplorer").await;
                Some(match who {
                    Who::Token => {
                        let (_, secret) = self.mint(&name).await;
                        let body = json!({"site": "acme", "token_secret": secret});
                        let signed_in = self.post("/v1/sessions", None, &body).await;
                        signed_in["credential"].as_str().expect("a credential").to_owned()
                    }
                    Who::Admin => self.session("acme", &name, in_person).await,
                    _ => self.session("acme", &name, who == Who::Interactive).await,
                })
            }
        };
        Cast { credential, luid, token, secret }
    }

    /// Makes a cell's request; answers `status` or `status name`, the name being the problem's or Tableau's code.
    async fn ask(&mut self, row: &Row, who: Who, tableau: bool) -> String {
        let cast = self.cast(who, tableau).await;
        let site = if tableau { self.facts.text("/sites/acme/luid") } else { "acme" };
        let fill = |text: &str| {
            text.replace("{version}", "3.27")
                .replace("{site}", site)
                .replace("{luid}", &cast.luid)
                .replace("{user}", &cast.luid)
                .replace("{id}", &cast.token)
                .replace("{token}", &cast.token)
                .replace("{secret}", &cast.secret)
                .replace("{fresh}", &format!("fresh-{}", self.people))
        };
        let method: Method = row.method.parse().expect("a method");
        let mut request = client().request(method, format!("{}{}", self.daemon.base_url, fill(row.path)));
        if let Some(credential) = &cast.credential {
            request = request.header("X-Tableau-Auth", credential);
        }
        if !row.body.is_empty() {
            let kind = if row.body.starts_with('{') { "application/json" } else { FORM };
            request = request.header("Content-Type", kind).body(fill(row.body));
        }
        if tableau {
            request = request.header("Accept", "application/json");
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let name = body["type"]
            .as_str()
            .and_then(|t| t.strip_prefix("urn:patd:problem:"))
            .or_else(|| body["error"]["code"].as_str());
        name.map_or_else(|| status.to_string(), |name| format!("{status} {name}"))
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn printed(routes: &Value, surface: &str) -> BTreeSet<String> {
    let rows = routes[surface].as_array().expect("routes");
    let text = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
    rows.iter().map(|row| format!("{} {}", text(row, "method"), text(row, "path"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_every_caller_as_the_table_says() {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    let routes = daemon.patd(&["routes"]);
    for (surface, rows) in [("native", NATIVE), ("tableau", TABLEAU)] {
        let in_table: BTreeSet<_> = rows.iter().map(|row| format!("{} {}", row.method, row.path)).collect();
        assert_eq!(
            in_table,
            printed(&routes, surface),
            "rows of the {surface} table and routes of the daemon"
        );
        assert_eq!(in_table.len(), rows.len(), "each {surface} route has one row");
    }
    let user = |name: &str| facts.0["users"][name].clone();
    let acme_admin = interactive(&daemon, &user("acme-admin"), "acme").await;
    let globex_admin = interactive(&daemon, &user("globex-admin"), "globex").await;
    let mut stage = Stage { daemon: &daemon, facts: &facts, acme_admin, globex_admin, people: 0 };
    let mut wrong = Vec::new();
    for (rows, tableau) in [(NATIVE, false), (TABLEAU, true)] {
        for row in rows {
            for (who, expected) in CALLERS.into_iter().zip(row.answers) {
                let found = stage.ask(row, who, tableau).await;
                if found != expected {
                    wrong.push(format!(
                        "{} {} {who:?}: expected {expected}, found {found}",
                        row.method, row.path
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells differ:\n{}", wrong.len(), wrong.join("\n"));
}
