//! What a token is worth at a moment (R4, and every way it dies), and how one is retired.
//!
//! Never judges a secret: that it was the right one is known before.

use crate::changes::Row;
use crate::event::{EndReason, EventType};
use crate::record::{
    Ended, MAX_IDLE, MAX_TOKEN_LIFETIME, Membership, Policy, Session, Site, SiteState, Token, User,
};
use crate::refusal::Refusal;
use crate::rules::{Context, Draft, may_sign_in};
use crate::time::{Span, Timestamp};

/// The absolute end of a token, whatever its row says (R4).
#[must_use]
pub fn absolute_end(token: &Token) -> Timestamp {
    token.expires_at.min(token.created_at.plus(MAX_TOKEN_LIFETIME))
}

/// When a token dies of lying unused, under the policy of its home site; the policy can only shorten.
#[must_use]
pub fn idle_end(token: &Token, policy: &Policy) -> Timestamp {
    token.last_used_at.unwrap_or(token.created_at).plus(token.idle_limit.min(idle_limit(policy)))
}

/// The idle limit that a policy asks for.
#[must_use]
pub fn idle_limit(policy: &Policy) -> Span {
    policy.idle_limit.min(MAX_IDLE)
}

/// When the sessions of a token end at the latest: the token's ends as its row keeps them.
pub(super) fn stored_end(token: &Token) -> Timestamp {
    absolute_end(token).min(stored_idle_end(token))
}

/// When a token dies of lying unused, under the policy that was in force when it was used last.
pub(super) fn stored_idle_end(token: &Token) -> Timestamp {
    token.last_used_at.unwrap_or(token.created_at).plus(token.idle_limit.min(MAX_IDLE))
}

/// Why a token that its row does not call ended is dead all the same, and since when if that is known.
#[must_use]
pub fn dead_reason(
    token: &Token,
    owner: &User,
    home: &Membership,
    home_site: &Site,
    now: Timestamp,
) -> Option<(EndReason, Option<Timestamp>)> {
    let epochs = token.epochs;
    if epochs.person != owner.access_epoch
        || epochs.member != home.access_epoch
        || epochs.token != home.token_epoch
        || token.created_at < home_site.not_before
    {
        return Some((EndReason::Revoked, None));
    }
    time_up(token, &home_site.policy, now).map(|(reason, at)| (reason, Some(at)))
}

/// Whether one of the two clocks has run out: `now` at the end itself is too late.
fn time_up(token: &Token, policy: &Policy, now: Timestamp) -> Option<(EndReason, Timestamp)> {
    let (absolute, idle) = (absolute_end(token), idle_end(token, policy));
    if now >= absolute.min(idle) {
        // Both may be past: what came first is what killed it.
        let first = if idle < absolute { EndReason::ExpiredIdle } else { EndReason::ExpiredAbsolute };
        return Some((first, absolute.min(idle)));
    }
    None
}

/// Every way a token is dead.
///
/// # Errors
/// The refusal that tells the holder of the real secret why.
pub fn token_state(
    token: &Token,
    owner: &User,
    home: &Membership,
    home_site: &Site,
    now: Timestamp,
) -> Result<(), Refusal> {
    let belongs = token.site == home_site.luid
        && token.owner == owner.luid
        && home.site == home_site.luid
        && home.user == owner.luid;
    if !belongs || home_site.state != SiteState::Active || !may_sign_in(owner, home) {
        return Err(Refusal::CredentialsRejected);
    }
    if let Some(ended) = token.ended {
        return Err(refusal(ended.reason, Some(ended.at)));
    }
    if let Some((reason, at)) = dead_reason(token, owner, home, home_site, now) {
        return Err(refusal(reason, at));
    }
    if home_site.policy.pat_enabled { Ok(()) } else { Err(Refusal::TokensDisabled) }
}

fn refusal(reason: EndReason, at: Option<Timestamp>) -> Refusal {
    match (reason, at) {
        (EndReason::ExpiredIdle, Some(ended_at)) => Refusal::TokenExpiredIdle { ended_at },
        (EndReason::ExpiredAbsolute, Some(ended_at)) => Refusal::TokenExpiredAbsolute { ended_at },
        (_, ended_at) => Refusal::TokenRevoked { ended_at },
    }
}

/// Adds the end of a token, and of the session that its row names, to a change.
pub(super) fn end(
    cx: &mut Context<'_>,
    draft: &mut Draft,
    token: &Token,
    session: Option<&Session>,
    reason: EndReason,
    at: Timestamp,
) {
    let kind = match reason {
        EndReason::ExpiredIdle | EndReason::ExpiredAbsolute => EventType::TokenExpired,
        _ => EventType::TokenRevoked,
    };
    let event = cx.event(kind, Some(token.site)).of_user(token.owner).of_token(token.id);
    draft.events.push(event.because(reason.as_str()));
    let ended = Some(Ended { at, reason, successor: None });
    draft.update(Row::Token(Token { ended, session: None, ..token.clone() }));
    if let Some(session) = session.filter(|s| Some(s.id) == token.session && is_open(s, cx.now)) {
        let event = cx.event(EventType::SessionEnded, Some(token.site)).of_session(session);
        draft.events.push(event.because(reason.as_str()));
        let ended = Some(Ended { at: cx.now, reason: EndReason::Revoked, successor: None });
        draft.update(Row::Session(Session { ended, ..session.clone() }));
    }
}

/// Adds the end of a token that is dead already, unless that would leave a session behind that may still live.
/// Says whether the token is retired now.
pub(super) fn retire_dead(
    cx: &mut Context<'_>,
    draft: &mut Draft,
    token: &Token,
    sessions: &[Session],
    (reason, at): (EndReason, Option<Timestamp>),
) -> bool {
    let session = sessions.iter().find(|s| Some(s.id) == token.session);
    // A policy that shortened the idle limit leaves the last session as it was; it must end with its token.
    let may_live = token.session.is_some() && reason != EndReason::Revoked && cx.now < stored_end(token);
    if session.is_none() && may_live {
        return false;
    }
    end(cx, draft, token, session, reason, at.unwrap_or(cx.now));
    true
}

/// Whether a session row says that it is not ended.
pub(super) fn is_open(session: &Session, now: Timestamp) -> bool {
    session.ended.is_none() && now < session.expires_at
}
