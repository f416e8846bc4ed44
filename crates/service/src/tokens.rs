//! Tokens: mint, list, revoke.

use patd_core::id::{SiteLuid, TokenId, UserLuid};
use patd_core::time::Timestamp;

use crate::error::{Error, Result};
use crate::service::Service;
use crate::view::{Caller, From, Minted, Page, PageRequest, TokenView};

fn unbuilt<T>() -> Result<T> {
    Err(Error::Unavailable { cause: "not built".to_owned() })
}

/// Whose tokens a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The caller's own.
    Myself,
    /// One member's (a site admin, or the member).
    User(UserLuid),
    /// Everybody's (a site admin).
    All,
}

/// What revoke-before did, or would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedBefore {
    /// Tokens that it ends.
    pub tokens: u64,
    /// Live sessions that it ends.
    pub sessions: u64,
}

impl Service {
    /// Mints a token for the caller, at home in `site` (R1: there is no owner parameter).
    ///
    /// # Errors
    /// `InteractiveRequired`, `NotFound`, `BadValue`, `TokenNameTaken`, `TokenLimitReached`, `MintFrozen`,
    /// `Unavailable`.
    pub async fn mint(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _name: &str,
        _lifetime_days: Option<u32>,
        _from: From,
    ) -> Result<Minted> {
        unbuilt()
    }

    /// Lists tokens at home in `site`, newest first; `ended` adds those that ended in the last 30 days.
    ///
    /// # Errors
    /// `NotPermitted`, `NotFound`, `BadRequest` (cursor), `Unavailable`.
    pub async fn tokens(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _owner: Owner,
        _ended: bool,
        _page: PageRequest,
    ) -> Result<Page<TokenView>> {
        unbuilt()
    }

    /// Revokes one token (its owner, or an admin of its home site) and ends its session.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn revoke(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _token: TokenId,
        _from: From,
    ) -> Result<()> {
        unbuilt()
    }

    /// Revokes every token of a member at home in `site`: one write.
    ///
    /// # Errors
    /// `NotPermitted`, `NotFound`, `Unavailable`.
    pub async fn revoke_all(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _owner: UserLuid,
        _from: From,
    ) -> Result<()> {
        unbuilt()
    }

    /// Revokes everything at home in `site` minted before a time; `dry_run` only counts.
    ///
    /// # Errors
    /// `NotPermitted`, `BadValue` (in the future), `Unavailable`.
    pub async fn revoke_before(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _issued_before: Timestamp,
        _dry_run: bool,
        _from: From,
    ) -> Result<RevokedBefore> {
        unbuilt()
    }
}
