//! Filling a fresh daemon with sample accounts the way an operator and the invited people would.
//!
//! The operator's command prints a one-time invitation, the person redeems it with a password over HTTP, enrols TOTP
//! and mints tokens in an interactive session. Nothing is written behind the daemon's back. Each step is saved as
//! soon as it is done, so an interrupted bootstrap goes on.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::distr::{Alphanumeric, SampleString};
use serde_json::{Value, json};

use super::Folder;
use super::plan::{self, Plan};
use super::state::{Site, State, Token, User};
use crate::command::shown;
use crate::failure::{Context, Failure};
use crate::http::{Answer, Client};
use crate::out;

/// How long a TOTP code is shown.
const TOTP_STEP: Duration = Duration::from_secs(30);

/// Adds what the plan names and the environment does not have.
pub(crate) fn run(folder: &Folder, plan: &Plan, state: &mut State) -> Result<(), Failure> {
    folder.save_state(state)?;
    let client = Client::new(&state.base_url);
    for user in plan.users {
        ensure_user(folder, &client, state, user)?;
    }
    for site in plan.sites {
        ensure_site(folder, &client, plan, state, site)?;
    }
    for token in plan.tokens {
        ensure_token(folder, &client, state, token)?;
    }
    Ok(())
}

/// Signs a sample account in with the person present; the account's TOTP code goes along where there is one.
///
/// A code works once. Where the current one is spent, the next one is tried, and then its time is awaited.
pub(crate) fn interactive_session(client: &Client, user: &User, site: &str) -> Result<String, Failure> {
    let mut body = sign_in_body(user, site);
    body["interactive"] = Value::Bool(true);
    let Some(secret) = &user.totp_secret else {
        return client.post("/v1/sessions", None, &body)?.expect(201)?.text("/credential");
    };
    let deadline = Instant::now() + TOTP_STEP + Duration::from_secs(5);
    loop {
        for ahead in [Duration::ZERO, TOTP_STEP] {
            let code = totp_code(secret, ahead)?;
            body["totp"] = Value::String(code.clone());
            let answer = client.post("/v1/sessions", None, &body)?;
            let spent = answer.status == 401 && answer.is_problem("credentials-rejected");
            if !spent || Instant::now() > deadline {
                return answer.expect(201)?.text("/credential");
            }
        }
        let spent = totp_code(secret, Duration::ZERO)?;
        out::step("waiting for the next TOTP code, because each works once");
        while totp_code(secret, Duration::ZERO)? == spent && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The code that an authenticator application shows now, or shows later.
fn totp_code(secret: &str, ahead: Duration) -> Result<String, Failure> {
    let secret = totp_rs::Secret::try_from_base32(secret)
        .map_err(|_| Failure::new("the TOTP secret is not base32"))?;
    let totp = totp_rs::Builder::new()
        .with_secret(secret)
        .build()
        .map_err(|_| Failure::new("the TOTP secret is too short"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(totp.generate((now + ahead).as_secs()).to_string())
}

fn sign_in_body(user: &User, site: &str) -> Value {
    json!({ "site": site, "username": user.username, "password": user.password })
}

fn ensure_user(
    folder: &Folder,
    client: &Client,
    state: &mut State,
    planned: &plan::User,
) -> Result<(), Failure> {
    let mut user = match state.users.get(planned.username) {
        Some(user) => user.clone(),
        None => User {
            username: planned.username.to_owned(),
            password: Alphanumeric.sample_string(&mut rand::rng(), 24),
            luid: String::new(),
            sites: BTreeMap::new(),
            email: None,
            totp_secret: None,
        },
    };
    for (site, role) in planned.memberships {
        if user.sites.contains_key(*site) {
            continue;
        }
        out::step(format_args!("inviting {} to {site} as {role}", user.username));
        let added = patd(state, &["user", "add", &user.username, "--site", site, "--role", role])?;
        let mut body = json!({ "invitation": text(&added, "invitation")?, "password": user.password });
        if let Some(secret) = &user.totp_secret {
            body["totp"] = Value::String(totp_code(secret, Duration::ZERO)?);
        }
        let answer = client.post("/v1/invitations/redeem", None, &body)?;
        if !(200..300).contains(&answer.status) {
            answer.expect(200)?;
        }
        user.sites.insert((*site).to_owned(), (*role).to_owned());
        save_user(folder, state, &user)?;
    }
    if user.luid.is_empty()
        && let Some((site, _)) = planned.memberships.first()
    {
        user.luid = password_session(client, &user, site)?.text("/user/luid")?;
        save_user(folder, state, &user)?;
    }
    // Before TOTP, whose codes work once.
    if state.catchers.is_some() && user.email.is_none() {
        give_address(client, &mut user)?;
        save_user(folder, state, &user)?;
    }
    if planned.totp && user.totp_secret.is_none() {
        enrol_totp(client, &mut user)?;
        save_user(folder, state, &user)?;
    }
    Ok(())
}

/// Where mails to the account go: it sets the address itself, as nobody else can.
fn give_address(client: &Client, user: &mut User) -> Result<(), Failure> {
    let Some(site) = user.sites.keys().next() else { return Ok(()) };
    let email = format!("{}@people.example", user.username);
    let credential = interactive_session(client, user, site)?;
    client.patch("/v1/me", &credential, &json!({ "email": email }))?.expect(200)?;
    user.email = Some(email);
    sign_out(client, &credential)
}

fn save_user(folder: &Folder, state: &mut State, user: &User) -> Result<(), Failure> {
    state.users.insert(user.username.clone(), user.clone());
    folder.save_state(state)
}

fn enrol_totp(client: &Client, user: &mut User) -> Result<(), Failure> {
    out::step(format_args!("enrolling TOTP for {}", user.username));
    let Some(site) = user.sites.keys().next().cloned() else {
        return Err(Failure::new(format!("{} is in no site", user.username)));
    };
    let credential = interactive_session(client, user, &site)?;
    let secret = client.post("/v1/me/totp", Some(&credential), &json!({}))?;
    let secret = if secret.status == 200 { secret } else { secret.expect(201)? }.text("/secret")?;
    let answer = client.post(
        "/v1/me/totp/confirm",
        Some(&credential),
        &json!({ "code": totp_code(&secret, Duration::ZERO)? }),
    )?;
    if !(200..300).contains(&answer.status) {
        answer.expect(200)?;
    }
    user.totp_secret = Some(secret);
    sign_out(client, &credential)
}

fn ensure_site(
    folder: &Folder,
    client: &Client,
    plan: &Plan,
    state: &mut State,
    planned: &plan::Site,
) -> Result<(), Failure> {
    if state.sites.contains_key(planned.key) {
        return Ok(());
    }
    let member = plan
        .users
        .iter()
        .filter(|user| !user.totp && user.memberships.iter().any(|(site, _)| *site == planned.key))
        .find_map(|user| state.users.get(user.username))
        .ok_or_else(|| Failure::new(format!("the plan has nobody at {}", planned.key)))?;
    let luid = password_session(client, member, planned.key)?.text("/site/luid")?;
    let credential = patd(state, &["site", "credential", planned.key])?;
    let site = Site {
        luid,
        content_url: planned.content_url.to_owned(),
        client_id: text(&credential, "client_id")?,
        client_secret: text(&credential, "client_secret")?,
    };
    state.sites.insert(planned.key.to_owned(), site);
    folder.save_state(state)
}

fn ensure_token(
    folder: &Folder,
    client: &Client,
    state: &mut State,
    planned: &plan::Token,
) -> Result<(), Failure> {
    if state.tokens.contains_key(planned.owner) {
        return Ok(());
    }
    let Some(owner) = state.users.get(planned.owner) else {
        return Err(Failure::new(format!("the plan has no account {}", planned.owner)));
    };
    out::step(format_args!("{} mints the token \"{}\" at {}", planned.owner, planned.name, planned.home));
    let credential = interactive_session(client, owner, planned.home)?;
    let path = format!("/v1/sites/{}/tokens", planned.home);
    let minted = client.post(&path, Some(&credential), &json!({ "name": planned.name }))?.expect(201)?;
    let token = Token {
        id: minted.text("/id")?,
        name: planned.name.to_owned(),
        home: planned.home.to_owned(),
        secret: minted.text("/secret")?,
    };
    state.tokens.insert(planned.owner.to_owned(), token);
    folder.save_state(state)?;
    sign_out(client, &credential)
}

/// A REST session, ended again at once: only the answer is wanted.
fn password_session(client: &Client, user: &User, site: &str) -> Result<Answer, Failure> {
    let answer = client.post("/v1/sessions", None, &sign_in_body(user, site))?.expect(201)?;
    sign_out(client, &answer.text("/credential")?)?;
    Ok(answer)
}

fn sign_out(client: &Client, credential: &str) -> Result<(), Failure> {
    client.delete("/v1/sessions/current", credential)?.expect(204).map(drop)
}

/// Runs an operator's command against the running daemon and reads its JSON.
fn patd(state: &State, arguments: &[&str]) -> Result<Value, Failure> {
    let mut command = Command::new(&state.bin.patd);
    command.arg("--config").arg(&state.config).args(arguments).args(["--output", "json"]);
    let line = shown(&command);
    let output = command.stdin(Stdio::null()).output().context(format_args!("cannot run `{line}`"))?;
    if !output.status.success() {
        return Err(Failure::new(format!(
            "`{line}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    serde_json::from_slice(&output.stdout).context(format_args!("`{line}` did not print JSON"))
}

fn text(value: &Value, member: &str) -> Result<String, Failure> {
    value[member]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("patd's answer has no text member {member}")))
}

#[cfg(test)]
mod tests {
    use super::totp_code;

    #[test]
    fn a_code_has_six_digits() {
        let code = totp_code("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", std::time::Duration::ZERO).expect("a code");
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    }
}
