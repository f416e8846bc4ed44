//! What a person may do to the own account: profile and password. Tokens live on (R10).

use crate::changes::{Changes, Row};
use crate::event::EventType;
use crate::id::Epoch;
use crate::name::Username;
use crate::notice::Muted;
use crate::record::{Password, Session, SessionEpochs, User};
use crate::refusal::Refusal;
use crate::rules::{Caller, Context, Draft};
use crate::secret::PhcDigest;

/// What to change; `None` leaves as is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProfileChange {
    /// For people.
    pub full_name: Option<String>,
    /// May be empty.
    pub email: Option<String>,
    /// Unique; the store says if it is taken.
    pub username: Option<Username>,
    /// The notices that are not wanted by mail.
    pub muted: Option<Muted>,
}

/// Changes the caller's own profile. Empty changes mean that all is as asked already.
///
/// # Errors
/// `InteractiveRequired`.
pub fn change_profile(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    ask: ProfileChange,
) -> Result<Changes, Refusal> {
    caller.interactive()?;
    let mut row = caller.user.clone();
    let mut changed = Vec::new();
    if let Some(full_name) = ask.full_name.filter(|name| *name != row.full_name) {
        row.full_name = full_name;
        changed.push("full name");
    }
    if let Some(email) = ask.email.filter(|email| *email != row.email) {
        row.email = email;
        changed.push("e-mail");
    }
    if let Some(username) = ask.username.filter(|name| *name != row.username) {
        row.username = username;
        changed.push("username");
    }
    if let Some(muted) = ask.muted.filter(|muted| *muted != row.muted) {
        row.muted = muted;
        changed.push("notices");
    }
    let mut draft = Draft::default();
    if !changed.is_empty() {
        let event = cx.event(EventType::UserProfileChanged, None).of_user(row.luid);
        draft.events.push(event.because(changed.join(", ")));
        draft.update(Row::User(row));
    }
    Ok(draft.done(cx))
}

/// Sets the caller's own password. Every other password and interactive session of the person ends; tokens and
/// their sessions do not.
///
/// # Errors
/// `InteractiveRequired`, `CurrentPasswordWrong`.
pub fn set_password(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    current_ok: bool,
    held: &Password,
    digest: PhcDigest,
) -> Result<Changes, Refusal> {
    caller.interactive()?;
    if !current_ok || held.user != caller.user.luid {
        return Err(Refusal::CurrentPasswordWrong);
    }
    let mut draft = Draft::default();
    draft.events.push(cx.event(EventType::UserPasswordChanged, None).of_user(held.user));
    draft.update(Row::Password(Password { digest, changed_at: cx.now, ..held.clone() }));
    raise_credential_epoch(&mut draft, caller);
    Ok(draft.done(cx))
}

/// Ends the person's password and interactive sessions, the caller's own excepted.
pub(super) fn raise_credential_epoch(draft: &mut Draft, caller: Caller<'_>) {
    let credential: Epoch = caller.user.credential_epoch.next();
    draft.update(Row::User(User { credential_epoch: credential, ..caller.user.clone() }));
    let own = caller.session;
    let epochs = SessionEpochs { credential, ..own.epochs };
    draft.update(Row::Session(Session { epochs, ..own.clone() }));
}
