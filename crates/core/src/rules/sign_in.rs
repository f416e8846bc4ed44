//! Signing in with a token (R3): one change gives the token its new session and ends the one before.
//!
//! The change lies in the home store and never names the visited site to the home site's admins.

use crate::changes::{Changes, Row};
use crate::event::{Actor, EndReason, Event, EventType, Origin};
use crate::id::{EventId, SessionId, SiteLuid, Version};
use crate::record::{Ended, Session, SessionKind, SessionToken, Token, User};
use crate::refusal::Refusal;
use crate::rules::session::{SessionFacts, epochs, natural_end, session_state};
use crate::rules::token::{absolute_end, idle_limit, stored_end, stored_idle_end, token_state};
use crate::rules::{Context, Draft, NewSession, Place, notice};
use crate::time::Timestamp;

/// What a sign-in with a token is decided on.
#[derive(Clone, Copy, Debug)]
pub struct TokenSignIn<'a> {
    /// Whether the secret is the token's.
    pub credential_ok: bool,
    /// The token's name, where the client sent one; a wrong one is a wrong secret.
    pub claimed_name: Option<&'a str>,
    /// The token.
    pub token: &'a Token,
    /// The session that the token's row names, if its row still exists.
    pub previous: Option<&'a Session>,
    /// Where that session is open; `None` when the site is unknown or the owner was never a member.
    pub previous_at: Option<Place<'a>>,
    /// The token's owner.
    pub owner: &'a User,
    /// The token's home.
    pub home: Place<'a>,
    /// The site signed in to; `None` when it is unknown or the owner is no member.
    pub visited: Option<Place<'a>>,
    /// The new session's id and digest.
    pub new: NewSession,
}

/// A sign-in that succeeds once its changes are applied.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// To apply in the store that keeps the session.
    pub changes: Changes,
    /// The new session.
    pub session: Session,
    /// The session that ended by this, and when.
    pub superseded: Option<(SessionId, Timestamp)>,
    /// The token as it is once the changes are applied (its version is the one after).
    pub token: Option<Token>,
}

/// Signs in with a token.
///
/// # Errors
/// `CredentialsRejected` for everything that a stranger may not tell apart; the true reason for the holder of
/// the real secret who may be at the visited site.
pub fn sign_in_with_token(cx: &mut Context<'_>, ask: TokenSignIn<'_>) -> Result<SignedIn, Refusal> {
    let TokenSignIn { token, owner, home, new, .. } = ask;
    if !ask.credential_ok || ask.claimed_name.is_some_and(|name| name != token.name.as_str()) {
        return Err(Refusal::CredentialsRejected);
    }
    let visited = ask.visited.filter(|place| place.open_to(owner)).ok_or(Refusal::CredentialsRejected)?;
    token_state(token, owner, home.member, home.site, cx.now)?;
    if visited.site.luid != home.site.luid && !visited.site.policy.foreign_tokens {
        return Err(Refusal::ForeignTokenRefused);
    }

    let mut used = Token {
        last_used_at: Some(cx.now),
        idle_limit: idle_limit(&home.site.policy),
        session: Some(new.id),
        ..token.clone()
    };
    let from_new_network = notice::used(cx, &mut used);
    let session = Session {
        id: new.id,
        kind: SessionKind::Token,
        token: Some(SessionToken {
            id: token.id,
            home: token.site,
            minted_at: token.created_at,
            expires_at: absolute_end(token),
            idle_expires_at: stored_idle_end(&used),
        }),
        user: owner.luid,
        site: visited.site.luid,
        digest: new.digest,
        created_at: cx.now,
        expires_at: natural_end(cx.now, visited.site.policy.session_lifetime, Some(stored_end(&used))),
        ended: None,
        epochs: epochs(SessionKind::Token, owner, visited.member, home.member),
        version: Version(1),
    };
    let mut draft = Draft::default();
    draft.events.push(cx.event(EventType::SessionOpened, Some(token.site)).of_session(&session));
    let mut superseded = None;
    if let Some(previous) = ask.previous.filter(|s| Some(s.id) == token.session && s.ended.is_none()) {
        match died_before(previous, &ask, cx.now) {
            None => {
                supersede(cx, &mut draft, previous, EndReason::Superseded, new.id, token.site);
                superseded = Some((previous.id, cx.now));
            }
            Some(ended) => write_down(cx, &mut draft, previous, ended, token.site),
        }
    }
    draft.events.extend(from_new_network);
    draft.update(Row::Token(used.clone()));
    draft.insert(Row::Session(session.clone()));
    let after = Token { version: Version(used.version.0 + 1), ..used };
    Ok(SignedIn { changes: draft.done(cx), session, superseded, token: Some(after) })
}

/// The end of a session whose row does not tell it yet: its time has run out, or an epoch or policy killed it.
fn died_before(session: &Session, ask: &TokenSignIn<'_>, now: Timestamp) -> Option<Ended> {
    let revoked = Refusal::SessionRevoked { ended_at: None };
    let state = ask.previous_at.ok_or(revoked).and_then(|visited| {
        session_state(session, SessionFacts { user: ask.owner, visited, home: Some(ask.home) }, now)
    });
    let reason = match state {
        Ok(()) => return None,
        Err(Refusal::SessionExpired { .. }) => EndReason::Expired,
        Err(_) => EndReason::Revoked,
    };
    Some(Ended { at: now.min(session.expires_at), reason, successor: None })
}

/// Adds the end of a session that was dead before: a token may have one row that is not ended, and no more.
fn write_down(cx: &mut Context<'_>, draft: &mut Draft, old: &Session, ended: Ended, trail: SiteLuid) {
    let event = cx.event(EventType::SessionEnded, Some(trail)).of_session(old);
    draft.events.push(event.because(ended.reason.as_str()));
    draft.update(Row::Session(Session { ended: Some(ended), ..old.clone() }));
}

/// Adds the end of a session that gives way to another.
pub(super) fn supersede(
    cx: &mut Context<'_>,
    draft: &mut Draft,
    old: &Session,
    reason: EndReason,
    successor: SessionId,
    trail: SiteLuid,
) {
    let event = cx.event(EventType::SessionSuperseded, Some(trail)).of_session(old);
    draft.events.push(event.because(format!("{}; successor {successor}", reason.as_str())));
    let ended = Some(Ended { at: cx.now, reason, successor: Some(successor) });
    draft.update(Row::Session(Session { ended, ..old.clone() }));
}

/// The copy of a foreign session's event for the visited site: no token id, no home site, and of the actor no more than
/// that the person did it: an admin or operator at home is nobody there.
#[must_use]
pub fn relayed(event: &Event, visited: SiteLuid, id: EventId) -> Event {
    let actor = match &event.actor {
        own @ Actor::User { luid, .. } if event.user == Some(*luid) => own.clone(),
        _ => Actor::System,
    };
    let origin = if actor == Actor::System { Origin::default() } else { event.origin.clone() };
    Event {
        id,
        site: Some(visited),
        token: None,
        actor,
        origin,
        reason: String::new(),
        detail: None,
        seq: 0,
        ..event.clone()
    }
}
