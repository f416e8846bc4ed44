//! Members of a site: list, invite, change, remove; redeeming invitations; the site's events.

use patd_core::event::Event;
use patd_core::id::{SiteLuid, UserLuid};
use patd_core::name::SiteRole;
use patd_core::secret::PlainText;

use crate::error::{Error, Result};
use crate::service::Service;
use crate::view::{Caller, From, Invited, Page, PageRequest, SiteView, UserView};

fn unbuilt<T>() -> Result<T> {
    Err(Error::Unavailable { cause: "not built".to_owned() })
}

/// What a redeemer proves.
#[derive(Debug)]
pub struct Redeem {
    /// The invitation's text.
    pub invitation: PlainText,
    /// A new person's new password, or an existing person's own.
    pub password: Option<PlainText>,
    /// An existing person's one-time code.
    pub totp: Option<PlainText>,
}

impl Service {
    /// Members by user name.
    ///
    /// # Errors
    /// `NotPermitted` (not a site admin), `BadRequest` (cursor), `Unavailable`.
    pub async fn members(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _page: PageRequest,
    ) -> Result<Page<UserView>> {
        unbuilt()
    }

    /// Members by numbered page (the Tableau surface): the page and the total.
    ///
    /// # Errors
    /// `NotPermitted`, `Unavailable`.
    pub async fn members_page(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _offset: u32,
        _limit: u32,
    ) -> Result<(Vec<UserView>, u64)> {
        unbuilt()
    }

    /// One member; any member may see himself.
    ///
    /// # Errors
    /// `NotPermitted` (a member asks for somebody else), `NotFound`, `Unavailable`.
    pub async fn member(&self, _caller: &Caller, _site: SiteLuid, _user: UserLuid) -> Result<UserView> {
        unbuilt()
    }

    /// Invites: alike whether or not the name exists anywhere.
    ///
    /// # Errors
    /// `NotPermitted`, `BadValue`, `AlreadyMember`, `Unavailable`.
    pub async fn invite(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _username: &str,
        _role: SiteRole,
        _from: From,
    ) -> Result<Invited> {
        unbuilt()
    }

    /// Changes role or disables / enables; never oneself.
    ///
    /// # Errors
    /// `NotPermitted`, `NotFound`, `Unavailable`.
    pub async fn change_member(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _user: UserLuid,
        _role: Option<SiteRole>,
        _disabled: Option<bool>,
        _from: From,
    ) -> Result<UserView> {
        unbuilt()
    }

    /// Removes a member; never oneself.
    ///
    /// # Errors
    /// `NotPermitted`, `NotFound`, `Unavailable`.
    pub async fn remove_member(
        &self,
        _caller: &Caller,
        _site: SiteLuid,
        _user: UserLuid,
        _from: From,
    ) -> Result<()> {
        unbuilt()
    }

    /// Redeems an invitation; `caller` is an own interactive session, where there is one. Answers the person's name
    /// and the site joined (`None` for a recovery).
    ///
    /// # Errors
    /// `CredentialsRejected`, `BadValue` (password rules), `TotpRequired`, `TooManyAttempts`, `Unavailable`.
    pub async fn redeem(
        &self,
        _caller: Option<&Caller>,
        _with: Redeem,
        _from: From,
    ) -> Result<(String, Option<SiteView>)> {
        unbuilt()
    }

    /// Audit events of the site, newest first.
    ///
    /// # Errors
    /// `NotPermitted`, `BadRequest` (cursor), `Unavailable`.
    pub async fn events(&self, _caller: &Caller, _site: SiteLuid, _page: PageRequest) -> Result<Page<Event>> {
        unbuilt()
    }
}
