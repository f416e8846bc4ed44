//! Revoking (R2): a token by its owner or an admin of its home site, all of a member's, all of a site's before a time; and a
//! token whose secret was reported as leaked, whoever reports it.

use crate::changes::{Changes, Row};
use crate::event::{Detail, EndReason, EventType};
use crate::record::{MemberState, Membership, Session, Site, Token};
use crate::refusal::Refusal;
use crate::rules::{Caller, Context, Draft, notice, token};
use crate::time::Timestamp;

/// Revokes one token; its session ends in the same change. `session` is the one that the token's row names.
///
/// # Errors
/// `NotFound` for what is not the caller's to see, and for a token that has ended.
pub fn revoke_token(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    token: &Token,
    session: Option<&Session>,
) -> Result<Changes, Refusal> {
    caller.at(token.site)?;
    let allowed = token.owner == caller.user.luid || caller.member.role.is_admin();
    if !allowed || token.ended.is_some() {
        return Err(Refusal::NotFound);
    }
    let mut draft = Draft::default();
    let now = cx.now;
    token::end(cx, &mut draft, token, session, EndReason::Revoked, now);
    if token.owner != caller.user.luid {
        draft.events.push(notice::told_at_once(cx, EventType::NoticeTokenRevoked, token));
    }
    Ok(draft.done(cx))
}

/// Revokes a token whose secret somebody showed to be known, and tells its owner. `session` is the one that the token's row
/// names. Nothing to do for a token that has ended.
pub fn revoke_leaked(
    cx: &mut Context<'_>,
    token: &Token,
    session: Option<&Session>,
    found_at: Option<String>,
) -> Changes {
    let mut draft = Draft::default();
    if token.ended.is_none() {
        let now = cx.now;
        token::end(cx, &mut draft, token, session, EndReason::Leaked, now);
        let detail = Detail { found_at, ..notice::of_token(token) };
        draft.events.push(notice::about(cx, EventType::NoticeTokenLeaked, token, detail));
    }
    draft.done(cx)
}

/// Revokes every token of a member in one write, whatever their number. `member` is whose tokens they are.
///
/// # Errors
/// `NotFound` for another site's member, `NotPermitted` for another person's tokens without being admin.
pub fn revoke_all(cx: &mut Context<'_>, caller: Caller<'_>, member: &Membership) -> Result<Changes, Refusal> {
    caller.at(member.site)?;
    if member.user != caller.user.luid && !caller.member.role.is_admin() {
        return Err(Refusal::NotPermitted);
    }
    if member.state == MemberState::Removed {
        return Err(Refusal::NotFound);
    }
    let mut draft = Draft::default();
    let event = cx.event(EventType::TokenRevoked, Some(member.site)).of_user(member.user);
    draft.events.push(event.because("all of this user's tokens"));
    if member.user != caller.user.luid {
        draft.events.push(cx.event(EventType::NoticeTokenRevoked, Some(member.site)).of_user(member.user));
    }
    let token_epoch = member.token_epoch.next();
    draft.update(Row::Membership(Membership { token_epoch, ..member.clone() }));
    Ok(draft.done(cx))
}

/// Revokes everything at home in a site that was minted before a time. The stamp never goes back. Whose tokens those were
/// is not known here: their owners are told afterwards ([`super::stamp`]).
///
/// # Errors
/// `InFuture` for a time after now; `NotPermitted` unless the caller is an admin of the site.
pub fn revoke_before(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    site: &Site,
    before: Timestamp,
) -> Result<Changes, Refusal> {
    caller.admin_of(site.luid)?;
    if before > cx.now {
        return Err(Refusal::InFuture);
    }
    let mut draft = Draft::default();
    let not_before = site.not_before.max(before);
    let event = cx.event(EventType::SiteRevokedBefore, Some(site.luid));
    let detail =
        Detail { not_before: Some(not_before), not_before_was: Some(site.not_before), ..Detail::default() };
    draft.events.push(event.because(format!("minted before {} µs", not_before.0)).with(detail));
    draft.update(Row::Site(Site { not_before, ..site.clone() }));
    Ok(draft.done(cx))
}
