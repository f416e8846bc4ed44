//! The management listener: health, readiness, metrics. Never reachable on the public listener.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use patd_service::service::{Service, SiteRef};
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
        .route("/readyz/{site}", get(site_ready))
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
    let sites: serde_json::Map<_, _> = service
        .sites_out_of_service()
        .into_iter()
        .map(|site| (site.content_url, json!({"ready": site.reasons.is_empty(), "reasons": site.reasons})))
        .collect();
    readiness(&reasons, &json!({"sites": sites}))
}

/// One site by itself: another's trouble is not its own.
async fn site_ready(State(service): State<Arc<Service>>, Path(site): Path<String>) -> Response<Body> {
    let site = SiteRef(&site);
    match tokio::time::timeout(READINESS_TIME, service.site_readiness(&site)).await {
        Ok(Some(site)) => readiness(
            &site.reasons,
            &json!({"site": {"luid": site.luid.to_string(), "content_url": site.content_url}}),
        ),
        Ok(None) => lone(Kind::NotFound, "no such site is served"),
        Err(_) => readiness(&["readiness could not be found out in time".to_owned()], &json!({})),
    }
}

fn readiness(reasons: &[String], further: &serde_json::Value) -> Response<Body> {
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = json!({"ready": ready, "reasons": reasons});
    if let (Some(body), Some(further)) = (body.as_object_mut(), further.as_object()) {
        body.extend(further.clone());
    }
    (status, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_reason_makes_it_not_ready() {
        assert_eq!(readiness(&[], &json!({})).status(), StatusCode::OK);
        assert_eq!(
            readiness(&["store x: down".to_owned()], &json!({})).status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
