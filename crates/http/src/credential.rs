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

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
        };
        lines.iter().map(line).collect()
    }

    fn check(lines: &[(&'static str, &str)], expected: Result<&str, Error>) {
        assert_eq!(presented(&headers(lines)), expected, "{lines:?}");
    }

    #[test]
    fn either_header_carries_the_credential() {
        check(&[("authorization", "Bearer a|b|c")], Ok("a|b|c"));
        check(&[("authorization", "bEARER   a|b|c ")], Ok("a|b|c"));
        check(&[("x-tableau-auth", "a|b|c")], Ok("a|b|c"));
        check(&[("authorization", "Bearer a"), ("x-tableau-auth", "a")], Ok("a"));
    }

    #[test]
    fn without_a_session_credential_one_is_required() {
        check(&[], Err(Error::CredentialsRequired));
        check(&[("authorization", "Basic YTpi")], Err(Error::CredentialsRequired));
        check(&[("authorization", "Bearerly a")], Err(Error::CredentialsRequired));
        check(&[("cookie", "session=a")], Err(Error::CredentialsRequired));
    }

    #[test]
    fn two_credentials_that_differ_are_rejected_wherever_they_are() {
        let rejected = || Err(Error::CredentialsRejected);
        check(&[("authorization", "Bearer a"), ("x-tableau-auth", "b")], rejected());
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], rejected());
        check(&[("x-tableau-auth", "a"), ("x-tableau-auth", "b")], rejected());
        check(&[("x-tableau-auth", "a"), ("x-tableau-auth", "")], rejected());
    }

    #[test]
    fn an_empty_credential_is_rejected() {
        check(&[("authorization", "Bearer")], Err(Error::CredentialsRejected));
        check(&[("authorization", "Bearer  ")], Err(Error::CredentialsRejected));
        check(&[("x-tableau-auth", "")], Err(Error::CredentialsRejected));
    }

    #[test]
    fn a_sites_credential_is_read_from_basic() {
        let (id, secret) = basic(&headers(&[("authorization", "Basic YTpiOmM=")])).expect("well-formed");
        assert_eq!((id.as_str(), secret.expose()), ("a", "b:c"));
        let refused = |value| basic(&headers(&[("authorization", value)])).err();
        assert_eq!(refused("Basic YTpi!"), Some(Error::CredentialsRejected));
        assert_eq!(refused("Basic YQ=="), Some(Error::CredentialsRejected));
        assert_eq!(refused("Basic"), Some(Error::CredentialsRejected));
        assert_eq!(refused("Bearer YTpi"), Some(Error::CredentialsRequired));
    }

    proptest! {
        #[test]
        fn no_header_panics(values in prop::collection::vec((any::<bool>(), any::<bool>(), any::<Vec<u8>>()), 0..4)) {
            let mut headers = HeaderMap::new();
            for (tableau, scheme, mut bytes) in values {
                if scheme {
                    bytes.splice(0..0, *b"Basic ");
                }
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    let name = if tableau { X_TABLEAU_AUTH } else { AUTHORIZATION.as_str() };
                    headers.append(HeaderName::from_static(name), value);
                }
            }
            if let Ok(credential) = presented(&headers) {
                prop_assert!(!credential.is_empty());
            }
            let _ = basic(&headers);
        }
    }
}
