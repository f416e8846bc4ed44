//! Members of a site: list, invite, change, remove; the site's events.

use patd_core::event::Actor;
use patd_core::id::{InvitationId, SiteLuid, UserLuid};
use patd_core::invitation_text::InvitationText;
use patd_core::name::{SiteRole, Username};
use patd_core::record::{Invitation, MemberState, Membership, User};
use patd_core::rules::By;
use patd_core::rules::invite::{self, Invitee, NewInvitation};
use patd_core::rules::member::{self, MemberChange};
use patd_core::secret::Secret256;
use patd_core::time::Span;

use crate::decide::{TRIES, contended};
use crate::error::{Error, Result};
use crate::facts::{ask, nonsense};
use crate::paging;
use crate::ports::{Found, Query};
use crate::service::{Service, actor, require_admin, require_admin_or_self};
use crate::view::{Caller, From, Invited, Page, PageRequest, UserView};

/// How long an invitation can be redeemed.
const INVITATION_LIFETIME: Span = Span::days(7);

impl Service {
    /// Members by user name.
    ///
    /// # Errors
    /// `NotPermitted` (not a site admin), `BadRequest` (cursor), `Unavailable`.
    pub async fn members(
        &self,
        caller: &Caller,
        site: SiteLuid,
        page: PageRequest,
    ) -> Result<Page<UserView>> {
        require_admin(caller, site)?;
        let after = paging::name(page.cursor.as_deref())?;
        let query = Query::MembersOf { site, after, offset: 0, limit: page.limit + 1 };
        let rows = self.members_found(query).await?;
        let cursor = |(_, user): &(Membership, User)| paging::after_name(&user.username.folded());
        Ok(paging::page(rows, page.limit, cursor, |(member, user)| member_view(&member, &user)))
    }

    /// Members by numbered page (the Tableau surface): the page and the total.
    ///
    /// # Errors
    /// `NotPermitted`, `Unavailable`.
    pub async fn members_page(
        &self,
        caller: &Caller,
        site: SiteLuid,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<UserView>, u64)> {
        require_admin(caller, site)?;
        let directory = &*self.world.directory;
        let rows = self.members_found(Query::MembersOf { site, after: None, offset, limit }).await?;
        let Found::Counts(total, _) = ask(directory, Query::CountMembers(site)).await? else {
            return Err(nonsense(directory));
        };
        Ok((rows.into_iter().map(|(member, user)| member_view(&member, &user)).collect(), total))
    }

    /// One member; any member may see himself.
    ///
    /// # Errors
    /// `NotPermitted` (a member asks for somebody else), `NotFound`, `Unavailable`.
    pub async fn member(&self, caller: &Caller, site: SiteLuid, user: UserLuid) -> Result<UserView> {
        require_admin_or_self(caller, site, user)?;
        self.user_view(site, user).await
    }

    /// Invites: alike whether or not the name exists anywhere.
    ///
    /// # Errors
    /// `NotPermitted`, `BadValue`, `AlreadyMember`, `Unavailable`.
    pub async fn invite(
        &self,
        caller: &Caller,
        site: SiteLuid,
        username: &str,
        role: SiteRole,
        from: From,
    ) -> Result<Invited> {
        require_admin(caller, site)?;
        self.invite_by(Some(caller), site, username, role, from).await
    }

    /// Invites on behalf of a site admin, or (without one) of the operator.
    pub(crate) async fn invite_by(
        &self,
        caller: Option<&Caller>,
        site: SiteLuid,
        username: &str,
        role: SiteRole,
        from: From,
    ) -> Result<Invited> {
        let runtime = self.served(site)?;
        let name = Username::parse(username)
            .map_err(|bad| Error::BadValue { field: "username", reason: bad.to_string() })?;
        let (text, new) = self.fresh_invitation();
        for _ in 0..TRIES {
            let person = self.person_by_name(name.as_str()).await?.map(|p| p.load_full());
            let luid = person.as_ref().map_or_else(|| UserLuid(self.fresh_uuid()), |p| p.luid);
            let (held, open) = match &person {
                Some(_) => {
                    (self.membership_row(site, luid).await?, self.open_invitations(luid, Some(site)).await?)
                }
                None => (None, Vec::new()),
            };
            let acting = caller.map(|caller| self.acting(caller)).transpose()?;
            let by = acting.as_ref().map_or(By::Operator, |acting| By::Caller(acting.caller()));
            let invitee = match &person {
                Some(person) => Invitee::Known(person),
                None => Invitee::New { luid, username: name.clone() },
            };
            let who = caller.map_or(Actor::Operator, actor);
            let site_row = runtime.row.load_full();
            let invited = self.decide(who, &from, |cx| {
                invite::invite(cx, by, &site_row, invitee, held.as_ref(), &open, (role, new))
            })?;
            if self.world.commit(&self.world.directory, invited.changes, ()).await?.is_ok() {
                let user = self.user_view(site, luid).await?;
                return Ok(Invited {
                    user,
                    id: new.id,
                    invitation: text.render(),
                    expires_at: new.expires_at,
                });
            }
        }
        Err(contended())
    }

    /// Changes role or disables / enables; never oneself.
    ///
    /// # Errors
    /// `NotPermitted`, `NotFound`, `Unavailable`.
    pub async fn change_member(
        &self,
        caller: &Caller,
        site: SiteLuid,
        user: UserLuid,
        role: Option<SiteRole>,
        disabled: Option<bool>,
        from: From,
    ) -> Result<UserView> {
        require_admin(caller, site)?;
        for _ in 0..TRIES {
            let row = self.membership_row(site, user).await?.ok_or(Error::NotFound("user"))?;
            let acting = self.acting(caller)?;
            let ask = MemberChange { role, disabled };
            let changes =
                self.decide_for(caller, &from, |cx| member::change_member(cx, acting.caller(), &row, ask))?;
            if changes.is_empty() || self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                return self.user_view(site, user).await;
            }
        }
        Err(contended())
    }

    /// Removes a member; never oneself.
    ///
    /// # Errors
    /// `NotPermitted`, `NotFound`, `Unavailable`.
    pub async fn remove_member(
        &self,
        caller: &Caller,
        site: SiteLuid,
        user: UserLuid,
        from: From,
    ) -> Result<()> {
        require_admin(caller, site)?;
        for _ in 0..TRIES {
            let row = self.membership_row(site, user).await?.ok_or(Error::NotFound("user"))?;
            let open = self.open_invitations(user, Some(site)).await?;
            let acting = self.acting(caller)?;
            let changes =
                self.decide_for(caller, &from, |cx| member::remove_member(cx, acting.caller(), &row, &open))?;
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// A fresh invitation text and what the rule keeps of it.
    pub(crate) fn fresh_invitation(&self) -> (InvitationText, NewInvitation) {
        let secret: Secret256 = self.fresh_secret();
        let id = InvitationId(self.fresh_uuid());
        let new = NewInvitation {
            id,
            digest: secret.fast_digest(),
            expires_at: self.now().plus(INVITATION_LIFETIME),
        };
        (InvitationText { id, secret }, new)
    }

    pub(crate) async fn open_invitations(
        &self,
        user: UserLuid,
        site: Option<SiteLuid>,
    ) -> Result<Vec<Invitation>> {
        let directory = &*self.world.directory;
        match ask(directory, Query::OpenInvitations(user, site)).await? {
            Found::Invitations(rows) => Ok(rows),
            _ => Err(nonsense(directory)),
        }
    }

    /// A membership's row as it is now; removed ones too.
    pub(crate) async fn membership_row(&self, site: SiteLuid, user: UserLuid) -> Result<Option<Membership>> {
        let fact = self.world.facts.membership(&*self.world.directory, site, user).await?;
        Ok(fact.map(|fact| Membership::clone(&fact.load())))
    }

    /// A member of a site; removed ones are not found.
    pub(crate) async fn user_view(&self, site: SiteLuid, user: UserLuid) -> Result<UserView> {
        let member = self.membership_row(site, user).await?;
        let member = member.filter(|m| m.state != MemberState::Removed).ok_or(Error::NotFound("user"))?;
        let person =
            self.world.facts.user(&*self.world.directory, user).await?.ok_or(Error::NotFound("user"))?;
        Ok(member_view(&member, &person.load()))
    }

    async fn members_found(&self, query: Query) -> Result<Vec<(Membership, User)>> {
        let directory = &*self.world.directory;
        match ask(directory, query).await? {
            Found::Members(rows) => Ok(rows),
            _ => Err(nonsense(directory)),
        }
    }
}

/// A member as the site's admins see them: of who has not joined yet, only what the admin knows already (R8).
fn member_view(member: &Membership, user: &User) -> UserView {
    let joined = member.state != MemberState::Pending;
    UserView {
        luid: user.luid,
        username: user.username.as_str().to_owned(),
        full_name: if joined { user.full_name.clone() } else { String::new() },
        email: if joined { user.email.clone() } else { String::new() },
        site_role: member.role,
        state: member.state,
    }
}
