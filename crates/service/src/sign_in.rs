//! Sign-in: by token, by password, by switching site; signing out.

use std::sync::Arc;

use patd_core::event::Actor;
use patd_core::id::SessionId;
use patd_core::name::Username;
use patd_core::record::{Membership, SessionKind, Site, Token, User};
use patd_core::rules::password::{Code, PasswordSignIn as PasswordRule, sign_in_with_password};
use patd_core::rules::session::sign_out;
use patd_core::rules::sign_in::{self as rule, TokenSignIn};
use patd_core::rules::switch::{Switch, switch_site};
use patd_core::rules::{NewSession, Place};
use patd_core::secret::{PhcDigest, PlainText, Secret256};
use patd_core::session_text::{SessionKey, SessionText};
use patd_core::token_text::TokenText;
use zeroize::Zeroizing;

use crate::decide::{TRIES, contended};
use crate::error::{Error, Result};
use crate::facts::{Fact, ask, nonsense};
use crate::failures::Failure;
use crate::hash_pool::Verdict;
use crate::ports::{Found, Query, Store};
use crate::service::{Service, SiteRef, site_view};
use crate::tokens::token_view;
use crate::view::{Caller, From, PasswordSignIn, SignedIn};
use crate::world::SiteRuntime;

impl Service {
    /// Exchanges a token for a session. A wrong `token_name`, where given, is a wrong secret.
    ///
    /// One read, one hash, one write; sign-ins with one token wait for each other, so losers of a race do not
    /// hash again.
    ///
    /// # Errors
    /// `CredentialsRejected`, the token's own end, `ForeignTokenRefused`, `Unavailable`.
    pub async fn sign_in_with_token(
        &self,
        site: SiteRef<'_>,
        secret: PlainText,
        token_name: Option<&str>,
        from: From,
    ) -> Result<SignedIn> {
        let Ok(text) = TokenText::parse(secret.expose()) else { return Err(Error::CredentialsRejected) };
        let sites = self.world.sites.load_full();
        let visited = sites.find(site.0).cloned();
        let Some(home) = sites.by_home(text.home).cloned() else { return Err(Error::CredentialsRejected) };
        let mut turn = Some(self.queue.turn(text.id).await);
        let mut verified: Option<(PhcDigest, Verdict)> = None;
        let directory = &*self.world.directory;
        for _ in 0..TRIES {
            let found = ask(&*home.store, Query::TokenAndSession(text.id)).await?;
            let Found::TokensAndSessions(rows) = found else { return Err(nonsense(&*home.store)) };
            let Some((token, previous)) = rows.into_iter().next() else {
                self.count_failure(visited.as_deref(), None, None, &from, "unknown-token");
                return Err(Error::CredentialsRejected);
            };
            let verdict = match &verified {
                Some((digest, verdict)) if *digest == token.digest => *verdict,
                _ => {
                    let secret = Zeroizing::new(text.secret.expose().to_vec());
                    let verdict =
                        self.world.hashers.verify(&home.token_hasher, &token.digest, secret).await?;
                    verified = Some((token.digest.clone(), verdict));
                    verdict
                }
            };
            let Some(owner) = self.world.facts.user(directory, token.owner).await? else {
                return Err(Error::CredentialsRejected);
            };
            let (home_row, owner_row) = (home.row.load_full(), owner.load_full());
            let Some(home_member) =
                self.world.facts.membership(directory, home_row.luid, owner_row.luid).await?
            else {
                return Err(Error::CredentialsRejected);
            };
            let home_member = home_member.load_full();
            let there = self.place_of(visited.as_deref(), owner_row.luid).await?;
            let before = previous.as_ref().and_then(|session| self.world.site(session.site));
            let before = self.place_of(before.as_deref(), owner_row.luid).await?;
            let (id, new_secret) = self.fresh_session();
            let ask = TokenSignIn {
                credential_ok: verdict != Verdict::Wrong,
                claimed_name: token_name,
                token: &token,
                previous: previous.as_ref(),
                previous_at: before.as_ref().map(|(site, member)| Place { site, member }),
                owner: &owner_row,
                home: Place { site: &home_row, member: &home_member },
                visited: there.as_ref().map(|(site, member)| Place { site, member }),
                new: NewSession { id, digest: new_secret.fast_digest() },
            };
            let who = Actor::User { luid: owner_row.luid, username: owner_row.username.as_str().to_owned() };
            let signed = match self.decide(who, &from, |cx| rule::sign_in_with_token(cx, ask)) {
                Ok(signed) => signed,
                Err(refusal) => {
                    self.count_failure(
                        visited.as_deref(),
                        Some(&owner_row),
                        Some(&token),
                        &from,
                        refusal.name(),
                    );
                    return Err(refusal.into());
                }
            };
            let Some(visited) = &visited else { return Err(Error::CredentialsRejected) };
            match self.world.commit(&home.store, signed.changes.clone(), turn.take()).await? {
                Ok(()) => {
                    if verdict == Verdict::RightButStale {
                        self.rehash_token(&home, &token, &text.secret);
                    }
                    return self.signed_in(signed, &new_secret, visited).await;
                }
                Err(_changed_meanwhile) => turn = Some(self.queue.turn(text.id).await),
            }
        }
        Err(contended())
    }

    /// Exchanges a password (and code) for a session.
    ///
    /// # Errors
    /// `CredentialsRejected`, `PasswordNotAllowedWithMfa`, `TotpRequired`, `TooManyAttempts`, `Unavailable`.
    pub async fn sign_in_with_password(
        &self,
        site: SiteRef<'_>,
        with: PasswordSignIn,
        from: From,
    ) -> Result<SignedIn> {
        let attempt = self.limits.begin(&with.username, &from.address, self.now())?;
        let visited = self.world.sites.load().find(site.0).cloned();
        let hasher = match &visited {
            Some(visited) => visited.password_hasher.clone(),
            None => self.default_password_hasher.load().as_str().to_owned(),
        };
        let hasher = hasher.as_str();
        let person = self.person_by_name(&with.username).await?;
        let luid = person.as_ref().map_or(patd_core::id::UserLuid(uuid::Uuid::nil()), |p| p.load().luid);
        let (password_ok, stale) = self.check_password(luid, hasher, &with.password).await?;
        let (Some(person), Some(visited)) = (person, &visited) else {
            self.count_failure(visited.as_deref(), None, None, &from, "unknown-user");
            return Err(Error::CredentialsRejected);
        };
        let directory = &*self.world.directory;
        for _ in 0..TRIES {
            let (user, site_row) = (person.load_full(), visited.row.load_full());
            let member = self.world.facts.membership(directory, site_row.luid, user.luid).await?;
            let member = member.map(|m| m.load_full());
            let totp = self.totp_of(user.luid).await?;
            let code = match &with.totp {
                Some(code) if password_ok => self.judge_code(totp.as_ref(), code),
                Some(_) => Code::Wrong,
                None => Code::Missing,
            };
            let (id, secret) = self.fresh_session();
            let ask = PasswordRule {
                password_ok,
                interactive: with.interactive,
                code,
                user: &user,
                totp: totp.as_ref(),
                visited: member.as_deref().map(|member| Place { site: &site_row, member }),
                new: NewSession { id, digest: secret.fast_digest() },
            };
            let who = Actor::User { luid: user.luid, username: user.username.as_str().to_owned() };
            let signed = match self.decide(who, &from, |cx| sign_in_with_password(cx, ask)) {
                Ok(signed) => signed,
                Err(refusal) => {
                    self.count_failure(Some(visited), Some(&user), None, &from, refusal.name());
                    return Err(refusal.into());
                }
            };
            if self.world.commit(&self.world.directory, signed.changes.clone(), ()).await?.is_ok() {
                // Only a whole sign-in clears the count: half of one would let codes be guessed without end.
                self.limits.forgive(&attempt);
                if let Some(old) = stale {
                    self.rehash_password(user.luid, hasher, old, &with.password);
                }
                return self.signed_in(signed, &secret, visited).await;
            }
        }
        Err(contended())
    }

    /// Signs the caller out.
    ///
    /// # Errors
    /// What ended the session meanwhile, `Unavailable`.
    pub async fn sign_out(&self, caller: &Caller, from: From) -> Result<()> {
        let store = self.world.store_of(caller.home).ok_or(Error::SessionRevoked { at: None })?;
        for _ in 0..TRIES {
            let mut queries = vec![Query::Session(caller.session)];
            queries.extend(caller.token.map(Query::Token));
            let mut found = store.query(queries).await?.into_iter();
            let Some(Found::Sessions(sessions)) = found.next() else { return Err(nonsense(&*store)) };
            let session = sessions.into_iter().next().ok_or(Error::SessionExpired)?;
            let token = match found.next() {
                Some(Found::Tokens(tokens)) => tokens.into_iter().next(),
                None => None,
                Some(_) => return Err(nonsense(&*store)),
            };
            let changes = self.decide_for(caller, &from, |cx| sign_out(cx, &session, token.as_ref()))?;
            if self.world.commit(&store, changes, ()).await?.is_ok() {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Moves the caller to another site: a new session, the old one ends.
    ///
    /// # Errors
    /// `AlreadyAtSite`, `SwitchRefused`, `Unavailable`.
    pub async fn switch_site(&self, caller: &Caller, target: SiteRef<'_>, from: From) -> Result<SignedIn> {
        let store = self.world.store_of(caller.home).ok_or(Error::SessionRevoked { at: None })?;
        let target = self.world.sites.load().find(target.0).cloned();
        for _ in 0..TRIES {
            let acting = self.acting(caller)?;
            let token = match caller.token {
                Some(id) => {
                    let Found::Tokens(tokens) = ask(&*store, Query::Token(id)).await? else {
                        return Err(nonsense(&*store));
                    };
                    tokens.into_iter().next()
                }
                None => None,
            };
            let (home_site, home_member) =
                (acting.live.home_site.load_full(), acting.live.home_member.load_full());
            let there = self.place_of(target.as_deref(), caller.user).await?;
            let (id, secret) = self.fresh_session();
            let ask = Switch {
                session: &acting.live.session,
                user: &acting.user,
                token: token.as_ref().map(|t| (t, Place { site: &home_site, member: &home_member })),
                target: there.as_ref().map(|(site, member)| Place { site, member }),
                new: NewSession { id, digest: secret.fast_digest() },
            };
            let signed = self.decide_for(caller, &from, |cx| switch_site(cx, ask))?;
            let Some(visited) = &target else { return Err(Error::SwitchRefused) };
            if self.world.commit(&store, signed.changes.clone(), ()).await?.is_ok() {
                return self.signed_in(signed, &secret, visited).await;
            }
        }
        Err(contended())
    }

    /// A site with a person's membership, where there is one.
    async fn place_of(
        &self,
        site: Option<&SiteRuntime>,
        user: patd_core::id::UserLuid,
    ) -> Result<Option<(Arc<Site>, Arc<Membership>)>> {
        let Some(site) = site else { return Ok(None) };
        let row = site.row.load_full();
        let member = self.world.facts.membership(&*self.world.directory, row.luid, user).await?;
        Ok(member.map(|member| (row, member.load_full())))
    }

    fn fresh_session(&self) -> (SessionId, Secret256) {
        (self.fresh_session_id(), self.fresh_secret())
    }

    /// The answer to a sign-in that is committed.
    async fn signed_in(
        &self,
        signed: rule::SignedIn,
        secret: &Secret256,
        visited: &SiteRuntime,
    ) -> Result<SignedIn> {
        let session = signed.session;
        let home = session.token.map(|t| t.home);
        let key = SessionKey {
            home: home.and_then(|luid| self.world.site(luid)).map(|site| site.row.load().home),
            session: session.id,
            token: session.token.map(|t| t.id),
        };
        let text = SessionText {
            mac: self.keys.session_mac(&key.mac_input()),
            key,
            secret: secret.clone(),
            site: session.site,
        };
        let user = self.user_view(session.site, session.user).await?;
        let token = match (signed.token, home.and_then(|luid| self.world.site(luid))) {
            (Some(token), Some(home)) => Some(token_view(&token, &user.username, &home.row.load().policy)),
            _ => None,
        };
        Ok(SignedIn {
            credential: text.render(),
            session: session.id,
            kind: session.kind,
            expires_at: session.expires_at,
            site: site_view(visited),
            user,
            token,
            superseded: signed.superseded.filter(|_| session.kind == SessionKind::Token),
        })
    }

    /// A person by user name in any case.
    pub(crate) async fn person_by_name(&self, username: &str) -> Result<Option<Fact<User>>> {
        let Ok(name) = Username::parse(username) else { return Ok(None) };
        let directory = &*self.world.directory;
        let Found::Users(users) = ask(directory, Query::UserByName(name.folded())).await? else {
            return Err(nonsense(directory));
        };
        Ok(users.into_iter().next().map(|user| self.world.facts.put_user(user)))
    }

    fn count_failure(
        &self,
        site: Option<&SiteRuntime>,
        user: Option<&User>,
        token: Option<&Token>,
        from: &From,
        reason: &'static str,
    ) {
        let Some(site) = site.map(|s| s.row.load().luid) else { return };
        let home_here = token.filter(|t| t.site == site);
        self.failures.count(Failure {
            site,
            user: user.map(|u| u.luid),
            token: home_here.map(|t| t.id),
            address: from.address.clone(),
            reason,
        });
    }

    /// Replaces a token's digest under the default hasher, later and only if it is still the old one.
    fn rehash_token(&self, home: &Arc<SiteRuntime>, token: &Token, secret: &Secret256) {
        let (home, hasher) = (Arc::clone(home), home.token_hasher.clone());
        let secret = Zeroizing::new(secret.expose().to_vec());
        let (id, old) = (token.id, token.digest.clone());
        self.rehash(hasher, secret, Arc::clone(&home.store), move |new| {
            patd_core::changes::Write::RehashToken(id, old, new)
        });
    }

    fn rehash_password(
        &self,
        user: patd_core::id::UserLuid,
        hasher: &str,
        old: PhcDigest,
        password: &PlainText,
    ) {
        let secret = Zeroizing::new(password.expose().as_bytes().to_vec());
        self.rehash(hasher.to_owned(), secret, Arc::clone(&self.world.directory), move |new| {
            patd_core::changes::Write::RehashPassword(user, old, new)
        });
    }

    fn rehash(
        &self,
        hasher: String,
        secret: Zeroizing<Vec<u8>>,
        store: Arc<dyn Store>,
        write: impl FnOnce(PhcDigest) -> patd_core::changes::Write + Send + 'static,
    ) {
        let (random, world) = (Arc::clone(&self.random), Arc::clone(&self.world));
        let id = self.fresh_uuid();
        self.tasks.spawn(async move {
            let result = match world.hashers.create(&*random, &hasher, secret).await {
                Ok(new) => {
                    let changes = patd_core::changes::Changes {
                        id,
                        expect: Vec::new(),
                        write: vec![write(new)],
                        events: Vec::new(),
                    };
                    world.commit(&store, changes, ()).await.map(drop)
                }
                Err(e) => Err(e),
            };
            if let Err(e) = result {
                tracing::warn!(error = ?e, "a digest stays under its old scheme for now");
            }
        });
    }
}
