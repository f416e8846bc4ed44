//! Sign-in, validation, sign-out, switching site.

use patd_core::id::SiteLuid;
use patd_core::secret::PlainText;

use crate::error::{Error, Result};
use crate::service::{Service, SiteRef};
use crate::view::{Caller, From, Introspected, PasswordSignIn, SignedIn, SiteView, UserView};

fn unbuilt<T>() -> Result<T> {
    Err(Error::Unavailable { cause: "not built".to_owned() })
}

impl Service {
    /// Exchanges a token for a session. A wrong `token_name`, where given, is a wrong secret.
    ///
    /// # Errors
    /// `CredentialsRejected`, the token's own end, `ForeignTokenRefused`, `Unavailable`.
    pub async fn sign_in_with_token(
        &self,
        _site: SiteRef<'_>,
        _secret: PlainText,
        _token_name: Option<&str>,
        _from: From,
    ) -> Result<SignedIn> {
        unbuilt()
    }

    /// Exchanges a password (and code) for a session.
    ///
    /// # Errors
    /// `CredentialsRejected`, `PasswordNotAllowedWithMfa`, `TotpRequired`, `TooManyAttempts`, `Unavailable`.
    pub async fn sign_in_with_password(
        &self,
        _site: SiteRef<'_>,
        _with: PasswordSignIn,
        _from: From,
    ) -> Result<SignedIn> {
        unbuilt()
    }

    /// Judges a session credential: the hot path. One look-up and one fast digest; touches no store while the
    /// session is live. For a dead session the store is asked why, so this may wait.
    ///
    /// # Errors
    /// `CredentialsRejected`, what ended the session, `Unavailable`.
    pub async fn authenticate(&self, _credential: &str) -> Result<Caller> {
        unbuilt()
    }

    /// The hot path alone: `None` where [`Self::authenticate`] has to find out why not.
    #[must_use]
    pub fn authenticate_live(&self, _credential: &str) -> Option<Caller> {
        None
    }

    /// Introspection by a site's server: `None` is "inactive".
    ///
    /// # Errors
    /// `CredentialsRejected` when client id or secret are not this site's, `NotFound`, `Unavailable`.
    pub async fn introspect(
        &self,
        _site: SiteRef<'_>,
        _client_id: &str,
        _client_secret: &PlainText,
        _token: &str,
    ) -> Result<Option<Introspected>> {
        unbuilt()
    }

    /// The caller's site and the caller as a member of it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn who_am_i(&self, _caller: &Caller) -> Result<(SiteView, UserView)> {
        unbuilt()
    }

    /// What an ended session's holder may be told beyond the reason: the site of its successor. Only at
    /// `/v1/sessions/current`; `None` where there is none.
    pub async fn successor_site(&self, _credential: &str) -> Option<SiteView> {
        None
    }

    /// Signs the caller out.
    ///
    /// # Errors
    /// What ended the session meanwhile, `Unavailable`.
    pub async fn sign_out(&self, _caller: &Caller, _from: From) -> Result<()> {
        unbuilt()
    }

    /// Moves the caller to another site: a new session, the old one ends.
    ///
    /// # Errors
    /// `AlreadyAtSite`, `SwitchRefused`, `Unavailable`.
    pub async fn switch_site(&self, _caller: &Caller, _target: SiteRef<'_>, _from: From) -> Result<SignedIn> {
        unbuilt()
    }

    /// The site by LUID, for surfaces that render it.
    #[must_use]
    pub fn site_view(&self, _site: SiteLuid) -> Option<SiteView> {
        None
    }
}
