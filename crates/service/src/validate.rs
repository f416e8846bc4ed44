//! Validation: who holds this session credential? The hot path, and what the holder of a dead one is told.

use patd_core::id::SiteLuid;
use patd_core::refusal::Refusal;
use patd_core::rules::Place;
use patd_core::rules::session::{SessionFacts, ended_state, session_state};
use patd_core::secret::{PlainText, Secret256};
use patd_core::session_text::SessionText;
use subtle::ConstantTimeEq as _;

use crate::error::{Error, Result};
use crate::facts::{ask, nonsense};
use crate::live::LiveSession;
use crate::ports::{Found, Query};
use crate::service::{Service, SiteRef, site_view};
use crate::view::{Caller, Introspected, SiteView, UserView};

enum Judged {
    Live(Caller),
    Dead(Refusal),
    InDoubt,
    NotInTable,
}

impl Service {
    /// Judges a session credential. One look-up and one fast digest; touches no store while the session is live.
    /// For a dead session the store is asked why, so this may wait.
    ///
    /// # Errors
    /// `CredentialsRejected`, what ended the session, `Unavailable`.
    pub async fn authenticate(&self, credential: &str) -> Result<Caller> {
        let Ok(text) = SessionText::parse(credential) else { return Err(Error::CredentialsRejected) };
        match self.judge(&text) {
            Judged::Live(caller) => Ok(caller),
            Judged::Dead(refusal) => Err(refusal.into()),
            Judged::InDoubt => Err(in_doubt()),
            Judged::NotInTable => Err(self.explain(&text).await?),
        }
    }

    /// The hot path alone: `None` where [`Self::authenticate`] has to find out why not.
    #[must_use]
    pub fn authenticate_live(&self, credential: &str) -> Option<Caller> {
        match self.judge(&SessionText::parse(credential).ok()?) {
            Judged::Live(caller) => Some(caller),
            Judged::Dead(_) | Judged::InDoubt | Judged::NotInTable => None,
        }
    }

    fn judge(&self, text: &SessionText) -> Judged {
        let judged = self.world.live.with(text.key.session, |live| {
            if !live.session.digest.matches(&text.secret) || live.session.site != text.site {
                return Judged::NotInTable;
            }
            if live.in_doubt() {
                return Judged::InDoubt;
            }
            match self.state(live) {
                Ok(()) => Judged::Live(caller(live)),
                Err(refusal) => Judged::Dead(refusal),
            }
        });
        judged.unwrap_or(Judged::NotInTable)
    }

    fn state(&self, live: &LiveSession) -> std::result::Result<(), Refusal> {
        let (user, member, site) = (live.person.load(), live.member.load(), live.site.load());
        let (home_member, home_site) = (live.home_member.load(), live.home_site.load());
        let home = live.session.token.is_some().then_some(Place { site: &home_site, member: &home_member });
        let facts = SessionFacts { user: &user, visited: Place { site: &site, member: &member }, home };
        session_state(&live.session, facts, self.now())
    }

    /// Why a credential that is not in the table is not accepted; only for whoever holds the real secret.
    async fn explain(&self, text: &SessionText) -> Result<Error> {
        if !self.keys.session_mac_holds(&text.key.mac_input(), &text.mac) {
            return Ok(Error::CredentialsRejected);
        }
        let sites = self.world.sites.load_full();
        let store = match text.key.home {
            None => &self.world.directory,
            Some(home) => match sites.by_home(home) {
                Some(site) => &site.store,
                None => return Ok(Error::CredentialsRejected),
            },
        };
        let Found::Sessions(rows) = ask(&**store, Query::Session(text.key.session)).await? else {
            return Err(nonsense(&**store));
        };
        let known = rows.into_iter().next().filter(|s| s.site == text.site && s.digest.matches(&text.secret));
        let Some(session) = known else { return Ok(Error::CredentialsRejected) };
        if let Err(refusal) = ended_state(&session) {
            return Ok(refusal.into());
        }
        if self.now() >= session.expires_at {
            return Ok(Error::SessionExpired);
        }
        // Committed but not in the table: it ends or begins at this moment.
        Ok(in_doubt())
    }

    /// Introspection by a site's server: `None` is "inactive".
    ///
    /// # Errors
    /// `CredentialsRejected` when client id or secret are not this site's, `NotFound`, `Unavailable`.
    pub async fn introspect(
        &self,
        site: SiteRef<'_>,
        client_id: &str,
        client_secret: &PlainText,
        token: &str,
    ) -> Result<Option<Introspected>> {
        let runtime = self.world.sites.load().find(site.0).cloned().ok_or(Error::CredentialsRejected)?;
        let row = runtime.row.load_full();
        let known = row.credential.as_ref().ok_or(Error::CredentialsRejected)?;
        let secret = parse_site_secret(client_secret).ok_or(Error::CredentialsRejected)?;
        let same_id = bool::from(known.client_id.as_bytes().ct_eq(client_id.as_bytes()));
        if !known.digest.matches(&secret) || !same_id {
            return Err(Error::CredentialsRejected);
        }
        let Ok(text) = SessionText::parse(token) else { return Ok(None) };
        match self.judge(&text) {
            Judged::Live(caller)
                if caller.site == row.luid && caller.kind != patd_core::record::SessionKind::Interactive =>
            {
                let kept = |live: &LiveSession| (live.session.created_at, live.session.token);
                let found = self.world.live.with(caller.session, kept);
                Ok(found.map(|(issued_at, token)| Introspected { caller, issued_at, token }))
            }
            // Not knowing is no verdict: the site must not take it for one (R9).
            Judged::InDoubt => Err(in_doubt()),
            Judged::Live(_) | Judged::Dead(_) | Judged::NotInTable => Ok(None),
        }
    }

    /// The caller's site and the caller as a member of it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn who_am_i(&self, caller: &Caller) -> Result<(SiteView, UserView)> {
        let site = self.served(caller.site)?;
        Ok((site_view(&site), self.user_view(caller.site, caller.user).await?))
    }

    /// What an ended session's holder may be told beyond the reason: the site of its successor. Only at
    /// `/v1/sessions/current`; `None` where there is none.
    pub async fn successor_site(&self, credential: &str) -> Option<SiteView> {
        let text = SessionText::parse(credential).ok()?;
        let Ok(Error::SessionSuperseded { successor: Some(successor), .. }) = self.explain(&text).await
        else {
            return None;
        };
        let site = self.world.live.with(successor, |live| live.session.site)?;
        self.site_view(site)
    }

    /// The site by LUID, for surfaces that render it.
    #[must_use]
    pub fn site_view(&self, site: SiteLuid) -> Option<SiteView> {
        self.world.site(site).map(|site| site_view(&site))
    }
}

/// A site's introspection secret: 64 hexadecimal digits.
pub(crate) fn parse_site_secret(text: &PlainText) -> Option<Secret256> {
    let text = text.expose().as_bytes();
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(Secret256::new(bytes))
}

/// Renders a site's introspection secret.
pub(crate) fn render_site_secret(secret: &Secret256) -> PlainText {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in secret.expose() {
        // Writing into a `String` cannot fail.
        let _ok = write!(text, "{byte:02x}");
    }
    PlainText::new(text)
}

fn in_doubt() -> Error {
    Error::Unavailable { cause: "the session's state is being settled".to_owned() }
}

fn caller(live: &LiveSession) -> Caller {
    let (user, member) = (live.person.load(), live.member.load());
    let session = &live.session;
    Caller {
        session: session.id,
        kind: session.kind,
        user: session.user,
        username: user.username.as_str().into(),
        site: session.site,
        role: member.role,
        token: session.token.map(|t| t.id),
        home: session.token.map(|t| t.home),
        expires_at: session.expires_at,
    }
}
