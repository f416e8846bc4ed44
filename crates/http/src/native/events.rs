//! The site's audit events.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use patd_service::cloud_event::event_json;
use serde_json::Value;

use super::openapi::Refusals;
use super::params::Query;
use super::wire::Listing;
use crate::credential::Authenticated;
use crate::problem::Problem;
use crate::state::Http;

/// List audit events, newest first, as CloudEvents 1.0.
#[utoipa::path(get, path = "/v1/sites/{site}/events", tag = "events",
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = Listing<Value>), Refusals))]
pub(crate) async fn list(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Answer<Listing<Value>>, Problem> {
    let page = http.service.events(&caller, caller.site, query.page()?).await?;
    Ok(Answer(Listing::of(page, |event| event_json(&event))))
}
