//! The site's audit events: as pages, or as a live stream.

use std::sync::Arc;

use axum::Extension;
use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use patd_service::cloud_event::event_json;
use serde_json::Value;

use super::event_stream::{self, Draining};
use super::openapi::Refusals;
use super::params::Query;
use super::wire::Listing;
use crate::credential::{Authenticated, presented};
use crate::problem::Problem;
use crate::state::Http;

/// List audit events, newest first, as CloudEvents 1.0 (docs/events.md); or follow them live.
///
/// With `Accept: text/event-stream` the answer is a stream of server-sent events: `id` is the event's id, `event` its type, `data`
/// the CloudEvent. It begins now, or after the event that `Last-Event-ID` (or `last_event_id`) names; each later event comes
/// once, in the order of commits. Events older than the operator keeps them are gone from both: a page beyond them is empty, and a
/// stream that is to go on after one of them is refused (410). When the caller's session or role ends, or the daemon stops, the last event is `end` and its
/// data the problem.
#[utoipa::path(get, path = "/v1/sites/{site}/events", tag = "events",
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("type" = Option<Vec<String>>, Query, description = "Types, or starts of types with `*` at the end; may be repeated"),
        ("severity" = Option<String>, Query, description = "At least this: `informational`, `low`, `medium`, `high`, `critical`"),
        ("user" = Option<String>, Query, description = "LUID of the person concerned"),
        ("token" = Option<String>, Query, description = "Id of the token concerned"),
        ("session" = Option<String>, Query, description = "Id of the session concerned"),
        ("since" = Option<String>, Query, description = "At this time or later (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Before this time (RFC 3339)"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 by default; pages only"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; pages only"),
        ("last_event_id" = Option<String>, Query, description = "Where to go on; streams only"),
        ("Last-Event-ID" = Option<String>, Header, description = "Where to go on; streams only")),
    responses((status = 200, description = "A page, or a stream", content(
        (Listing<Value> = "application/json"), (String = "text/event-stream"))), Refusals))]
pub(crate) async fn list(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    draining: Option<Extension<Draining>>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response<Body>, Problem> {
    let wanted = query.events()?;
    if event_stream::is_asked_for(&headers) {
        let resume = event_stream::resume_point(&headers, &query)?;
        let events = http.service.event_stream(&caller, caller.site, &wanted, resume).await?;
        let credential = presented(&headers)?;
        return Ok(event_stream::answer(
            Arc::clone(&http),
            &caller,
            credential,
            events,
            draining.map(|d| d.0),
        ));
    }
    let page = http.service.events(&caller, caller.site, &wanted, query.page()?).await?;
    Ok(Answer(Listing::of(page, |event| event_json(&event))).into_response())
}
