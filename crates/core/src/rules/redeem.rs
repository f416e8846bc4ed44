//! Redeeming an invitation. Joining never resets a password; only a recovery, made by an operator, does.

use crate::changes::{Changes, Row, Write};
use crate::event::EventType;
use crate::id::Version;
use crate::record::{Invitation, InvitationKind, MemberState, Membership, Password, SessionKind, Totp, User};
use crate::refusal::Refusal;
use crate::rules::password::{Code, confirmed, spend};
use crate::rules::{Caller, Context, Draft};
use crate::secret::PhcDigest;

/// By what the holder proves to be the invited person.
#[derive(Clone, Debug)]
pub enum Proof<'a> {
    /// Nothing but the invitation.
    Nothing,
    /// The digest of a new password: for a person who has none, and for a recovery.
    NewPassword(PhcDigest),
    /// The own password, tried.
    OwnPassword {
        /// Whether it is the person's.
        ok: bool,
        /// The code of the second factor.
        code: Code,
    },
    /// An own interactive session.
    OwnSession(Caller<'a>),
}

/// What redeeming is decided on.
#[derive(Clone, Debug)]
pub struct Redeem<'a> {
    /// Whether the secret is the invitation's.
    pub secret_ok: bool,
    /// The invitation.
    pub invitation: &'a Invitation,
    /// Its person.
    pub user: &'a User,
    /// The membership that it is for; `None` for a recovery.
    pub member: Option<&'a Membership>,
    /// The person's password, if there is one.
    pub password: Option<&'a Password>,
    /// The person's second factor, if there is one.
    pub totp: Option<&'a Totp>,
    /// The proof.
    pub proof: Proof<'a>,
}

/// Redeems an invitation; all of it is in the directory store.
///
/// # Errors
/// `InvitationRejected` for one that is wrong, spent or late; `PasswordRequired`, `TotpRequired` or
/// `CredentialsRejected` for the proof.
pub fn redeem(cx: &mut Context<'_>, ask: Redeem<'_>) -> Result<Changes, Refusal> {
    let invitation = ask.invitation;
    let usable = ask.secret_ok
        && invitation.spent_at.is_none()
        && cx.now < invitation.expires_at
        && invitation.user == ask.user.luid
        && !ask.user.disabled;
    if !usable {
        return Err(Refusal::InvitationRejected);
    }
    let mut draft = Draft::default();
    draft.update(Row::Invitation(Invitation { spent_at: Some(cx.now), ..invitation.clone() }));
    match invitation.kind {
        InvitationKind::Join => join(cx, &mut draft, ask)?,
        InvitationKind::Recover => recovery(cx, &mut draft, ask)?,
    }
    Ok(draft.done(cx))
}

fn join(cx: &mut Context<'_>, draft: &mut Draft, ask: Redeem<'_>) -> Result<(), Refusal> {
    let user = ask.user.luid;
    let member = ask
        .member
        .filter(|m| m.user == user && Some(m.site) == ask.invitation.site && m.state == MemberState::Pending)
        .ok_or(Refusal::InvitationRejected)?;
    let mut first_password = false;
    match (ask.password, ask.proof) {
        (None, Proof::NewPassword(digest)) => {
            first_password = true;
            draft.insert(Row::Password(Password { user, digest, changed_at: cx.now, version: Version(1) }));
        }
        // Alike for new and known people: whoever holds an invitation does not learn by it who is known elsewhere.
        (None, _) | (Some(_), Proof::Nothing) => return Err(Refusal::PasswordRequired),
        (Some(_), Proof::OwnPassword { ok: true, code }) => {
            if let Some(totp) = confirmed(ask.totp) {
                draft.write.push(spend(totp, code)?);
            }
        }
        (Some(_), Proof::OwnSession(caller)) if caller.session.user == user => {
            caller.consistent()?;
            if caller.session.kind != SessionKind::Interactive {
                return Err(Refusal::InteractiveRequired);
            }
        }
        (Some(_), _) => return Err(Refusal::CredentialsRejected),
    }
    draft.update(Row::Membership(Membership { state: MemberState::Active, ..member.clone() }));
    let event = cx.event(EventType::UserJoined, Some(member.site)).of_user(user);
    draft.events.push(event.because(member.role.as_str()));
    if first_password {
        draft.events.push(cx.event(EventType::UserPasswordChanged, None).of_user(user).because("first"));
    }
    Ok(())
}

fn recovery(cx: &mut Context<'_>, draft: &mut Draft, ask: Redeem<'_>) -> Result<(), Refusal> {
    let user = ask.user.luid;
    let Proof::NewPassword(digest) = ask.proof else { return Err(Refusal::PasswordRequired) };
    match ask.password {
        Some(old) => draft.update(Row::Password(Password { digest, changed_at: cx.now, ..old.clone() })),
        None => {
            draft.insert(Row::Password(Password { user, digest, changed_at: cx.now, version: Version(1) }))
        }
    }
    let credential_epoch = ask.user.credential_epoch.next();
    draft.update(Row::User(User { credential_epoch, ..ask.user.clone() }));
    draft.events.push(cx.event(EventType::UserPasswordChanged, None).of_user(user).because("recovery"));
    if let Some(totp) = ask.totp {
        draft.write.push(Write::Delete(crate::changes::RowKey::Totp(user), totp.version));
        draft.events.push(cx.event(EventType::UserTotpDisabled, None).of_user(user).because("recovery"));
    }
    Ok(())
}
