//! Forward auth, `GET /v1/sites/{site}/verify`: the hottest path, answered before the router and without layers.
//!
//! A live session costs one look-up, one fast digest and one allocation for the header values. Touches no store
//! unless the session is dead and has to be explained. Answers 204, 401, 403 or 503, nothing else (R9).

use std::fmt::Write;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use metrics::Counter;
use patd_core::record::SessionKind;
use patd_service::error::{Error, Result};
use patd_service::service::SiteRef;
use patd_service::view::Caller;

use crate::credential::presented;
use crate::envelope::{RequestId, log_cause};
use crate::native::openapi::Refusals;
use crate::native::params::PathSite;
use crate::problem::Problem;
use crate::state::Http;

const X_PATD_USER: HeaderName = HeaderName::from_static("x-patd-user");
const X_PATD_USER_LUID: HeaderName = HeaderName::from_static("x-patd-user-luid");
const X_PATD_SITE_ROLE: HeaderName = HeaderName::from_static("x-patd-site-role");
const X_PATD_TOKEN_ID: HeaderName = HeaderName::from_static("x-patd-token-id");
const X_PATD_SESSION_ID: HeaderName = HeaderName::from_static("x-patd-session-id");

/// The `{site}` of a request for `verify`, spelled so that it needs no decoding; other spellings take the router.
pub(crate) fn site_of<B>(request: &Request<B>) -> Option<&str> {
    if request.method() != Method::GET {
        return None;
    }
    let site = request.uri().path().strip_prefix("/v1/sites/")?.strip_suffix("/verify")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (!site.is_empty() && site.bytes().all(plain)).then_some(site)
}

/// Forward auth: may this session pass at this site? (Spellings that need decoding, and HEAD, come this way.)
#[utoipa::path(get, path = "/v1/sites/{site}/verify", tag = "sites",
    params(("site" = String, Path, description = "Content URL or LUID")),
    responses((status = 204, description = "Yes: who it is, in X-Patd-User, -User-Luid, -Site-Role, -Token-Id (for a \
        token), -Session-Id"), Refusals))]
pub(crate) async fn routed(
    State(http): State<Arc<Http>>,
    PathSite(site): PathSite,
    headers: HeaderMap,
) -> Response<Body> {
    match judged(&http, &site, &headers).await {
        Ok(caller) => passed(&caller),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// What answers `verify` outside the envelope, with its counters at hand.
pub(crate) struct Verify {
    http: Arc<Http>,
    passed: Counter,
    refused: Counter,
}

impl Verify {
    pub(crate) fn new(http: Arc<Http>) -> Self {
        let counter = |outcome| metrics::counter!("patd_verify_total", "outcome" => outcome);
        Self { http, passed: counter("passed"), refused: counter("refused") }
    }

    /// Answers `verify` for this site.
    pub(crate) async fn answer(&self, site: &str, headers: &HeaderMap) -> Response<Body> {
        match judged(&self.http, site, headers).await {
            Ok(caller) => {
                self.passed.increment(1);
                passed(&caller)
            }
            Err(error) => {
                self.refused.increment(1);
                refused(error)
            }
        }
    }
}

async fn judged(http: &Http, site: &str, headers: &HeaderMap) -> Result<Caller> {
    let judged = AssertUnwindSafe(judge(http, site, headers)).catch_unwind().await;
    // Its text may quote what it was about, a secret perhaps; the daemon's hook has logged the place.
    judged.unwrap_or_else(|_panic| Err(Error::Unavailable { cause: "a handler panicked".to_owned() }))
}

async fn judge(http: &Http, site: &str, headers: &HeaderMap) -> Result<Caller> {
    let credential = presented(headers)?;
    let caller = match http.service.authenticate_live(credential) {
        Some(caller) => caller,
        None => explained(http, credential).await?,
    };
    if caller.kind == SessionKind::Interactive {
        return Err(Error::CredentialsRejected);
    }
    if http.service.site(&SiteRef(site)) != Some(caller.site) {
        return Err(Error::SessionOfAnotherSite);
    }
    Ok(caller)
}

async fn explained(http: &Http, credential: &str) -> Result<Caller> {
    let limit = http.limits.request_time;
    match tokio::time::timeout(limit, http.service.authenticate(credential)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Unavailable { cause: "a session was not explained in time".to_owned() }),
    }
}

/// All values lie in one allocation.
fn passed(caller: &Caller) -> Response<Body> {
    const ID: usize = uuid::fmt::Hyphenated::LENGTH;
    let mut text = BytesMut::with_capacity(3 * ID + caller.username.len());
    let token = caller.token.map_or(uuid::Uuid::nil(), |token| token.0);
    // Writing into a BytesMut does not fail; were it to, the split below would be refused, not passed.
    let written = write!(text, "{}{}{}{}", caller.user.0, caller.session.0, token, caller.username);
    let text = text.freeze();
    let value = |range: Bytes| HeaderValue::from_maybe_shared(range);
    let (Ok(()), Ok(user), Ok(session), Ok(token), Ok(name)) = (
        written,
        value(text.slice(..ID)),
        value(text.slice(ID..2 * ID)),
        value(text.slice(2 * ID..3 * ID)),
        value(text.slice(3 * ID..)),
    ) else {
        return refused(Error::Unavailable { cause: "a name is not fit for a header".to_owned() });
    };
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(X_PATD_USER, name);
    headers.insert(X_PATD_USER_LUID, user);
    headers.insert(X_PATD_SITE_ROLE, HeaderValue::from_static(caller.role.as_str()));
    if caller.token.is_some() {
        headers.insert(X_PATD_TOKEN_ID, token);
    }
    headers.insert(X_PATD_SESSION_ID, session);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}

/// A refusal has the time for a request id.
fn refused(error: Error) -> Response<Body> {
    let id = RequestId::fresh();
    let problem = Problem::from(error);
    tracing::info_span!("request", request_id = %id.0, route = "/v1/sites/{site}/verify")
        .in_scope(|| log_cause(&problem));
    problem.render(id, None)
}
