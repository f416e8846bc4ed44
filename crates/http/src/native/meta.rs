//! What programs can learn of this daemon without a credential.

use std::sync::{Arc, LazyLock};

use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use patd_core::token_text::{PREFIX, SCANNER_RULE};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi;
use crate::state::Http;

const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What this daemon is and where its calls are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WellKnown {
    /// patd's version.
    version: &'static str,
    /// The regular expression by which secret scanners find token secrets.
    scanner_rule: &'static str,
    /// What each token secret begins with.
    token_prefix: &'static str,
    endpoints: Endpoints,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Endpoints {
    sessions: String,
    /// With `{site}` to be filled in.
    verify: String,
    /// With `{site}` to be filled in.
    introspect: String,
    invitation: String,
    openapi: String,
    /// Base of the Tableau surface, to be followed by a version.
    tableau: String,
}

/// What this daemon is.
#[utoipa::path(get, path = "/.well-known/patd", tag = "meta",
    responses((status = 200, description = "The daemon", body = WellKnown)))]
pub(crate) async fn well_known(State(http): State<Arc<Http>>) -> Response {
    let at = |path: &str| format!("{}{path}", http.public_url);
    let answer = WellKnown {
        version: env!("CARGO_PKG_VERSION"),
        scanner_rule: SCANNER_RULE,
        token_prefix: PREFIX,
        endpoints: Endpoints {
            sessions: at("/v1/sessions"),
            verify: at("/v1/sites/{site}/verify"),
            introspect: at("/v1/sites/{site}/introspect"),
            invitation: at("/invitation"),
            openapi: at("/v1/openapi.json"),
            tableau: at("/api"),
        },
    };
    ([(CACHE_CONTROL, SHORT)], Answer(answer)).into_response()
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "meta",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub(crate) async fn openapi() -> Response {
    static TEXT: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&openapi::document()).unwrap_or_default().into());
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json), (CACHE_CONTROL, SHORT)], TEXT.clone()).into_response()
}
