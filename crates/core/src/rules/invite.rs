//! Inviting a person to a site, and letting a person recover. Neither gives anybody a way into another's account.

use crate::changes::{Changes, Row};
use crate::event::EventType;
use crate::id::{Epoch, InvitationId, UserLuid, Version};
use crate::name::{SiteRole, Username};
use crate::notice::Muted;
use crate::record::{Invitation, InvitationKind, MemberState, Membership, Site, User};
use crate::refusal::Refusal;
use crate::rules::{By, Context, Draft};
use crate::secret::FastDigest;
use crate::time::Timestamp;

/// What the caller invents for an invitation.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation {
    /// A fresh id.
    pub id: InvitationId,
    /// Digest of a fresh secret.
    pub digest: FastDigest,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// Who is invited.
#[derive(Clone, Debug)]
pub enum Invitee<'a> {
    /// Somebody known under that name, in whatever site.
    Known(&'a User),
    /// Somebody new.
    New {
        /// A fresh LUID.
        luid: UserLuid,
        /// The name.
        username: Username,
    },
}

/// A pending membership and its invitation.
#[derive(Clone, Debug)]
pub struct Invited {
    /// To apply in the directory store.
    pub changes: Changes,
    /// The person.
    pub user: UserLuid,
    /// The membership as it is once the changes are applied.
    pub member: Membership,
}

/// Invites a person to a site. `member` is the membership row, if there ever was one; `open` are the person's
/// unspent invitations to this site, which the new one replaces.
///
/// # Errors
/// `AlreadyMember`, `NotPermitted`.
pub fn invite(
    cx: &mut Context<'_>,
    by: By<'_>,
    site: &Site,
    invitee: Invitee<'_>,
    member: Option<&Membership>,
    open: &[Invitation],
    (role, new): (SiteRole, NewInvitation),
) -> Result<Invited, Refusal> {
    by.admin_of(site.luid)?;
    let mut draft = Draft::default();
    let user = match &invitee {
        Invitee::Known(user) => user.luid,
        Invitee::New { luid, .. } => *luid,
    };
    let member = match member.filter(|m| m.user == user && m.site == site.luid) {
        Some(m) if matches!(m.state, MemberState::Active | MemberState::Disabled) => {
            return Err(Refusal::AlreadyMember);
        }
        // The epochs go on from where they are: what died with the old membership stays dead.
        Some(m) => {
            let row = Membership { role, state: MemberState::Pending, created_at: cx.now, ..m.clone() };
            draft.update(Row::Membership(row.clone()));
            row
        }
        None => {
            let row = Membership {
                site: site.luid,
                user,
                role,
                state: MemberState::Pending,
                access_epoch: Epoch(0),
                token_epoch: Epoch(0),
                created_at: cx.now,
                version: Version(1),
            };
            draft.insert(Row::Membership(row.clone()));
            row
        }
    };
    if let Invitee::New { luid, username } = invitee {
        draft.write.insert(0, crate::changes::Write::Insert(Row::User(new_person(luid, username, cx.now))));
    }
    replace_open(cx, &mut draft, open, user);
    draft.insert(Row::Invitation(Invitation {
        id: new.id,
        kind: InvitationKind::Join,
        site: Some(site.luid),
        user,
        digest: new.digest,
        created_at: cx.now,
        expires_at: new.expires_at,
        spent_at: None,
        version: Version(1),
    }));
    let event = cx.event(EventType::UserInvited, Some(site.luid)).of_user(user);
    draft.events.push(event.because(role.as_str()));
    Ok(Invited { changes: draft.done(cx), user, member })
}

/// An operator lets a person set a new password and drop the second factor.
///
/// # Errors
/// `NotPermitted` for anybody but an operator.
pub fn recover(
    cx: &mut Context<'_>,
    by: By<'_>,
    user: &User,
    open: &[Invitation],
    new: NewInvitation,
) -> Result<Changes, Refusal> {
    if !matches!(by, By::Operator) {
        return Err(Refusal::NotPermitted);
    }
    let mut draft = Draft::default();
    replace_open(cx, &mut draft, open, user.luid);
    draft.insert(Row::Invitation(Invitation {
        id: new.id,
        kind: InvitationKind::Recover,
        site: None,
        user: user.luid,
        digest: new.digest,
        created_at: cx.now,
        expires_at: new.expires_at,
        spent_at: None,
        version: Version(1),
    }));
    draft.events.push(cx.event(EventType::UserInvited, None).of_user(user.luid).because("recovery"));
    Ok(draft.done(cx))
}

/// Marks unspent invitations as replaced.
pub(super) fn replace_open(cx: &Context<'_>, draft: &mut Draft, open: &[Invitation], user: UserLuid) {
    for old in open.iter().filter(|i| i.user == user && i.spent_at.is_none()) {
        draft.update(Row::Invitation(Invitation { spent_at: Some(cx.now), ..old.clone() }));
    }
}

fn new_person(luid: UserLuid, username: Username, now: Timestamp) -> User {
    User {
        luid,
        username,
        full_name: String::new(),
        email: String::new(),
        disabled: false,
        access_epoch: Epoch(0),
        credential_epoch: Epoch(0),
        muted: Muted::default(),
        created_at: now,
        version: Version(1),
    }
}
