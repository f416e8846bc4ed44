//! Personal access tokens: a member's list, and revoking one. No call mints.
//!
//! Shows the tokens at home in the session's site (R2, which is narrower than the vendor's rule for admins) and
//! never a secret.

use patd_core::id::{SiteLuid, TokenId, UserLuid};
use patd_service::tokens::Owner;
use patd_service::view::{Caller, PageRequest, TokenView};

use super::answer::{Element, Reply};
use super::error::{Failure, Place, time};
use super::{Call, sites, users};

const PAGE: u32 = 1000;

pub(super) async fn list(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let (site, user) = whose(call, caller)?;
    let tokens = live(call, caller, site, user).await?;
    let tokens = tokens.iter().map(element).collect();
    Ok(Reply::ok(vec![Element::list("personalAccessTokens", tokens)]))
}

pub(super) async fn revoke(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let (site, user) = whose(call, caller)?;
    let unknown = || Failure::no_path("Personal access token could not be found.");
    let token = TokenId(sites::luid(call.parameter(2)).ok_or_else(unknown)?);
    // The path names an owner, too: a token of somebody else is not found under it.
    if !live(call, caller, site, user).await?.iter().any(|listed| listed.id == token) {
        return Err(unknown());
    }
    let done = call.service.revoke(caller, site, token, call.from.clone()).await;
    done.map(|()| Reply::empty()).map_err(|error| Failure::of(&error, Place::Session))
}

fn whose(call: &Call<'_>, caller: &Caller) -> Result<(SiteLuid, UserLuid), Failure> {
    Ok((sites::own(call.parameter(0), caller)?, users::luid(call.parameter(1))?))
}

/// All of a member's live tokens; the site's limit per owner keeps them few.
async fn live(
    call: &Call<'_>,
    caller: &Caller,
    site: SiteLuid,
    user: UserLuid,
) -> Result<Vec<TokenView>, Failure> {
    let mut tokens = Vec::new();
    let mut page = PageRequest { limit: PAGE, cursor: None };
    loop {
        let found = call.service.tokens(caller, site, Owner::User(user), false, page).await;
        let found = found.map_err(|error| Failure::of(&error, Place::Session))?;
        tokens.extend(found.items);
        if found.next.is_none() {
            return Ok(tokens);
        }
        page = PageRequest { limit: PAGE, cursor: found.next };
    }
}

fn element(token: &TokenView) -> Element {
    let element = Element::new("personalAccessToken")
        .with("tokenName", token.name.as_str())
        .with("tokenGuid", token.id.to_string());
    let element = match token.last_used_at {
        Some(at) => element.with("lastUsedAt", time(at)),
        None => element,
    };
    element.with("expiresAt", time(token.expires_at))
}

#[cfg(test)]
mod tests {
    use patd_core::time::Timestamp;
    use uuid::Uuid;

    use super::super::Format;
    use super::*;

    fn token(last_used_at: Option<Timestamp>) -> TokenView {
        TokenView {
            id: TokenId(Uuid::from_u128(5)),
            name: "n<1".to_owned(),
            owner: UserLuid(Uuid::from_u128(6)),
            owner_username: "ann".to_owned(),
            created_at: Timestamp(0),
            last_used_at,
            expires_at: Timestamp(1_718_211_346_000_001),
            idle_expires_at: Timestamp(9),
            ended: None,
        }
    }

    #[test]
    fn tokens_have_the_vendors_attributes_with_whole_seconds() {
        let used = Some(Timestamp(1_686_675_346_999_999));
        let reply = || {
            let tokens = [used, None].into_iter().map(|used| element(&token(used))).collect();
            Reply::ok(vec![Element::list("personalAccessTokens", tokens)])
        };
        assert!(reply().text(Format::Xml).contains(
            "<personalAccessTokens><personalAccessToken tokenName=\"n&lt;1\" \
             tokenGuid=\"00000000-0000-0000-0000-000000000005\" lastUsedAt=\"2023-06-13T16:55:46Z\" \
             expiresAt=\"2024-06-12T16:55:46Z\"/><personalAccessToken "
        ));
        let json: serde_json::Value = serde_json::from_str(&reply().text(Format::Json)).expect("JSON");
        let listed = &json["personalAccessTokens"]["personalAccessToken"];
        assert_eq!(listed[0]["lastUsedAt"], "2023-06-13T16:55:46Z");
        assert_eq!(listed[1].get("lastUsedAt"), None);
    }
}
