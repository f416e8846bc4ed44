//! Switching a session to another site: a new session of the same kind takes the place of the old one.
//!
//! A switch is no sign-in: it neither restarts the token's idle clock nor prolongs the session.

use crate::changes::Row;
use crate::event::{EndReason, EventType};
use crate::id::Version;
use crate::record::{Session, SessionKind, Token, User};
use crate::refusal::Refusal;
use crate::rules::session::{ended_state, epochs, natural_end, trail};
use crate::rules::sign_in::{SignedIn, supersede};
use crate::rules::token::{stored_end, token_state};
use crate::rules::{Context, Draft, NewSession, Place};

/// What a switch is decided on.
#[derive(Clone, Copy, Debug)]
pub struct Switch<'a> {
    /// The session, judged live by [`super::session::session_state`].
    pub session: &'a Session,
    /// Its person.
    pub user: &'a User,
    /// Its token and that token's home; `Some` exactly for a token session.
    pub token: Option<(&'a Token, Place<'a>)>,
    /// The target; `None` when it is unknown or the person is no member.
    pub target: Option<Place<'a>>,
    /// The new session's id and digest.
    pub new: NewSession,
}

/// Switches a session to another site.
///
/// # Errors
/// `AlreadyAtSite`; `SwitchRefused` for a target that is not open to this session; what happened to the session
/// or its token.
pub fn switch_site(cx: &mut Context<'_>, ask: Switch<'_>) -> Result<SignedIn, Refusal> {
    let Switch { session: old, user, new, .. } = ask;
    ended_state(old)?;
    if cx.now >= old.expires_at {
        return Err(Refusal::SessionExpired { ended_at: old.expires_at });
    }
    let target = ask.target.filter(|place| place.open_to(user)).ok_or(Refusal::SwitchRefused)?;
    if target.site.luid == old.site {
        return Err(Refusal::AlreadyAtSite);
    }
    if !target.site.policy.switch_site || (old.kind == SessionKind::Token) != ask.token.is_some() {
        return Err(Refusal::SwitchRefused);
    }
    let mut token_end = None;
    if let Some((token, home)) = ask.token {
        token_state(token, user, home.member, home.site, cx.now)?;
        if token.session != Some(old.id) {
            return Err(Refusal::SessionSuperseded { ended_at: cx.now, successor: token.session });
        }
        if target.site.luid != home.site.luid && !target.site.policy.foreign_tokens {
            return Err(Refusal::SwitchRefused);
        }
        token_end = Some(stored_end(token));
    }
    let home = ask.token.map_or(target, |(_, home)| home);
    let end = natural_end(cx.now, target.site.policy.session_lifetime, token_end);
    let session = Session {
        id: new.id,
        site: target.site.luid,
        digest: new.digest,
        created_at: cx.now,
        expires_at: end.min(old.expires_at),
        // What the old session read of the person stays, so that a change in between ends the new one too.
        epochs: crate::record::SessionEpochs {
            person: old.epochs.person,
            credential: old.epochs.credential,
            ..epochs(old.kind, user, target.member, home.member)
        },
        version: Version(1),
        ..old.clone()
    };
    let mut draft = Draft::default();
    let event = cx.event(EventType::SessionOpened, Some(trail(&session))).of_session(&session);
    draft.events.push(event.because("switched"));
    supersede(cx, &mut draft, old, EndReason::Switched, new.id, trail(old));
    let token = ask.token.map(|(token, _)| Token { session: Some(new.id), ..token.clone() });
    if let Some(token) = &token {
        draft.update(Row::Token(token.clone()));
    }
    draft.insert(Row::Session(session.clone()));
    let after = token.map(|t| Token { version: Version(t.version.0 + 1), ..t });
    Ok(SignedIn { changes: draft.done(cx), session, superseded: Some((old.id, cx.now)), token: after })
}
