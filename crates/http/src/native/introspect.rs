//! Introspection by a site's server (RFC 7662).
//!
//! An inactive session is exactly `{"active":false}`, whatever is wrong with it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderMap;
use patd_core::record::SessionKind;
use patd_core::time::Timestamp;
use patd_service::error::Error;
use patd_service::service::SiteRef;
use patd_service::view::Introspected;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::openapi::Refusals;
use super::params::PathSite;
use crate::body::Form;
use crate::credential::basic;
use crate::problem::Problem;
use crate::state::Http;

/// The form of a request.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only the OpenAPI document reads it")]
pub(crate) struct IntrospectForm {
    /// The session credential.
    token: String,
    /// Ignored.
    token_type_hint: Option<String>,
}

/// What a session is. All members but `active` are left out of an inactive one.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Introspection {
    active: bool,
    #[serde(flatten)]
    live: Option<Live>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Live {
    /// `Bearer`.
    token_type: &'static str,
    /// The user's LUID.
    sub: Uuid,
    username: String,
    /// The site's LUID.
    aud: Uuid,
    /// When the session was opened, seconds since 1970.
    iat: i64,
    /// When it ends, seconds since 1970.
    exp: i64,
    site_role: &'static str,
    /// `token` or `password`.
    kind: &'static str,
    session_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<Uuid>,
    /// The absolute end of the session's token, seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_exp: Option<i64>,
    /// The token's end if it does not sign in again, seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_idle_exp: Option<i64>,
}

impl From<Introspected> for Live {
    fn from(found: Introspected) -> Self {
        let Introspected { caller, issued_at, token } = found;
        Self {
            token_type: "Bearer",
            sub: caller.user.0,
            username: caller.username.as_ref().to_owned(),
            aud: caller.site.0,
            iat: seconds(issued_at),
            exp: seconds(caller.expires_at),
            site_role: caller.role.as_str(),
            kind: caller.kind.as_str(),
            session_id: caller.session.0,
            token_id: caller.token.map(|id| id.0),
            token_exp: token.map(|token| seconds(token.expires_at)),
            token_idle_exp: token.map(|token| seconds(token.idle_expires_at)),
        }
    }
}

/// Whole seconds, rounded down: an end is never told too late.
fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000_000)
}

/// The site's own credential, read before anything else of the request is looked at.
pub(crate) struct SiteLogin {
    id: String,
    secret: patd_core::secret::PlainText,
}

impl axum::extract::FromRequestParts<Arc<Http>> for SiteLogin {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _http: &Arc<Http>,
    ) -> Result<Self, Problem> {
        read_login(&parts.headers).map_err(|error| Problem::from(error).basic())
    }
}

fn read_login(headers: &HeaderMap) -> Result<SiteLogin, Error> {
    basic(headers).map(|(id, secret)| SiteLogin { id, secret })
}

/// Is this session live at this site?
#[utoipa::path(post, path = "/v1/sites/{site}/introspect", tag = "sites",
    params(("site" = String, Path, description = "Content URL or LUID")),
    request_body(content = IntrospectForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Active or not", body = Introspection), Refusals))]
pub(crate) async fn introspect(
    State(http): State<Arc<Http>>,
    PathSite(site): PathSite,
    SiteLogin { id, secret }: SiteLogin,
    Form(form): Form,
) -> Result<Answer<Introspection>, Problem> {
    let mut tokens = form.iter().filter(|(name, _)| name == "token");
    let (Some((_, token)), None) = (tokens.next(), tokens.next()) else {
        return Err(Problem::invalid_request("the form has to have the member `token`, once"));
    };
    let found = match http.service.introspect(SiteRef(&site), &id, &secret, token).await {
        Ok(found) => found,
        // R8: an unknown site answers as another one's credential does.
        Err(Error::NotFound(_)) => return Err(Problem::from(Error::CredentialsRejected).basic()),
        Err(error) => return Err(Problem::from(error).basic()),
    };
    // R1: no site's server ever takes an interactive session.
    let found = found.filter(|found| found.caller.kind != SessionKind::Interactive);
    Ok(Answer(Introspection { active: found.is_some(), live: found.map(Live::from) }))
}
