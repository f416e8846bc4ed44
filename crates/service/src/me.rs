//! A person's own affairs: profile, password, TOTP. Interactive sessions only.

use patd_core::secret::PlainText;

use crate::error::{Error, Result};
use crate::service::Service;
use crate::view::{Caller, From, TotpEnrolment, UserView};

fn unbuilt<T>() -> Result<T> {
    Err(Error::Unavailable { cause: "not built".to_owned() })
}

/// What changes in a profile.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// New full name.
    pub full_name: Option<String>,
    /// New e-mail address.
    pub email: Option<String>,
    /// New user name.
    pub username: Option<String>,
}

impl Service {
    /// Changes the caller's own profile.
    ///
    /// # Errors
    /// `InteractiveRequired`, `BadValue`, `UsernameTaken`, `Unavailable`.
    pub async fn change_profile(
        &self,
        _caller: &Caller,
        _change: ProfileChange,
        _from: From,
    ) -> Result<UserView> {
        unbuilt()
    }

    /// Sets the caller's own password; other password and interactive sessions end, token sessions live on.
    ///
    /// # Errors
    /// `InteractiveRequired`, `CurrentPasswordWrong`, `BadValue`, `TooManyAttempts`, `Unavailable`.
    pub async fn set_password(
        &self,
        _caller: &Caller,
        _current: PlainText,
        _new: PlainText,
        _from: From,
    ) -> Result<()> {
        unbuilt()
    }

    /// Begins TOTP: a fresh secret, in force once confirmed.
    ///
    /// # Errors
    /// `InteractiveRequired`, `TotpState` (enrolled already), `Unavailable`.
    pub async fn begin_totp(&self, _caller: &Caller, _from: From) -> Result<TotpEnrolment> {
        unbuilt()
    }

    /// Confirms TOTP with a code: answers ten recovery codes, shown once.
    ///
    /// # Errors
    /// `InteractiveRequired`, `TotpState`, `CredentialsRejected` (wrong code), `TooManyAttempts`, `Unavailable`.
    pub async fn confirm_totp(
        &self,
        _caller: &Caller,
        _code: PlainText,
        _from: From,
    ) -> Result<Vec<PlainText>> {
        unbuilt()
    }

    /// Removes TOTP, with a current code or recovery code.
    ///
    /// # Errors
    /// As [`Self::confirm_totp`].
    pub async fn remove_totp(&self, _caller: &Caller, _code: PlainText, _from: From) -> Result<()> {
        unbuilt()
    }
}
