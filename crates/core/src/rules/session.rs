//! Whether a session lives, when it ends by itself, and how its holder or the daemon ends it.

use crate::changes::{Changes, Row};
use crate::event::{EndReason, EventType};
use crate::id::{Epoch, SiteLuid};
use crate::record::{Ended, Membership, Session, SessionEpochs, SessionKind, SiteState, Token, User};
use crate::refusal::Refusal;
use crate::rules::token::is_open;
use crate::rules::{Context, Draft, Place};
use crate::time::{Span, Timestamp};

/// What the directory says now about a session's person and sites.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts<'a> {
    /// The session's person.
    pub user: &'a User,
    /// The site it is open at.
    pub visited: Place<'a>,
    /// The home of its token, where that is another site.
    pub home: Option<Place<'a>>,
}

/// When a session ends by itself: validation then never needs the token.
#[must_use]
pub fn natural_end(now: Timestamp, lifetime: Span, token_end: Option<Timestamp>) -> Timestamp {
    let end = now.plus(lifetime);
    token_end.map_or(end, |token_end| end.min(token_end))
}

/// The epochs that a new session records, or that a live one must still equal.
#[must_use]
pub fn epochs(kind: SessionKind, user: &User, visited: &Membership, home: &Membership) -> SessionEpochs {
    let by_token = kind == SessionKind::Token;
    SessionEpochs {
        person: user.access_epoch,
        credential: if by_token { Epoch(0) } else { user.credential_epoch },
        member: visited.access_epoch,
        home_member: home.access_epoch,
        token: if by_token { home.token_epoch } else { Epoch(0) },
    }
}

/// Why a session is dead by what its own row says.
///
/// # Errors
/// The refusal that tells its holder what happened.
pub fn ended_state(session: &Session) -> Result<(), Refusal> {
    let Some(Ended { at: ended_at, reason, successor }) = session.ended else { return Ok(()) };
    Err(match reason {
        EndReason::Superseded | EndReason::Switched => Refusal::SessionSuperseded { ended_at, successor },
        EndReason::SignedOut => Refusal::SessionSignedOut { ended_at },
        EndReason::Expired => Refusal::SessionExpired { ended_at },
        EndReason::Revoked | EndReason::Leaked | EndReason::ExpiredIdle | EndReason::ExpiredAbsolute => {
            Refusal::SessionRevoked { ended_at: Some(ended_at) }
        }
    })
}

/// Every way a session is dead, its secret being right.
///
/// # Errors
/// The refusal that tells its holder what happened.
pub fn session_state(session: &Session, facts: SessionFacts<'_>, now: Timestamp) -> Result<(), Refusal> {
    ended_state(session)?;
    let SessionFacts { user, visited, home } = facts;
    let home = home.unwrap_or(visited);
    let revoked = Refusal::SessionRevoked { ended_at: None };
    if session.user != user.luid || session.site != visited.site.luid || !visited.open_to(user) {
        return Err(revoked);
    }
    if session.epochs != epochs(session.kind, user, visited.member, home.member) {
        return Err(revoked);
    }
    if (session.kind == SessionKind::Token) != session.token.is_some() {
        return Err(revoked);
    }
    if let Some(token) = session.token {
        let foreign = home.site.luid != visited.site.luid;
        let lives = token.home == home.site.luid
            && home.site.state == SiteState::Active
            && home.site.policy.pat_enabled
            && home.open_to(user)
            && token.minted_at >= home.site.not_before
            && (!foreign || visited.site.policy.foreign_tokens);
        if !lives {
            return Err(revoked);
        }
    }
    if now >= session.expires_at {
        return Err(Refusal::SessionExpired { ended_at: session.expires_at });
    }
    Ok(())
}

/// The site in whose trail a session's events lie: its token's home, so that no visited site is named there.
pub(super) fn trail(session: &Session) -> SiteLuid {
    session.token.map_or(session.site, |token| token.home)
}

/// The holder signs out. `token` is the row of the session's token, where it has one.
///
/// # Errors
/// What happened to the session before, if it is not live any more.
pub fn sign_out(cx: &mut Context<'_>, session: &Session, token: Option<&Token>) -> Result<Changes, Refusal> {
    ended_state(session)?;
    if cx.now >= session.expires_at {
        return Err(Refusal::SessionExpired { ended_at: session.expires_at });
    }
    let mut draft = Draft::default();
    draft.events.push(cx.event(EventType::SessionSignedOut, Some(trail(session))).of_session(session));
    end(cx, &mut draft, session, token, EndReason::SignedOut);
    Ok(draft.done(cx))
}

/// Ends sessions because a policy or the config no longer allows them; those that are over already are left out.
/// All must be in one store. `tokens` are the rows of their tokens.
#[must_use]
pub fn end_sessions(cx: &mut Context<'_>, sessions: &[Session], tokens: &[Token], why: &str) -> Changes {
    let mut draft = Draft::default();
    let now = cx.now;
    for session in sessions.iter().filter(|s| is_open(s, now)) {
        let event = cx.event(EventType::SessionEnded, Some(trail(session))).of_session(session);
        draft.events.push(event.because(why));
        let token = tokens.iter().find(|t| session.token.is_some_and(|own| own.id == t.id));
        end(cx, &mut draft, session, token, EndReason::Revoked);
    }
    draft.done(cx)
}

fn end(cx: &Context<'_>, draft: &mut Draft, session: &Session, token: Option<&Token>, reason: EndReason) {
    let ended = Some(Ended { at: cx.now, reason, successor: None });
    if let Some(token) = token.filter(|token| token.session == Some(session.id)) {
        draft.update(Row::Token(Token { session: None, ..token.clone() }));
    }
    draft.update(Row::Session(Session { ended, ..session.clone() }));
}
