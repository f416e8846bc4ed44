//! A person's own profile, password and one-time codes.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use patd_core::notice::Notice;
use patd_service::me::ProfileChange;
use patd_service::view::MyView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::Refusals;
use super::wire::{Secret, User};
use crate::body::Json;
use crate::client::Client;
use crate::credential::Authenticated;
use crate::problem::Problem;
use crate::state::Http;

/// What to change; at least one of these.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    full_name: Option<String>,
    email: Option<String>,
    username: Option<String>,
    /// Those that are left out stay as they are.
    notices: Option<NoticesAsked>,
}

/// Which notices come by mail. That a token leaked is told in any case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoticesAsked {
    token_minted: Option<bool>,
    token_revoked: Option<bool>,
    token_expires: Option<bool>,
    new_network: Option<bool>,
    inventory: Option<bool>,
}

impl NoticesAsked {
    fn given(self) -> Vec<(Notice, bool)> {
        let all = [
            (Notice::TokenMinted, self.token_minted),
            (Notice::TokenRevoked, self.token_revoked),
            (Notice::TokenExpires, self.token_expires),
            (Notice::NewNetwork, self.new_network),
            (Notice::Inventory, self.inventory),
        ];
        all.into_iter().filter_map(|(notice, wanted)| Some((notice, wanted?))).collect()
    }
}

/// Which notices come by mail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Notices {
    /// A token of mine was minted.
    token_minted: bool,
    /// Somebody else revoked a token of mine.
    token_revoked: bool,
    /// A token of mine comes near one of its ends.
    token_expires: bool,
    /// A token of mine was used from a new network.
    new_network: bool,
    /// The week's inventory of the sites that I administer.
    inventory: bool,
}

/// The caller's own profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    #[serde(flatten)]
    user: User,
    notices: Notices,
}

impl From<MyView> for Me {
    fn from(me: MyView) -> Self {
        let wanted = |notice| !me.muted.has(notice);
        let notices = Notices {
            token_minted: wanted(Notice::TokenMinted),
            token_revoked: wanted(Notice::TokenRevoked),
            token_expires: wanted(Notice::TokenExpires),
            new_network: wanted(Notice::NewNetwork),
            inventory: wanted(Notice::Inventory),
        };
        Self { user: me.user.into(), notices }
    }
}

/// One's own profile.
#[utoipa::path(get, path = "/v1/me", tag = "me",
    responses((status = 200, description = "The profile", body = Me), Refusals))]
pub(crate) async fn read(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
) -> Result<Answer<Me>, Problem> {
    Ok(Answer(http.service.me(&caller).await?.into()))
}

/// Change one's own profile.
#[utoipa::path(patch, path = "/v1/me", tag = "me", request_body = Profile,
    responses((status = 200, description = "The profile as it is now", body = Me), Refusals))]
pub(crate) async fn change(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    Client(from): Client,
    Json(Profile { full_name, email, username, notices }): Json<Profile>,
) -> Result<Answer<Me>, Problem> {
    if full_name.is_none() && email.is_none() && username.is_none() && notices.is_none() {
        return Err(Problem::invalid_value(
            "full_name",
            "or `email`, `username` or `notices` has to be given",
        ));
    }
    let notices = notices.map(NoticesAsked::given).unwrap_or_default();
    let change = ProfileChange { full_name, email, username, notices };
    Ok(Answer(http.service.change_profile(&caller, change, from).await?.into()))
}

/// A new password for oneself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    current_password: Secret,
    new_password: Secret,
}

/// Set one's own password.
#[utoipa::path(post, path = "/v1/me/password", tag = "me", request_body = NewPassword,
    responses((status = 204, description = "Set"), Refusals))]
pub(crate) async fn set_password(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    Client(from): Client,
    Json(body): Json<NewPassword>,
) -> Result<StatusCode, Problem> {
    http.service.set_password(&caller, body.current_password.0, body.new_password.0, from).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A TOTP secret that is not in force before it is confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Enrolment {
    /// Base32; shown once.
    secret: Secret,
    /// For authenticator apps; shown once.
    otpauth_url: Secret,
}

/// Begin with one-time codes.
#[utoipa::path(post, path = "/v1/me/totp", tag = "me",
    responses((status = 201, description = "Begun", body = Enrolment), Refusals))]
pub(crate) async fn begin_totp(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    Client(from): Client,
) -> Result<(StatusCode, Answer<Enrolment>), Problem> {
    let enrolment = http.service.begin_totp(&caller, from).await?;
    let answer = Enrolment { secret: Secret(enrolment.secret), otpauth_url: Secret(enrolment.otpauth_url) };
    Ok((StatusCode::CREATED, Answer(answer)))
}

/// A one-time code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    /// The current code; for removal also a recovery code. `totp`, as sign-in calls it, is taken too.
    #[serde(alias = "totp")]
    code: Secret,
}

/// Recovery codes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recovery {
    /// Each works once; shown once.
    recovery_codes: Vec<Secret>,
}

/// Confirm with a code: from now on sign-in with the password asks for one.
#[utoipa::path(post, path = "/v1/me/totp/confirm", tag = "me", request_body = Code,
    responses((status = 200, description = "In force", body = Recovery), Refusals))]
pub(crate) async fn confirm_totp(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    Client(from): Client,
    Json(body): Json<Code>,
) -> Result<Answer<Recovery>, Problem> {
    let codes = http.service.confirm_totp(&caller, body.code.0, from).await?;
    Ok(Answer(Recovery { recovery_codes: codes.into_iter().map(Secret).collect() }))
}

/// Do without one-time codes again.
#[utoipa::path(delete, path = "/v1/me/totp", tag = "me", request_body = Code,
    responses((status = 204, description = "Removed"), Refusals))]
pub(crate) async fn remove_totp(
    State(http): State<Arc<Http>>,
    Authenticated(caller): Authenticated,
    Client(from): Client,
    Json(body): Json<Code>,
) -> Result<StatusCode, Problem> {
    http.service.remove_totp(&caller, body.code.0, from).await?;
    Ok(StatusCode::NO_CONTENT)
}
