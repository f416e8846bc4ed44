//! Signing in with a password, by a program or in person. The session lies in the directory store.
//!
//! Whether the password and the code are right is found out before (core hashes nothing); what follows from it is
//! decided here.

use crate::changes::{Row, Write};
use crate::event::EventType;
use crate::id::Version;
use crate::record::{Session, SessionKind, Totp, User};
use crate::refusal::Refusal;
use crate::rules::session::{epochs, natural_end};
use crate::rules::sign_in::SignedIn;
use crate::rules::{Context, Draft, NewSession, Place};
use crate::secret::FastDigest;

/// What became of the code of the second factor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// None was sent.
    Missing,
    /// One was sent and it is neither a code of now nor a recovery code.
    Wrong,
    /// The code of this time step.
    Step(u64),
    /// The recovery code with this digest.
    Recovery(FastDigest),
}

/// What a sign-in with a password is decided on.
#[derive(Clone, Copy, Debug)]
pub struct PasswordSignIn<'a> {
    /// Whether the password is the person's.
    pub password_ok: bool,
    /// Whether the person says to be present.
    pub interactive: bool,
    /// The code.
    pub code: Code,
    /// The person.
    pub user: &'a User,
    /// The person's second factor.
    pub totp: Option<&'a Totp>,
    /// The site signed in to; `None` when it is unknown or the person is no member.
    pub visited: Option<Place<'a>>,
    /// The new session's id and digest.
    pub new: NewSession,
}

/// Signs in with a password.
///
/// # Errors
/// `CredentialsRejected` for everything that a stranger may not tell apart; after the right password what is
/// missing.
pub fn sign_in_with_password(cx: &mut Context<'_>, ask: PasswordSignIn<'_>) -> Result<SignedIn, Refusal> {
    let user = ask.user;
    let place = ask.visited.filter(|place| place.open_to(user)).ok_or(Refusal::CredentialsRejected)?;
    if !ask.password_ok {
        return Err(Refusal::CredentialsRejected);
    }
    let kind = if ask.interactive { SessionKind::Interactive } else { SessionKind::Password };
    let mut draft = Draft::default();
    if let Some(totp) = confirmed(ask.totp) {
        if !ask.interactive {
            return Err(Refusal::PasswordNotAllowedWithMfa);
        }
        draft.write.push(spend(totp, ask.code)?);
    }
    let session = Session {
        id: ask.new.id,
        kind,
        token: None,
        user: user.luid,
        site: place.site.luid,
        digest: ask.new.digest,
        created_at: cx.now,
        expires_at: natural_end(cx.now, place.site.policy.session_lifetime, None),
        ended: None,
        epochs: epochs(kind, user, place.member, place.member),
        version: Version(1),
    };
    let event = cx.event(EventType::SessionOpened, Some(place.site.luid)).of_session(&session);
    draft.events.push(event.because(kind.as_str()));
    draft.insert(Row::Session(session.clone()));
    Ok(SignedIn { changes: draft.done(cx), session, superseded: None, token: None })
}

/// The second factor, if the person has proved it once.
pub(super) fn confirmed(totp: Option<&Totp>) -> Option<&Totp> {
    totp.filter(|totp| totp.confirmed)
}

/// The write that spends a code, so that it authorizes one change only.
pub(super) fn spend(totp: &Totp, code: Code) -> Result<Write, Refusal> {
    let mut spent = totp.clone();
    match code {
        Code::Missing => return Err(Refusal::TotpRequired),
        Code::Step(step) if step > totp.last_step => spent.last_step = step,
        Code::Recovery(digest) if totp.recovery.contains(&digest) => spent.recovery.retain(|d| *d != digest),
        Code::Wrong | Code::Step(_) | Code::Recovery(_) => return Err(Refusal::CredentialsRejected),
    }
    Ok(Write::Update(Row::Totp(spent)))
}
