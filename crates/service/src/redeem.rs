//! Redeeming an invitation: a new person sets the password, an existing one proves to be the person.
//!
//! Hashes the same for both, and once however often it has to read again: whoever holds an invitation learns neither from
//! the time nor from a delay who is known elsewhere.

use patd_core::event::Actor;
use patd_core::invitation_text::InvitationText;
use patd_core::record::{Invitation, InvitationKind, Password, SessionKind, Totp};
use patd_core::rules::password::Code;
use patd_core::rules::redeem::{self, Proof};
use patd_core::secret::{PhcDigest, PlainText};

use crate::decide::{Acting, TRIES, contended};
use crate::error::{Error, Result};
use crate::facts::{ask, nonsense};
use crate::ports::{Found, Query};
use crate::service::Service;
use crate::view::{Caller, From, SiteView};

/// What a redeemer proves.
#[derive(Debug)]
pub struct Redeem {
    /// The invitation's text.
    pub invitation: PlainText,
    /// A new person's new password, or an existing person's own.
    pub password: Option<PlainText>,
    /// An existing person's one-time code.
    pub totp: Option<PlainText>,
}

/// What was hashed in an earlier round.
#[derive(Default)]
struct Hashed {
    /// The digest of a new password.
    new: Option<PhcDigest>,
    /// Whether the password was the one of this digest.
    own: Option<(PhcDigest, bool)>,
}

impl Service {
    /// Redeems an invitation; `caller` is an own interactive session, where there is one. Answers the person's name
    /// and the site joined (`None` for a recovery).
    ///
    /// # Errors
    /// `CredentialsRejected`, `BadValue` (password rules), `TotpRequired`, `TooManyAttempts`, `Unavailable`.
    pub async fn redeem(
        &self,
        caller: Option<&Caller>,
        with: Redeem,
        from: From,
    ) -> Result<(String, Option<SiteView>)> {
        let Ok(text) = InvitationText::parse(with.invitation.expose()) else {
            return Err(Error::CredentialsRejected);
        };
        let directory = &*self.world.directory;
        let (mut attempt, mut hashed) = (None, Hashed::default());
        for _ in 0..TRIES {
            let Found::Invitations(rows) = ask(directory, Query::Invitation(text.id)).await? else {
                return Err(nonsense(directory));
            };
            let invitation = rows.into_iter().next().ok_or(Error::CredentialsRejected)?;
            if !invitation.digest.matches(&text.secret) {
                return Err(Error::CredentialsRejected);
            }
            let person =
                self.world.facts.user(directory, invitation.user).await?.ok_or(Error::CredentialsRejected)?;
            let user = person.load_full();
            if attempt.is_none() {
                attempt = Some(self.limits.begin(user.username.as_str(), &from.address, self.now())?);
            }
            let member = match invitation.site {
                Some(site) => self.membership_row(site, user.luid).await?,
                None => None,
            };
            let (password, totp) = (self.password_of(user.luid).await?, self.totp_of(user.luid).await?);
            let acting = match caller.filter(|c| c.kind == SessionKind::Interactive && c.user == user.luid) {
                Some(caller) => Some(self.acting(caller)?),
                None => None,
            };
            let held = (password.as_ref(), totp.as_ref());
            let proof = self.proof(&with, &invitation, held, acting.as_ref(), &mut hashed).await?;
            let who = Actor::User { luid: user.luid, username: user.username.as_str().to_owned() };
            let ask = redeem::Redeem {
                secret_ok: true,
                invitation: &invitation,
                user: &user,
                member: member.as_ref(),
                password: password.as_ref(),
                totp: totp.as_ref(),
                proof,
            };
            let changes = self.decide(who, &from, |cx| redeem::redeem(cx, ask))?;
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                if let Some(attempt) = &attempt {
                    self.limits.forgive(attempt);
                }
                let site = invitation.site.and_then(|site| self.site_view(site));
                return Ok((user.username.as_str().to_owned(), site));
            }
        }
        Err(contended())
    }

    async fn proof<'a>(
        &self,
        with: &Redeem,
        invitation: &Invitation,
        (password, totp): (Option<&Password>, Option<&Totp>),
        acting: Option<&'a Acting>,
        hashed: &mut Hashed,
    ) -> Result<Proof<'a>> {
        let hasher = match invitation.site.and_then(|site| self.world.site(site)) {
            Some(site) => site.password_hasher.clone(),
            None => self.default_password_hasher.load().as_str().to_owned(),
        };
        let typed = match (&with.password, acting) {
            (Some(typed), _) => typed,
            (None, Some(acting)) => return Ok(Proof::OwnSession(acting.caller())),
            (None, None) => return Ok(Proof::Nothing),
        };
        // Not to be the difference between the two below when it is made.
        self.dummy_digest(&hasher).await?;
        let known = password.filter(|_| invitation.kind != InvitationKind::Recover);
        let Some(known) = known else {
            let digest = match &hashed.new {
                Some(digest) => digest.clone(),
                None => self.hash_password(&hasher, "password", typed).await?,
            };
            hashed.new = Some(digest.clone());
            return Ok(Proof::NewPassword(digest));
        };
        let ok = match &hashed.own {
            Some((digest, ok)) if *digest == known.digest => *ok,
            _ => self.check_password(known.user, &hasher, typed).await?.0,
        };
        hashed.own = Some((known.digest.clone(), ok));
        let code = match &with.totp {
            Some(code) if ok => self.judge_code(totp, code),
            Some(_) => Code::Wrong,
            None => Code::Missing,
        };
        Ok(Proof::OwnPassword { ok, code })
    }
}
