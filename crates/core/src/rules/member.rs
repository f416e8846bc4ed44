//! What a site admin may do to a membership (R2, R10): role, disable, enable, remove; never to oneself, never to the
//! person.

use crate::changes::{Changes, Row};
use crate::event::EventType;
use crate::name::SiteRole;
use crate::record::{Invitation, MemberState, Membership};
use crate::refusal::Refusal;
use crate::rules::invite::replace_open;
use crate::rules::{Caller, Context, Draft};

/// What to change; `None` leaves as is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemberChange {
    /// The new role.
    pub role: Option<SiteRole>,
    /// Disable or enable.
    pub disabled: Option<bool>,
}

/// Changes a membership. Empty changes mean that all is as asked already.
///
/// # Errors
/// `NotPermitted` without being admin and for oneself, `NotFound` for who is no member, `MemberPending` when asked
/// to disable or enable somebody who has not joined.
pub fn change_member(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    member: &Membership,
    ask: MemberChange,
) -> Result<Changes, Refusal> {
    on_another_member(caller, member)?;
    let mut draft = Draft::default();
    let mut row = member.clone();
    if let Some(role) = ask.role.filter(|role| *role != member.role) {
        row.role = role;
        if role == SiteRole::Unlicensed {
            row.access_epoch = row.access_epoch.next();
        }
        let event = cx.event(EventType::UserRoleChanged, Some(member.site)).of_user(member.user);
        draft.events.push(event.because(format!("{} to {role}", member.role)));
    }
    match (ask.disabled, member.state) {
        (None, _) | (Some(true), MemberState::Disabled) | (Some(false), MemberState::Active) => {}
        (Some(true), MemberState::Active) => {
            row.state = MemberState::Disabled;
            row.access_epoch = row.access_epoch.next();
            draft.events.push(cx.event(EventType::UserDisabled, Some(member.site)).of_user(member.user));
        }
        (Some(false), MemberState::Disabled) => {
            row.state = MemberState::Active;
            draft.events.push(cx.event(EventType::UserEnabled, Some(member.site)).of_user(member.user));
        }
        (Some(_), MemberState::Pending | MemberState::Removed) => return Err(Refusal::MemberPending),
    }
    if row != *member {
        draft.update(Row::Membership(row));
    }
    Ok(draft.done(cx))
}

/// Removes a membership; unspent invitations to the site (`open`) go with it.
///
/// # Errors
/// As [`change_member`].
pub fn remove_member(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    member: &Membership,
    open: &[Invitation],
) -> Result<Changes, Refusal> {
    on_another_member(caller, member)?;
    let mut draft = Draft::default();
    draft.events.push(cx.event(EventType::UserRemoved, Some(member.site)).of_user(member.user));
    let access_epoch = member.access_epoch.next();
    draft.update(Row::Membership(Membership { state: MemberState::Removed, access_epoch, ..member.clone() }));
    replace_open(cx, &mut draft, open, member.user);
    Ok(draft.done(cx))
}

fn on_another_member(caller: Caller<'_>, member: &Membership) -> Result<(), Refusal> {
    caller.admin_of(member.site)?;
    if member.state == MemberState::Removed {
        return Err(Refusal::NotFound);
    }
    if member.user == caller.user.luid { Err(Refusal::NotPermitted) } else { Ok(()) }
}
