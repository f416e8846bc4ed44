//! The envelope around every routed request: request id, limits, panic guard, log line, rendering of problems.
//!
//! Logs the registered method, the matched route, the status and the time. Never a path, a query string, a header or a body,
//! which may hold a secret that a client put in the wrong place (R5).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH};
use axum::http::{Extensions, HeaderName, HeaderValue, Method, Response};
use axum::middleware::Next;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Limited};
use patd_service::error::Error;
use tracing::Instrument;
use uuid::Uuid;

use crate::native::leaks;
use crate::problem::{Kind, Problem};
use crate::state::Http;
use crate::tableau::{self, FaultOf};

/// The header that carries the request id of every routed answer.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id: in the answer, in problems and in each log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// A fresh one.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "names a request in logs; no secret, no rule reads it")]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4())
    }

    /// As a header's value.
    #[must_use]
    pub fn header(self) -> HeaderValue {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = self.0.hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// The middleware itself; the outermost layer of the router.
pub(crate) async fn wrap(State(http): State<Arc<Http>>, request: Request, next: Next) -> Response<Body> {
    let id = RequestId::fresh();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    let method = known(request.method()).to_owned();
    let span = tracing::info_span!("request", request_id = %id.0, %method, route);
    #[expect(clippy::disallowed_methods, reason = "a measured duration, for log and metrics")]
    let started = Instant::now();
    let response = guarded(&http, id, request, next).instrument(span.clone()).await;
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    span.in_scope(|| tracing::info!(status, ms = elapsed.as_secs_f64() * 1e3, "answered"));
    metrics::counter!("patd_http_requests_total", "route" => route.to_owned(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("patd_http_request_seconds", "route" => route.to_owned())
        .record(elapsed.as_secs_f64());
    response
}

/// The method's name. An unregistered one is whatever the client wrote, a secret perhaps.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS
        | Method::TRACE
        | Method::CONNECT => method.as_str(),
        _ => "(unregistered)",
    }
}

async fn guarded(http: &Http, id: RequestId, mut request: Request, next: Next) -> Response<Body> {
    let is_tableau =
        request.uri().path().as_bytes().get(..5).is_some_and(|p| p.eq_ignore_ascii_case(b"/api/"));
    request.extensions_mut().insert(id);
    let (parts, body) = request.into_parts();
    let fault_of = FaultOf::new(&parts);
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let longest = longest_body(&parts.extensions, http);
    let mut response = if length.is_some_and(|n| n > longest as u64) {
        discard(body, http).await;
        axum::response::IntoResponse::into_response(body_too_large())
    } else {
        let body = Body::new(Limited::new(body, longest));
        let answer = AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind();
        match tokio::time::timeout(http.limits.request_time, answer).await {
            Ok(Ok(response)) => response,
            // Its text may quote what it was about, a secret perhaps; the daemon's hook has logged the place.
            Ok(Err(_panic)) => {
                tracing::error!("a handler panicked");
                axum::response::IntoResponse::into_response(Problem::unavailable())
            }
            Err(_) => {
                tracing::warn!(limit = ?http.limits.request_time, "a request exceeded the time limit");
                axum::response::IntoResponse::into_response(Problem::unavailable())
            }
        }
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        log_cause(&problem);
        let allow = response.headers().get(ALLOW).cloned();
        response = if is_tableau { tableau::fault(&problem, &fault_of) } else { problem.render(id, allow) };
    }
    response.headers_mut().insert(X_REQUEST_ID, id.header());
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Longest body that is read to be thrown away, in bytes.
const MAX_DISCARDED: usize = 4 << 20;

/// Reads a body that is too long, so that its client gets to read the answer: a connection that is closed with bytes
/// unread is reset, and the answer goes with it. Bounded in bytes and time.
async fn discard(body: Body, http: &Http) {
    let mut body = Limited::new(body, MAX_DISCARDED);
    let to_the_end = async { while let Some(Ok(_)) = body.frame().await {} };
    if tokio::time::timeout(http.limits.body_time(), to_the_end).await.is_err() {
        tracing::debug!("a body that is too long also came too slowly");
    }
}

/// Bytes that the body of a request to this route may have.
fn longest_body(extensions: &Extensions, http: &Http) -> usize {
    let reports = extensions.get::<MatchedPath>().is_some_and(|path| path.as_str() == leaks::PATH);
    if reports { leaks::MAX_BODY.max(http.limits.max_body_bytes) } else { http.limits.max_body_bytes }
}

/// The problem of a body above the limit.
pub(crate) fn body_too_large() -> Problem {
    Problem::new(Kind::BodyTooLarge, "the body is longer than this call takes")
}

/// Logs, once, what the client is not told.
pub(crate) fn log_cause(problem: &Problem) {
    if let Some(Error::Unavailable { cause }) = problem.source.as_deref() {
        tracing::warn!(%cause, "a request could not be carried out");
    }
}
