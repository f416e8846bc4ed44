//! The caller's own second factor: begin, confirm, remove. Core never sees a code or the shared secret.

use crate::changes::{Changes, Row, RowKey, Write};
use crate::event::EventType;
use crate::id::Version;
use crate::record::Totp;
use crate::refusal::Refusal;
use crate::rules::password::{Code, confirmed, spend};
use crate::rules::profile::raise_credential_epoch;
use crate::rules::{Caller, Context, Draft};
use crate::secret::FastDigest;

/// Keeps a fresh shared secret, not in force until a code proves it. An unproved one before is replaced.
///
/// # Errors
/// `InteractiveRequired`, `TotpAlreadyEnabled`.
pub fn begin_totp(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    held: Option<&Totp>,
    sealed_secret: Vec<u8>,
) -> Result<Changes, Refusal> {
    caller.interactive()?;
    let user = caller.user.luid;
    let mut draft = Draft::default();
    let event = cx.event(EventType::UserProfileChanged, None).of_user(user);
    draft.events.push(event.because("second factor begun"));
    let version = held.map_or(Version(1), |old| old.version);
    let row = Totp { user, sealed_secret, confirmed: false, last_step: 0, recovery: Vec::new(), version };
    match held {
        Some(old) if old.confirmed => return Err(Refusal::TotpAlreadyEnabled),
        Some(_) => draft.update(Row::Totp(row)),
        None => draft.insert(Row::Totp(row)),
    }
    Ok(draft.done(cx))
}

/// Puts the second factor in force. `step` is the time step of the code that proved it, `None` for a wrong code.
///
/// # Errors
/// `InteractiveRequired`, `TotpNotEnabled`, `TotpAlreadyEnabled`, `CredentialsRejected` for a wrong code.
pub fn confirm_totp(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    held: Option<&Totp>,
    step: Option<u64>,
    recovery: Vec<FastDigest>,
) -> Result<Changes, Refusal> {
    caller.interactive()?;
    let held = held.filter(|t| t.user == caller.user.luid).ok_or(Refusal::TotpNotEnabled)?;
    if held.confirmed {
        return Err(Refusal::TotpAlreadyEnabled);
    }
    let last_step = step.ok_or(Refusal::CredentialsRejected)?;
    let mut draft = Draft::default();
    draft.events.push(cx.event(EventType::UserTotpEnabled, None).of_user(held.user));
    draft.update(Row::Totp(Totp { confirmed: true, last_step, recovery, ..held.clone() }));
    raise_credential_epoch(&mut draft, caller);
    Ok(draft.done(cx))
}

/// Removes the second factor; one in force only with a code that could still be spent.
///
/// # Errors
/// `InteractiveRequired`, `TotpNotEnabled`, `TotpRequired`, `CredentialsRejected` for a wrong or spent code.
pub fn remove_totp(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    held: Option<&Totp>,
    code: Code,
) -> Result<Changes, Refusal> {
    caller.interactive()?;
    let held = held.filter(|t| t.user == caller.user.luid).ok_or(Refusal::TotpNotEnabled)?;
    let what = match confirmed(Some(held)) {
        Some(totp) => spend(totp, code).map(|_goes_with_the_row| "")?,
        None => "never confirmed",
    };
    let mut draft = Draft::default();
    draft.events.push(cx.event(EventType::UserTotpDisabled, None).of_user(held.user).because(what));
    draft.write.push(Write::Delete(RowKey::Totp(held.user), held.version));
    raise_credential_epoch(&mut draft, caller);
    Ok(draft.done(cx))
}
