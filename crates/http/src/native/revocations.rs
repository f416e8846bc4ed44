//! Revoking everything minted before a time.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::Refusals;
use super::wire::{Time, parse_time};
use crate::body::Json;
use crate::client::Client;
use crate::credential::Authenticated;
use crate::problem::Problem;
use crate::state::Http;

/// Which tokens.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeBefore {
    /// RFC 3339, not in the future.
    #[schema(format = DateTime)]
    issued_before: String,
    /// Only count; false by default.
    #[serde(default)]
    dry_run: bool,
}

/// What ended, or would end.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revoked {
    issued_before: Time,
    dry_run: bool,
    tokens: u64,
    sessions: u64,
}

/// Revoke everything at home in the site that was minted before a time.
#[utoipa::path(post, path = "/v1/sites/{site}/revocations", tag = "tokens", request_body = RevokeBefore,
    params(("site" = String, Path, description = "Content URL or LUID")),
    responses((status = 200, description = "Revoked, or counted", body = Revoked), Refusals))]
pub(crate) async fn revoke_before(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    Client(from): Client,
    Json(body): Json<RevokeBefore>,
) -> Result<Answer<Revoked>, Problem> {
    let before = parse_time("issued_before", &body.issued_before)?;
    let done = http.service.revoke_before(&caller, caller.site, before, body.dry_run, from).await?;
    Ok(Answer(Revoked {
        issued_before: Time(before),
        dry_run: body.dry_run,
        tokens: done.tokens,
        sessions: done.sessions,
    }))
}
