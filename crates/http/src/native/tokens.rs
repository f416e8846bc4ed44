//! Tokens: mint, list, revoke.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use patd_core::id::TokenId;
use patd_service::tokens::Owner;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::openapi::Refusals;
use super::params::{PathId, Query};
use super::wire::{Listing, Secret, Time, Token, WholeNumber};
use crate::body::Json;
use crate::client::Client;
use crate::credential::Authenticated;
use crate::problem::Problem;
use crate::state::Http;

/// A new token. There is no owner: it is the caller's own (R1).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mint {
    /// 1 to 200 characters, unique among the caller's live tokens here.
    name: String,
    /// 1 to what the site allows, which is the default.
    lifetime_days: Option<WholeNumber>,
}

/// The answer to a mint: the only one with the secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Minted {
    id: Uuid,
    name: String,
    /// Shown once.
    secret: Secret,
    created_at: Time,
    expires_at: Time,
    idle_expires_at: Time,
}

/// Mint a token of one's own.
#[utoipa::path(post, path = "/v1/sites/{site}/tokens", tag = "tokens", request_body = Mint,
    params(("site" = String, Path, description = "Content URL or LUID")),
    responses((status = 201, description = "Minted", body = Minted), Refusals))]
pub(crate) async fn mint(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    Client(from): Client,
    Json(body): Json<Mint>,
) -> Result<(StatusCode, Answer<Minted>), Problem> {
    let days = body.lifetime_days.map(|n| n.0);
    let minted = http.service.mint(&caller, caller.site, &body.name, days, from).await?;
    let answer = Minted {
        id: minted.token.id.0,
        name: minted.token.name,
        secret: Secret(minted.secret),
        created_at: Time(minted.token.created_at),
        expires_at: Time(minted.token.expires_at),
        idle_expires_at: Time(minted.token.idle_expires_at),
    };
    Ok((StatusCode::CREATED, Answer(answer)))
}

/// List tokens at home in the site, newest first.
#[utoipa::path(get, path = "/v1/sites/{site}/tokens", tag = "tokens",
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("owner" = Option<String>, Query, description = "`me` (default) or, for a site admin, `all`"),
        ("ended" = Option<bool>, Query, description = "Also those that ended in the last 30 days"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = Listing<Token>), Refusals))]
pub(crate) async fn list(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Answer<Listing<Token>>, Problem> {
    let owner = if query.word("owner", &["me", "all"])? == 0 { Owner::Myself } else { Owner::All };
    let (ended, page) = (query.flag("ended")?, query.page()?);
    let page = http.service.tokens(&caller, caller.site, owner, ended, page).await?;
    Ok(Answer(Listing::of(page, Token::from)))
}

/// Revoke a token; its session ends.
#[utoipa::path(delete, path = "/v1/sites/{site}/tokens/{id}", tag = "tokens",
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("id" = Uuid, Path, description = "The token's public id")),
    responses((status = 204, description = "Revoked"), Refusals))]
pub(crate) async fn revoke(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    PathId(id): PathId,
    Client(from): Client,
) -> Result<StatusCode, Problem> {
    http.service.revoke(&caller, caller.site, TokenId(id), from).await?;
    Ok(StatusCode::NO_CONTENT)
}
