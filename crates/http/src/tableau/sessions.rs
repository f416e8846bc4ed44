//! `GET sessions/current`: who and where the caller is.

use patd_service::view::Caller;

use super::answer::{Element, Reply};
use super::error::{Failure, Place};
use super::{Call, sites};

pub(super) async fn current(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let known = call.service.who_am_i(caller).await;
    let (site, user) = known.map_err(|error| Failure::of(&error, Place::Session))?;
    let user = Element::new("user")
        .with("id", user.luid.to_string())
        .with("name", user.username.as_str())
        .with("siteRole", user.site_role.as_str());
    Ok(Reply::ok(vec![Element::new("session").child(sites::element(&site)).child(user)]))
}
