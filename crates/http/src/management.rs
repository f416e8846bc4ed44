//! The management listener: health, readiness, metrics. Never reachable on the public listener.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use patd_service::service::Service;
use serde_json::json;

use crate::envelope::RequestId;
use crate::problem::{Kind, Problem};

/// How long readiness may take to be found out.
const READINESS_TIME: Duration = Duration::from_secs(5);

/// Renders the metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The management router.
pub fn router(service: Arc<Service>, metrics: RenderMetrics) -> Router {
    Router::new()
        .route("/readyz", get(ready))
        .with_state(service)
        .merge(always(metrics))
        .fallback(async || lone(Kind::NotFound, "no such address"))
        .method_not_allowed_fallback(async || {
            lone(Kind::MethodNotAllowed, "this address exists, but not for this method")
        })
}

/// What needs no service.
fn always(metrics: RenderMetrics) -> Router {
    let text = "text/plain; version=0.0.4; charset=utf-8";
    Router::new()
        .route("/healthz", get(async || axum::Json(json!({"status": "ok"}))))
        .route("/metrics", get(async move || ([(CONTENT_TYPE, text)], metrics())))
}

/// Here is no envelope to render problems.
fn lone(kind: Kind, detail: &str) -> Response<Body> {
    Problem::new(kind, detail).render(RequestId::fresh(), None)
}

async fn ready(State(service): State<Arc<Service>>) -> Response<Body> {
    let reasons = tokio::time::timeout(READINESS_TIME, service.readiness()).await;
    let reasons = reasons.unwrap_or_else(|_| vec!["readiness could not be found out in time".to_owned()]);
    readiness(&reasons)
}

fn readiness(reasons: &[String]) -> Response<Body> {
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(json!({"ready": ready, "reasons": reasons}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_reason_makes_it_not_ready() {
        assert_eq!(readiness(&[]).status(), StatusCode::OK);
        assert_eq!(readiness(&["store x: down".to_owned()]).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
