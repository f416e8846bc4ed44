//! The Tableau surface: what existing Tableau clients need, under `/api/{version}/`.
//!
//! Renders errors with that surface's codes and never as problems.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::response::Response;

use crate::problem::Problem;
use crate::state::Http;

/// The routes of this surface; merged into the daemon's router, inside the envelope.
pub fn router(_state: Arc<Http>) -> Router<Arc<Http>> {
    Router::new()
}

/// Renders, in this surface's words, a problem that arose outside its handlers (413, 408, a time-out, a panic) or
/// that a shared extractor answered with.
pub(crate) fn fault(problem: &Problem, _request: &FaultOf) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = problem.status();
    response
}

/// What of the request matters for rendering a fault.
pub(crate) struct FaultOf {
    /// The `Accept` header.
    #[expect(dead_code, reason = "the surface is not written yet")]
    pub(crate) accept: Option<axum::http::HeaderValue>,
}

impl FaultOf {
    /// Reads it off the request.
    pub(crate) fn new(parts: &Parts) -> Self {
        Self { accept: parts.headers.get(axum::http::header::ACCEPT).cloned() }
    }
}
