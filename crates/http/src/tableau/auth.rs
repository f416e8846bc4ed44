//! Signing in, signing out, switching site; and what only Tableau Server has, refused.
//!
//! Never signs in as oneself where impersonation was asked for, and never tells an unknown site from a wrong secret.

use patd_core::secret::PlainText;
use patd_service::service::SiteRef;
use patd_service::view::{Caller, PasswordSignIn, SignedIn};

use super::Call;
use super::answer::{Element, Reply};
use super::body::{Malformed, Node};
use super::error::{Failure, Place};

/// What a `credentials` element proves the caller with.
enum Proof {
    Token { name: String, secret: PlainText },
    Password { username: String, password: PlainText },
}

pub(super) async fn sign_in(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.body()?;
    let credentials = body.need("credentials")?;
    let proof = proof(credentials)?;
    // No `contentUrl` means the default site; there is none, and it is refused like any unknown one.
    let site = credentials.child("site")?.and_then(|site| site.attribute("contentUrl")).unwrap_or_default();
    let (service, site, from) = (call.service, SiteRef(site), call.from.clone());
    let signed_in = match proof {
        Proof::Token { name, secret } => service.sign_in_with_token(site, secret, Some(&name), from).await,
        Proof::Password { username, password } => {
            let with = PasswordSignIn { username, password, totp: None, interactive: false };
            service.sign_in_with_password(site, with, from).await
        }
    };
    signed_in.map(|signed_in| credentials_of(&signed_in)).map_err(|error| Failure::of(&error, Place::SignIn))
}

fn proof(credentials: &Node) -> Result<Proof, Failure> {
    let given = |name| credentials.attribute(name);
    let token = (given("personalAccessTokenName"), given("personalAccessTokenSecret"));
    let password = (given("name"), given("password"));
    let some = |pair: (Option<&str>, Option<&str>)| pair.0.or(pair.1).is_some();
    let jwt = given("jwt").is_some();
    if u8::from(some(token)) + u8::from(some(password)) + u8::from(jwt) > 1 {
        let detail = "Give one of: personal access token name and secret, or name and password, not both.";
        return Err(Failure::bad_request(detail));
    }
    if jwt {
        let reason = "jwt-not-supported: connected apps do not exist here; sign in with a token";
        return Err(Failure::sign_in(reason));
    }
    if let Some(user) = credentials.child("user")?
        && user.attribute("id").is_some()
    {
        return Err(Failure::forbidden("Impersonation is not available here; nobody was signed in."));
    }
    match (token, password) {
        ((Some(name), Some(secret)), _) => {
            Ok(Proof::Token { name: name.to_owned(), secret: PlainText::new(secret.to_owned()) })
        }
        ((Some(_), None), _) => Err(Malformed::Lacks("personalAccessTokenSecret").into()),
        ((None, Some(_)), _) => Err(Malformed::Lacks("personalAccessTokenName").into()),
        (_, (Some(username), Some(password))) => Ok(Proof::Password {
            username: username.to_owned(),
            password: PlainText::new(password.to_owned()),
        }),
        (_, (Some(_), None)) => Err(Malformed::Lacks("password").into()),
        (_, (None, Some(_))) => Err(Malformed::Lacks("name").into()),
        _ => Err(Malformed::Lacks("personalAccessTokenName").into()),
    }
}

fn credentials_of(signed_in: &SignedIn) -> Reply {
    let site = Element::new("site")
        .with("id", signed_in.site.luid.to_string())
        .with("contentUrl", signed_in.site.content_url.as_str());
    let user = Element::new("user").with("id", signed_in.user.luid.to_string());
    let token = signed_in.credential.expose();
    Reply::ok(vec![Element::new("credentials").with("token", token).child(site).child(user)])
}

pub(super) async fn sign_out(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let done = call.service.sign_out(caller, call.from.clone()).await;
    done.map(|()| Reply::empty()).map_err(|error| Failure::of(&error, Place::Session))
}

pub(super) async fn switch_site(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let body = call.body()?;
    let target = body.need("site")?.attribute("contentUrl").ok_or(Malformed::Lacks("contentUrl"))?;
    let switched = call.service.switch_site(caller, SiteRef(target), call.from.clone()).await;
    switched
        .map(|signed_in| credentials_of(&signed_in))
        .map_err(|error| Failure::of(&error, Place::SwitchSite))
}

pub(super) fn server_only() -> Failure {
    Failure::forbidden("Server administrators' tokens exist on Tableau Server only; nothing was revoked.")
}

#[cfg(test)]
mod tests {
    use super::super::body::parse;
    use super::*;

    fn judged(body: &str) -> Result<&'static str, u16> {
        let root = parse(body.as_bytes()).expect("a body");
        match proof(root.need("credentials").expect("credentials")) {
            Ok(Proof::Token { name, secret }) => {
                assert_eq!((name.as_str(), secret.expose()), ("N", "S"));
                Ok("token")
            }
            Ok(Proof::Password { username, password }) => {
                assert_eq!((username.as_str(), password.expose()), ("u", "p"));
                Ok("password")
            }
            Err(failure) => Err(failure.status().as_u16()),
        }
    }

    #[test]
    fn one_complete_proof_is_needed() {
        const PAT: &str = r#""personalAccessTokenName":"N","personalAccessTokenSecret":"S""#;
        for (members, expected) in [
            (PAT.to_owned(), Ok("token")),
            (format!(r#"{PAT},"user":{{"id":null}}"#), Ok("token")),
            (format!(r#"{PAT},"user":null"#), Ok("token")),
            (format!(r#"{PAT},"user":{{}}"#), Ok("token")),
            (r#""name":"u","password":"p""#.to_owned(), Ok("password")),
            (format!(r#"{PAT},"name":"u","password":"p""#), Err(400)),
            (format!(r#"{PAT},"name":"u""#), Err(400)),
            (format!(r#"{PAT},"jwt":"j""#), Err(400)),
            (r#""jwt":"j","isUat":"false""#.to_owned(), Err(401)),
            (r#""personalAccessTokenName":"N""#.to_owned(), Err(400)),
            (r#""personalAccessTokenSecret":"S""#.to_owned(), Err(400)),
            (r#""name":"u""#.to_owned(), Err(400)),
            (r#""password":"p""#.to_owned(), Err(400)),
            (r#""name":null"#.to_owned(), Err(400)),
            (String::new(), Err(400)),
        ] {
            assert_eq!(judged(&format!(r#"{{"credentials":{{{members}}}}}"#)), expected, "{members}");
        }
    }

    #[test]
    fn impersonation_is_refused_and_never_a_sign_in_as_oneself() {
        for id in ["9f9e9d9c-8b8a-8988-8786-858483828180", "", "x"] {
            let body = format!(
                "<tsRequest><credentials personalAccessTokenName='N' personalAccessTokenSecret='S'>\
                 <site contentUrl='s'/><user id='{id}'/></credentials></tsRequest>"
            );
            assert_eq!(judged(&body), Err(403), "{id}");
        }
    }
}
