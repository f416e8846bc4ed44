//! Session credentials on requests: `Authorization: Bearer` or `X-Tableau-Auth`, never the query string.
//!
//! The credential is judged first, then the site in the path, so that a stranger learns nothing of sites.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use patd_core::secret::PlainText;
use patd_service::error::Error;
use patd_service::service::SiteRef;
use patd_service::view::Caller;

use crate::problem::Problem;
use crate::state::Http;

/// The header of Tableau clients, whose name the `http` crate keeps in lower case.
pub const X_TABLEAU_AUTH: &str = "x-tableau-auth";

/// The one session credential that the headers carry.
///
/// # Errors
/// `CredentialsRequired` when there is none; `CredentialsRejected` when there are two that differ, or one that is
/// not even text.
pub fn presented(headers: &HeaderMap) -> Result<&str, Error> {
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|v| scheme(v, b"bearer"));
    let tableau = headers.get_all(X_TABLEAU_AUTH).iter().map(|v| v.as_bytes().trim_ascii());
    let mut all = bearers.chain(tableau);
    let first = all.next().ok_or(Error::CredentialsRequired)?;
    if first.is_empty() || all.any(|other| other != first) {
        return Err(Error::CredentialsRejected);
    }
    std::str::from_utf8(first).map_err(|_| Error::CredentialsRejected)
}

/// What follows the scheme in an `Authorization` header, if it is this scheme.
fn scheme<'a>(value: &'a HeaderValue, name: &[u8]) -> Option<&'a [u8]> {
    let value = value.as_bytes().trim_ascii();
    let (scheme, rest) = value.split_at_checked(name.len())?;
    let ends = rest.first().is_none_or(|b| *b == b' ');
    (scheme.eq_ignore_ascii_case(name) && ends).then(|| rest.trim_ascii())
}

/// A site's own credential (HTTP Basic).
///
/// # Errors
/// `CredentialsRequired` without one, `CredentialsRejected` for one that is malformed or not alone.
pub fn basic(headers: &HeaderMap) -> Result<(String, PlainText), Error> {
    let mut all = headers.get_all(AUTHORIZATION).iter().filter_map(|v| scheme(v, b"basic"));
    let value = all.next().ok_or(Error::CredentialsRequired)?;
    if all.next().is_some() {
        return Err(Error::CredentialsRejected);
    }
    let decoded = STANDARD.decode(value).map_err(|_| Error::CredentialsRejected)?;
    let decoded = String::from_utf8(decoded).map(PlainText::new).map_err(|_| Error::CredentialsRejected)?;
    let (id, secret) = decoded.expose().split_once(':').ok_or(Error::CredentialsRejected)?;
    Ok((id.to_owned(), PlainText::new(secret.to_owned())))
}

/// A caller with a live session: judged first by the credential, then by `{site}` where the path has one. The
/// session then is open at that site: a session of another one sees the site as it sees one that does not exist.
#[derive(Clone, Debug)]
pub struct Authenticated(pub Caller);

impl FromRequestParts<Arc<Http>> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Problem> {
        let credential = presented(&parts.headers)?;
        let caller = match http.service.authenticate_live(credential) {
            Some(caller) => caller,
            None => http.service.authenticate(credential).await?,
        };
        let params = RawPathParams::from_request_parts(parts, http).await;
        let params = params.map_err(|_| Problem::from(Error::NotFound("thing")))?;
        if let Some((_, site)) = params.iter().find(|(name, _)| *name == "site")
            && http.service.site(&SiteRef(site)) != Some(caller.site)
        {
            return Err(Error::NotFound("site").into());
        }
        Ok(Self(caller))
    }
}

/// A caller where there is one: no credential is fine, a bad one is refused.
#[derive(Clone, Debug)]
pub struct MaybeAuthenticated(pub Option<Caller>);

impl FromRequestParts<Arc<Http>> for MaybeAuthenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Problem> {
        if presented(&parts.headers) == Err(Error::CredentialsRequired) {
            return Ok(Self(None));
        }
        let Authenticated(caller) = Authenticated::from_request_parts(parts, http).await?;
        Ok(Self(Some(caller)))
    }
}
