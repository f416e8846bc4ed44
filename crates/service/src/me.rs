//! A person's own affairs: profile, password, TOTP. Interactive sessions only.

use patd_core::name::Username;
use patd_core::notice::Notice;
use patd_core::record::SessionKind;
use patd_core::rules::{profile, totp};
use patd_core::secret::PlainText;
use zeroize::Zeroizing;

use crate::decide::{TRIES, contended, final_conflict};
use crate::error::{Error, Result};
use crate::service::Service;
use crate::view::{Caller, From, MyView, TotpEnrolment};

/// Longest full name and e-mail address, in bytes.
const MAX_TEXT: usize = 256;

/// What changes in a profile.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// New full name.
    pub full_name: Option<String>,
    /// New e-mail address.
    pub email: Option<String>,
    /// New user name.
    pub username: Option<String>,
    /// Notices to send by mail (`true`) or not.
    pub notices: Vec<(Notice, bool)>,
}

fn require_person(caller: &Caller) -> Result<()> {
    if caller.kind == SessionKind::Interactive { Ok(()) } else { Err(Error::InteractiveRequired) }
}

fn plain(field: &'static str, text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if text.len() > MAX_TEXT || text.chars().any(char::is_control) => Err(Error::BadValue {
            field,
            reason: format!("must be at most {MAX_TEXT} bytes without control characters"),
        }),
        other => Ok(other),
    }
}

impl Service {
    /// Changes the caller's own profile.
    ///
    /// # Errors
    /// `InteractiveRequired`, `BadValue`, `UsernameTaken`, `Unavailable`.
    pub async fn change_profile(&self, caller: &Caller, change: ProfileChange, from: From) -> Result<MyView> {
        require_person(caller)?;
        let username = change
            .username
            .map(|name| Username::parse(&name))
            .transpose()
            .map_err(|bad| Error::BadValue { field: "username", reason: bad.to_string() })?;
        let email = plain("email", change.email)?;
        if email.as_deref().is_some_and(|e| !e.is_empty() && !e.contains('@')) {
            return Err(Error::BadValue {
                field: "email",
                reason: "must contain an `@`, or be empty".to_owned(),
            });
        }
        let full_name = plain("full_name", change.full_name)?;
        for _ in 0..TRIES {
            let acting = self.acting(caller)?;
            let muted = change
                .notices
                .iter()
                .fold(acting.caller().user.muted, |muted, (notice, wanted)| muted.with(*notice, !wanted));
            let ask = profile::ProfileChange {
                full_name: full_name.clone(),
                email: email.clone(),
                username: username.clone(),
                muted: Some(muted),
            };
            let changes =
                self.decide_for(caller, &from, |cx| profile::change_profile(cx, acting.caller(), ask))?;
            if changes.is_empty() {
                return self.me(caller).await;
            }
            match self.world.commit(&self.world.directory, changes, ()).await? {
                Ok(()) => return self.me(caller).await,
                Err(conflict) => {
                    if let Some(answer) = final_conflict(&conflict, 0) {
                        return Err(answer);
                    }
                }
            }
        }
        Err(contended())
    }

    /// The caller's own profile.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn me(&self, caller: &Caller) -> Result<MyView> {
        let user = self.user_view(caller.site, caller.user).await?;
        let person = self.world.facts.user(&*self.world.directory, caller.user).await?;
        let muted = person.ok_or(Error::NotFound("user"))?.load().muted;
        Ok(MyView { user, muted })
    }

    /// Sets the caller's own password; other password and interactive sessions end, token sessions live on.
    ///
    /// # Errors
    /// `InteractiveRequired`, `CurrentPasswordWrong`, `BadValue`, `TooManyAttempts`, `Unavailable`.
    pub async fn set_password(
        &self,
        caller: &Caller,
        current: PlainText,
        new: PlainText,
        from: From,
    ) -> Result<()> {
        require_person(caller)?;
        let attempt = self.limits.begin(&caller.username, &from.address, self.now())?;
        let hasher = self.served(caller.site)?.password_hasher.clone();
        let (current_ok, _) = self.check_password(caller.user, &hasher, &current).await?;
        if !current_ok {
            return Err(Error::CurrentPasswordWrong);
        }
        let digest = self.hash_password(&hasher, "new_password", &new).await?;
        for _ in 0..TRIES {
            let held = self.password_of(caller.user).await?.ok_or(Error::CurrentPasswordWrong)?;
            let acting = self.acting(caller)?;
            let changes = self.decide_for(caller, &from, |cx| {
                profile::set_password(cx, acting.caller(), current_ok, &held, digest.clone())
            })?;
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                self.limits.forgive(&attempt);
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Begins TOTP: a fresh secret, in force once confirmed.
    ///
    /// # Errors
    /// `InteractiveRequired`, `TotpState` (enrolled already), `Unavailable`.
    pub async fn begin_totp(&self, caller: &Caller, from: From) -> Result<TotpEnrolment> {
        require_person(caller)?;
        // 160 bits: what RFC 4226 §4 recommends and every authenticator takes.
        let mut secret = Zeroizing::new([0; 20]);
        self.random.fill(&mut *secret);
        let sealed = self
            .keys
            .seal(&*self.random, caller.user, &*secret)
            .ok_or_else(|| Error::Unavailable { cause: "a TOTP secret could not be sealed".to_owned() })?;
        for _ in 0..TRIES {
            let held = self.totp_of(caller.user).await?;
            let acting = self.acting(caller)?;
            let changes = self.decide_for(caller, &from, |cx| {
                totp::begin_totp(cx, acting.caller(), held.as_ref(), sealed.clone())
            })?;
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                let text = Zeroizing::new(totp_rs::Secret::from(secret.to_vec()).to_base32());
                let issuer = self.site_view(caller.site).map_or_else(|| "patd".to_owned(), |s| s.content_url);
                let url = format!(
                    "otpauth://totp/{issuer}:{name}?secret={secret}&issuer={issuer}",
                    name = url_text(&caller.username),
                    secret = *text,
                );
                let secret = PlainText::new(text.to_string());
                return Ok(TotpEnrolment { secret, otpauth_url: PlainText::new(url) });
            }
        }
        Err(contended())
    }

    /// Confirms TOTP with a code: answers ten recovery codes, shown once.
    ///
    /// # Errors
    /// `InteractiveRequired`, `TotpState`, `CredentialsRejected` (wrong code), `TooManyAttempts`, `Unavailable`.
    pub async fn confirm_totp(&self, caller: &Caller, code: PlainText, from: From) -> Result<Vec<PlainText>> {
        require_person(caller)?;
        let attempt = self.limits.begin(&caller.username, &from.address, self.now())?;
        let (codes, digests) = self.fresh_recovery_codes();
        for _ in 0..TRIES {
            let held = self.totp_of(caller.user).await?;
            let step = held.as_ref().and_then(|totp| self.code_step(totp, &code));
            let acting = self.acting(caller)?;
            let changes = self.decide_for(caller, &from, |cx| {
                totp::confirm_totp(cx, acting.caller(), held.as_ref(), step, digests.clone())
            })?;
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                self.limits.forgive(&attempt);
                return Ok(codes);
            }
        }
        Err(contended())
    }

    /// Removes TOTP, with a current code or recovery code.
    ///
    /// # Errors
    /// As [`Self::confirm_totp`].
    pub async fn remove_totp(&self, caller: &Caller, code: PlainText, from: From) -> Result<()> {
        require_person(caller)?;
        let attempt = self.limits.begin(&caller.username, &from.address, self.now())?;
        for _ in 0..TRIES {
            let held = self.totp_of(caller.user).await?;
            let judged = self.judge_code(held.as_ref(), &code);
            let acting = self.acting(caller)?;
            let changes = self.decide_for(caller, &from, |cx| {
                totp::remove_totp(cx, acting.caller(), held.as_ref(), judged)
            })?;
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                self.limits.forgive(&attempt);
                return Ok(());
            }
        }
        Err(contended())
    }
}

/// A user name inside a URL: everything but letters, digits, `-`, `.` and `_` as percent escapes.
fn url_text(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            out.push(char::from(byte));
        } else {
            // Writing into a `String` cannot fail.
            let _ok = write!(out, "%{byte:02X}");
        }
    }
    out
}
