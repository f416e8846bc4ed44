//! The story of a token, told over HTTP and checked line by line.
//!
//! A check that does not hold ends the story with what was expected and what came. Secrets are cut short on the
//! screen, because screens get shared.

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::evidence;
use crate::env::{Folder, interactive_session, state};
use crate::failure::Failure;
use crate::http::{Answer, Client};
use crate::interrupt::Interrupt;
use crate::out;

/// How long after its end a token may still be accepted before the demo calls that wrong.
const GRACE: Duration = Duration::from_secs(10);

/// A token as its owner holds it.
struct Minted {
    id: String,
    secret: String,
}

/// A session as a client holds it.
struct Session {
    id: String,
    credential: String,
    site: &'static str,
}

/// What the steps share.
struct Story<'a> {
    client: Client,
    state: &'a state::State,
    folder: &'a Folder,
    chapter: u32,
}

/// Tells the whole story.
pub(crate) fn tell(state: &state::State, folder: &Folder, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let mut story = Story { client: Client::new(&state.base_url), state, folder, chapter: 0 };
    let mut go_on = || if interrupt.came() { Err(Failure::new("interrupted")) } else { Ok(()) };
    let token = story.mint()?;
    story.only_the_hash_is_stored(&token)?;
    let first = story.sign_in(&token)?;
    let second = story.second_site_ends_the_first_session(&token, &first)?;
    go_on()?;
    story.mfa_user_is_refused_by_password()?;
    story.mfa_user_signs_in_by_token()?;
    go_on()?;
    story.admin_revokes(&token, &second)?;
    story.token_expires(&mut go_on)?;
    out::line("");
    out::line(format_args!("All {} chapters hold.", story.chapter));
    Ok(())
}

impl Story<'_> {
    fn mint(&mut self) -> Result<Minted, Failure> {
        self.chapter("A person mints a token for themself");
        let credential = self.interactive("member", "acme")?;
        told("member signed in at acme with the person present");
        let token = self.mint_at("acme", &credential, "demo")?;
        told(format_args!("minted \"demo\", id {}, secret {}", token.id, cut(&token.secret)));
        holds("the secret has patd's format", token.secret.starts_with("patd_") && token.secret.len() < 100)?;
        let list = self.client.get("/v1/sites/acme/tokens", Some(&credential))?.expect(200)?;
        let item = item(&list, &token.id)?;
        holds("the token is in its owner's list", item["name"] == "demo")?;
        holds("no list shows a secret again", !list.body.to_string().contains(&token.secret))?;
        self.sign_out(&credential)?;
        Ok(token)
    }

    fn only_the_hash_is_stored(&mut self, token: &Minted) -> Result<(), Failure> {
        self.chapter("Only a hash of the secret is stored");
        let files = evidence::files(self.folder.path())?;
        let random = token.secret.rsplit('_').next().and_then(|part| part.get(..43));
        let Some(random) = random else {
            return Err(Failure::new("the secret is shorter than patd's format says"));
        };
        for (path, bytes) in &files {
            if evidence::contains(bytes, &token.secret) || evidence::contains(bytes, random) {
                return Err(Failure::new(format!("the secret stands in {}", path.display())));
            }
        }
        told(format_args!(
            "ok: searched {} files of the daemon (databases, write-ahead logs, audit, log): the secret is in none",
            files.len()
        ));
        let Some(acme) = self.state.sites.get("acme") else {
            return Err(Failure::new("env.json has no site acme"));
        };
        let database = format!("{}.db", acme.luid);
        let digests: Vec<(String, String)> = files
            .iter()
            .filter_map(|(path, bytes)| {
                let name = path.file_name()?.to_str()?.to_owned();
                name.starts_with(&database).then_some((name, bytes))
            })
            .flat_map(|(name, bytes)| {
                evidence::digests(bytes, "pbkdf2-sha256")
                    .into_iter()
                    .map(move |digest| (name.clone(), digest))
            })
            .collect();
        let Some((name, digest)) = digests.first() else {
            return Err(Failure::new(format!(
                "no $pbkdf2-sha256$ digest in {database} or its write-ahead log"
            )));
        };
        told(format_args!("ok: what is stored instead (sites/{name}):"));
        told(format_args!("    {digest}"));
        Ok(())
    }

    fn sign_in(&mut self, token: &Minted) -> Result<Session, Failure> {
        self.chapter("A script signs in with the token");
        let answer = self.sign_in_by_token("acme", token)?.expect(201)?;
        equal("nothing was superseded", &answer.body["superseded"], &Value::Null)?;
        let session = session(&answer, "acme")?;
        self.accepted(&session, "member")?;
        Ok(session)
    }

    fn second_site_ends_the_first_session(
        &mut self,
        token: &Minted,
        first: &Session,
    ) -> Result<Session, Failure> {
        self.chapter("The same token signs in at a second site; that ends the first session");
        let answer = self.sign_in_by_token("globex", token)?.expect(201)?;
        equal(
            "the answer names the session that it ended",
            &answer.body["superseded"]["session_id"],
            &json!(first.id),
        )?;
        let second = session(&answer, "globex")?;
        let refused = self.verify(first)?.expect_problem(401, "session-superseded")?;
        equal("the refusal names the successor", &refused.body["successor"], &json!(second.id))?;
        told(format_args!("ok: the first session now gets {}", refused.shown()));
        self.accepted(&second, "member")?;
        Ok(second)
    }

    fn mfa_user_is_refused_by_password(&mut self) -> Result<(), Failure> {
        self.chapter("A person with a second factor cannot sign a script in by password");
        let user = self.user("mfa-member")?;
        let body = json!({ "site": "acme", "username": user.username, "password": user.password });
        let refused = self
            .client
            .post("/v1/sessions", None, &body)?
            .expect_problem(403, "password-not-allowed-with-mfa")?;
        told(format_args!("ok: {}", refused.shown()));
        Ok(())
    }

    fn mfa_user_signs_in_by_token(&mut self) -> Result<(), Failure> {
        self.chapter("The same person mints with the code, and the script signs in by token");
        let credential = self.interactive("mfa-member", "acme")?;
        told("mfa-member signed in with password and TOTP code");
        let token = self.mint_at("acme", &credential, "robot")?;
        self.sign_out(&credential)?;
        let session = session(&self.sign_in_by_token("acme", &token)?.expect(201)?, "acme")?;
        self.accepted(&session, "mfa-member")
    }

    fn admin_revokes(&mut self, token: &Minted, session: &Session) -> Result<(), Failure> {
        self.chapter("A site admin revokes the token");
        let credential = self.interactive("acme-admin", "acme")?;
        let list = self.client.get("/v1/sites/acme/tokens?owner=all", Some(&credential))?.expect(200)?;
        equal(
            "the admin sees whose token it is",
            &item(&list, &token.id)?["owner"]["username"],
            &json!("member"),
        )?;
        holds("but no secret", !list.body.to_string().contains(&token.secret))?;
        self.client.delete(&format!("/v1/sites/acme/tokens/{}", token.id), &credential)?.expect(204)?;
        told("acme-admin revoked it");
        let refused = self.verify(session)?.expect_problem(401, "session-revoked")?;
        told(format_args!("ok: its session at {} gets {}", session.site, refused.shown()));
        let refused = self.sign_in_by_token("acme", token)?.expect_problem(401, "token-revoked")?;
        told(format_args!("ok: the token gets {}", refused.shown()));
        self.sign_out(&credential)
    }

    fn token_expires(&mut self, go_on: &mut dyn FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
        self.chapter("A token ends by time (the site \"brief\" allows four seconds)");
        let credential = self.interactive("member", "brief")?;
        let token = self.mint_at("brief", &credential, "short")?;
        let session = session(&self.sign_in_by_token("brief", &token)?.expect(201)?, "brief")?;
        self.accepted(&session, "member")?;
        let started = Instant::now();
        while self.verify(&session)?.status == 204 {
            go_on()?;
            if started.elapsed() > Duration::from_secs(4) + GRACE {
                return Err(Failure::new("the session outlives its token: still accepted after its end"));
            }
            sleep(Duration::from_millis(50));
        }
        let refused = self.verify(&session)?.expect_problem(401, "session-expired")?;
        let waited = started.elapsed().as_secs_f32();
        told(format_args!("ok: after {waited:.1} s the session gets {}", refused.shown()));
        let refused =
            self.sign_in_by_token("brief", &token)?.expect_problem(401, "token-expired-absolute")?;
        told(format_args!("ok: the token gets {}", refused.shown()));
        let list = self.client.get("/v1/sites/brief/tokens", Some(&credential))?.expect(200)?;
        holds("an expired token is not listed", item(&list, &token.id).is_err())?;
        self.sign_out(&credential)
    }

    fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        out::line("");
        out::heading(format_args!("{}. {title}", self.chapter));
    }

    fn user(&self, key: &str) -> Result<&state::User, Failure> {
        self.state.users.get(key).ok_or_else(|| Failure::new(format!("env.json has no account {key}")))
    }

    fn interactive(&self, key: &str, site: &str) -> Result<String, Failure> {
        interactive_session(&self.client, self.user(key)?, site)
    }

    fn mint_at(&self, site: &str, credential: &str, name: &str) -> Result<Minted, Failure> {
        let path = format!("/v1/sites/{site}/tokens");
        let answer = self.client.post(&path, Some(credential), &json!({ "name": name }))?.expect(201)?;
        Ok(Minted { id: answer.text("/id")?, secret: answer.text("/secret")? })
    }

    fn sign_in_by_token(&self, site: &str, token: &Minted) -> Result<Answer, Failure> {
        self.client.post("/v1/sessions", None, &json!({ "site": site, "token_secret": token.secret }))
    }

    fn sign_out(&self, credential: &str) -> Result<(), Failure> {
        self.client.delete("/v1/sessions/current", credential)?.expect(204).map(drop)
    }

    fn verify(&self, session: &Session) -> Result<Answer, Failure> {
        self.client.get(&format!("/v1/sites/{}/verify", session.site), Some(&session.credential))
    }

    /// The site's own server asks whether the session is good and for whom.
    fn accepted(&self, session: &Session, username: &str) -> Result<(), Failure> {
        let answer = self.verify(session)?.expect(204)?;
        equal("verify says who it is", &answer.header("x-patd-user"), &username)?;
        told(format_args!(
            "ok: GET /v1/sites/{}/verify: 204, X-Patd-User: {username}, X-Patd-Site-Role: {}",
            session.site,
            answer.header("x-patd-site-role")
        ));
        Ok(())
    }
}

fn session(answer: &Answer, site: &'static str) -> Result<Session, Failure> {
    let session = Session { id: answer.text("/session/id")?, credential: answer.text("/credential")?, site };
    told(format_args!("ok: signed in at {site}: session {}", session.id));
    Ok(session)
}

fn item<'a>(list: &'a Answer, id: &str) -> Result<&'a Value, Failure> {
    let items = list.body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .find(|item| item["id"] == id)
        .ok_or_else(|| Failure::new(format!("the token {id} is not in the list")))
}

fn told(text: impl Display) {
    out::line(format_args!("   {text}"));
}

fn holds(what: &str, fact: bool) -> Result<(), Failure> {
    equal(what, &fact, &true)
}

fn equal<T: PartialEq + Display>(what: &str, found: &T, expected: &T) -> Result<(), Failure> {
    if found != expected {
        return Err(Failure::new(format!("{what}: expected {expected}, found {found}")));
    }
    told(format_args!("ok: {what}"));
    Ok(())
}

/// The beginning of a secret: home number and some of the id.
fn cut(secret: &str) -> String {
    format!("{}…", secret.get(..12).unwrap_or_default())
}
