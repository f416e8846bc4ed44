//! Sign in, who am I, sign out.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use patd_core::secret::PlainText;
use patd_service::cloud_event::rfc3339;
use patd_service::error::Error;
use patd_service::service::SiteRef;
use patd_service::view::{Caller, PasswordSignIn, SignedIn};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::openapi::Refusals;
use super::wire::{Secret, Site, Time, User};
use crate::body::Json;
use crate::client::Client;
use crate::credential::{Authenticated, presented};
use crate::problem::Problem;
use crate::state::Http;

/// A sign-in: with `token_secret` (and `token_name`), or with `username` and `password` (and `totp`, `interactive`).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// Content URL (any case) or LUID.
    site: String,
    token_secret: Option<Secret>,
    /// Where given, a wrong one is a wrong secret.
    token_name: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    /// A one-time code or a recovery code; only for an interactive sign-in.
    totp: Option<Secret>,
    /// A person is present; the session can mint tokens, and no site's server accepts it.
    interactive: Option<bool>,
}

enum With {
    Token { secret: PlainText, name: Option<String> },
    Password(PasswordSignIn),
}

impl SignIn {
    /// Exactly one of the two forms.
    fn form(self) -> Result<(String, With), Problem> {
        let with = match self {
            Self {
                token_secret: Some(secret),
                token_name: name,
                username: None,
                password: None,
                totp: None,
                interactive: None,
                ..
            } => With::Token { secret: secret.0, name },
            Self {
                token_secret: None,
                token_name: None,
                username: Some(username),
                password: Some(password),
                totp,
                interactive,
                ..
            } => With::Password(PasswordSignIn {
                username,
                password: password.0,
                totp: totp.map(|code| code.0),
                interactive: interactive.unwrap_or(false),
            }),
            _ => {
                return Err(Problem::invalid_request(
                    "the body is not what this call takes: give `token_secret` (with or without `token_name`), or \
                     `username` and `password` (with or without `totp` and `interactive`)",
                ));
            }
        };
        Ok((self.site, with))
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    id: Uuid,
    /// `token`, `password` or `interactive`.
    kind: &'static str,
    expires_at: Time,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedInSite {
    luid: Uuid,
    content_url: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedInUser {
    luid: Uuid,
    username: String,
    site_role: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedInToken {
    id: Uuid,
    name: String,
    expires_at: Time,
    idle_expires_at: Time,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Superseded {
    session_id: Uuid,
    at: Time,
}

/// The answer to a sign-in; the only one with the credential.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Opened {
    /// Send it as `Authorization: Bearer` or `X-Tableau-Auth`.
    credential: Secret,
    session: Session,
    site: SignedInSite,
    user: SignedInUser,
    /// Null for a password.
    #[schema(required)]
    token: Option<SignedInToken>,
    /// The session that this one ended.
    #[schema(required)]
    superseded: Option<Superseded>,
}

impl From<SignedIn> for Opened {
    fn from(s: SignedIn) -> Self {
        Self {
            credential: Secret(s.credential),
            session: Session { id: s.session.0, kind: s.kind.as_str(), expires_at: Time(s.expires_at) },
            site: SignedInSite { luid: s.site.luid.0, content_url: s.site.content_url },
            user: SignedInUser {
                luid: s.user.luid.0,
                username: s.user.username,
                site_role: s.user.site_role.as_str(),
            },
            token: s.token.map(|t| SignedInToken {
                id: t.id.0,
                name: t.name,
                expires_at: Time(t.expires_at),
                idle_expires_at: Time(t.idle_expires_at),
            }),
            superseded: s.superseded.map(|(id, at)| Superseded { session_id: id.0, at: Time(at) }),
        }
    }
}

/// `X-Patd-Token-Expires`: when the token ends if it does not sign in again, so that a script can warn without reading
/// the body.
fn token_expires(signed_in: &SignedIn) -> Option<(HeaderName, HeaderValue)> {
    let token = signed_in.token.as_ref()?;
    let end = rfc3339(token.expires_at.min(token.idle_expires_at));
    Some((HeaderName::from_static("x-patd-token-expires"), HeaderValue::try_from(end).ok()?))
}

/// Sign in.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = SignIn,
    responses((status = 201, description = "Signed in", body = Opened), Refusals))]
pub(crate) async fn open(
    State(http): State<Arc<Http>>,
    Client(from): Client,
    Json(body): Json<SignIn>,
) -> Result<(StatusCode, HeaderMap, Answer<Opened>), Problem> {
    let (site, with) = body.form()?;
    let site = SiteRef(&site);
    let signed_in = match with {
        With::Token { secret, name } => {
            http.service.sign_in_with_token(site, secret, name.as_deref(), from).await?
        }
        With::Password(with) => http.service.sign_in_with_password(site, with, from).await?,
    };
    let headers = token_expires(&signed_in).into_iter().collect();
    Ok((StatusCode::CREATED, headers, Answer(signed_in.into())))
}

/// A caller as [`Authenticated`], except that the holder of a superseded session is told the successor's site.
pub(crate) struct CurrentSession(Caller);

impl FromRequestParts<Arc<Http>> for CurrentSession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Problem> {
        let mut problem = match Authenticated::from_request_parts(parts, http).await {
            Ok(Authenticated(caller)) => return Ok(Self(caller)),
            Err(problem) => problem,
        };
        if matches!(problem.source.as_deref(), Some(Error::SessionSuperseded { .. })) {
            problem.successor_site =
                http.service.successor_site(presented(&parts.headers)?).await.map(Box::new);
        }
        Err(problem)
    }
}

/// Who is calling, with which session, at which site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhoAmI {
    session: Session,
    site: Site,
    user: User,
    /// Null without a token.
    #[schema(required)]
    token_id: Option<Uuid>,
}

/// Who am I.
#[utoipa::path(get, path = "/v1/sessions/current", tag = "sessions",
    responses((status = 200, description = "The caller", body = WhoAmI), Refusals))]
pub(crate) async fn current(
    State(http): State<Arc<Http>>,
    CurrentSession(caller): CurrentSession,
) -> Result<Answer<WhoAmI>, Problem> {
    let (site, user) = http.service.who_am_i(&caller).await?;
    Ok(Answer(WhoAmI {
        session: Session {
            id: caller.session.0,
            kind: caller.kind.as_str(),
            expires_at: Time(caller.expires_at),
        },
        site: site.into(),
        user: user.into(),
        token_id: caller.token.map(|id| id.0),
    }))
}

/// Sign out.
#[utoipa::path(delete, path = "/v1/sessions/current", tag = "sessions",
    responses((status = 204, description = "Signed out"), Refusals))]
pub(crate) async fn sign_out(
    State(http): State<Arc<Http>>,
    CurrentSession(caller): CurrentSession,
    Client(from): Client,
) -> Result<StatusCode, Problem> {
    http.service.sign_out(&caller, from).await?;
    Ok(StatusCode::NO_CONTENT)
}
