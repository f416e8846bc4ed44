//! Members of a site and their tokens.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use patd_core::id::UserLuid;
use patd_service::tokens::Owner;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::openapi::Refusals;
use super::params::{PathId, Query};
use super::wire::{Listing, Secret, Time, Token, User, parse_role, state_name};
use crate::body::Json;
use crate::client::Client;
use crate::credential::Authenticated;
use crate::problem::Problem;
use crate::state::Http;

/// List members, by user name.
#[utoipa::path(get, path = "/v1/sites/{site}/users", tag = "users",
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = Listing<User>), Refusals))]
pub(crate) async fn list(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Answer<Listing<User>>, Problem> {
    let page = http.service.members(&caller, caller.site, query.page()?).await?;
    Ok(Answer(Listing::of(page, User::from)))
}

/// Whom to invite, and as what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invite {
    /// Printable ASCII without blanks.
    username: String,
    site_role: String,
}

/// A pending member with the one-time invitation, alike whether or not the name exists anywhere.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invited {
    luid: Uuid,
    username: String,
    site_role: &'static str,
    /// `pending`.
    state: &'static str,
    /// Shown once.
    invitation: Secret,
    expires_at: Time,
}

/// Invite somebody.
#[utoipa::path(post, path = "/v1/sites/{site}/users", tag = "users", request_body = Invite,
    params(("site" = String, Path, description = "Content URL or LUID")),
    responses((status = 201, description = "Invited", body = Invited), Refusals))]
pub(crate) async fn invite(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    Client(from): Client,
    Json(body): Json<Invite>,
) -> Result<(StatusCode, Answer<Invited>), Problem> {
    let role = parse_role(&body.site_role)?;
    let invited = http.service.invite(&caller, caller.site, &body.username, role, from).await?;
    let answer = Invited {
        luid: invited.user.luid.0,
        username: invited.user.username,
        site_role: invited.user.site_role.as_str(),
        state: state_name(invited.user.state),
        invitation: Secret(invited.invitation),
        expires_at: Time(invited.expires_at),
    };
    Ok((StatusCode::CREATED, Answer(answer)))
}

/// One member; members may read themselves.
#[utoipa::path(get, path = "/v1/sites/{site}/users/{luid}", tag = "users",
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("luid" = Uuid, Path, description = "The member")),
    responses((status = 200, description = "The member", body = User), Refusals))]
pub(crate) async fn read(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    PathId(user): PathId,
) -> Result<Answer<User>, Problem> {
    let user = http.service.member(&caller, caller.site, UserLuid(user)).await?;
    Ok(Answer(user.into()))
}

/// What to change about a member; at least one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    site_role: Option<String>,
    disabled: Option<bool>,
}

/// Change a member's role, disable or enable.
#[utoipa::path(patch, path = "/v1/sites/{site}/users/{luid}", tag = "users", request_body = Change,
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("luid" = Uuid, Path, description = "The member")),
    responses((status = 200, description = "The member as it is now", body = User), Refusals))]
pub(crate) async fn change(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    PathId(user): PathId,
    Client(from): Client,
    Json(body): Json<Change>,
) -> Result<Answer<User>, Problem> {
    if body.site_role.is_none() && body.disabled.is_none() {
        return Err(Problem::invalid_value("site_role", "or `disabled` has to be given"));
    }
    let role = body.site_role.as_deref().map(parse_role).transpose()?;
    let user = UserLuid(user);
    let user = http.service.change_member(&caller, caller.site, user, role, body.disabled, from).await?;
    Ok(Answer(user.into()))
}

/// Remove a member.
#[utoipa::path(delete, path = "/v1/sites/{site}/users/{luid}", tag = "users",
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("luid" = Uuid, Path, description = "The member")),
    responses((status = 204, description = "Removed"), Refusals))]
pub(crate) async fn remove(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    PathId(user): PathId,
    Client(from): Client,
) -> Result<StatusCode, Problem> {
    http.service.remove_member(&caller, caller.site, UserLuid(user), from).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List a member's tokens at home in the site.
#[utoipa::path(get, path = "/v1/sites/{site}/users/{luid}/tokens", tag = "users",
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("luid" = Uuid, Path, description = "The member"),
        ("ended" = Option<bool>, Query, description = "Also those that ended in the last 30 days"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = Listing<Token>), Refusals))]
pub(crate) async fn tokens(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    PathId(user): PathId,
    query: Query,
) -> Result<Answer<Listing<Token>>, Problem> {
    let (owner, ended, page) = (Owner::User(UserLuid(user)), query.flag("ended")?, query.page()?);
    let page = http.service.tokens(&caller, caller.site, owner, ended, page).await?;
    Ok(Answer(Listing::of(page, Token::from)))
}

/// Revoke all tokens of a member at home in the site.
#[utoipa::path(delete, path = "/v1/sites/{site}/users/{luid}/tokens", tag = "users",
    params(("site" = String, Path, description = "Content URL or LUID"),
        ("luid" = Uuid, Path, description = "The member")),
    responses((status = 204, description = "Revoked"), Refusals))]
pub(crate) async fn revoke_tokens(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    PathId(user): PathId,
    Client(from): Client,
) -> Result<StatusCode, Problem> {
    http.service.revoke_all(&caller, caller.site, UserLuid(user), from).await?;
    Ok(StatusCode::NO_CONTENT)
}
