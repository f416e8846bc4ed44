//! Redeeming invitations.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use patd_service::redeem::Redeem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::Refusals;
use super::wire::{Secret, Site};
use crate::body::Json;
use crate::client::Client;
use crate::credential::MaybeAuthenticated;
use crate::problem::Problem;
use crate::state::Http;

/// What the holder proves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redemption {
    invitation: Secret,
    /// A new person's new password, or an existing person's own; not needed from an own interactive session.
    password: Option<Secret>,
    /// An existing person's one-time code.
    totp: Option<Secret>,
}

/// Who joined what.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Redeemed {
    username: String,
    /// The site that was joined; null for a recovery.
    #[schema(required)]
    site: Option<Site>,
}

/// Redeem an invitation.
#[utoipa::path(post, path = "/v1/invitations/redeem", tag = "invitations", request_body = Redemption,
    responses((status = 200, description = "Redeemed", body = Redeemed), Refusals))]
pub(crate) async fn redeem(
    State(http): State<Arc<Http>>,
    MaybeAuthenticated(caller): MaybeAuthenticated,
    Client(from): Client,
    Json(body): Json<Redemption>,
) -> Result<Answer<Redeemed>, Problem> {
    let with = Redeem {
        invitation: body.invitation.0,
        password: body.password.map(|text| text.0),
        totp: body.totp.map(|code| code.0),
    };
    let (username, site) = http.service.redeem(caller.as_ref(), with, from).await?;
    Ok(Answer(Redeemed { username, site: site.map(Site::from) }))
}
