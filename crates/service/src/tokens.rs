//! Tokens: mint, list, revoke.

use patd_core::event::EndReason;
use patd_core::id::{SiteLuid, TokenId, UserLuid};
use patd_core::name::TokenName;
use patd_core::record::{Policy, Session, Token};
use patd_core::rules::mint::{Mint, mint};
use patd_core::rules::revoke;
use patd_core::rules::token::{absolute_end, dead_reason, idle_end};
use patd_core::time::{Span, Timestamp};
use patd_core::token_text::TokenText;
use zeroize::Zeroizing;

use crate::decide::{TRIES, contended, final_conflict};
use crate::error::{Error, Result};
use crate::facts::{ask, nonsense};
use crate::paging;
use crate::ports::{Found, Query};
use crate::service::{Service, require_admin, require_admin_or_self};
use crate::view::{Caller, From, Minted, Page, PageRequest, TokenView};

/// How long ended tokens are listed.
const LIST_ENDED: Span = Span::days(30);

/// Whether a token is dead: why, and since when.
pub(crate) type Dead = Option<(EndReason, Timestamp)>;

/// Whose tokens a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The caller's own.
    Myself,
    /// One member's (a site admin, or the member).
    User(UserLuid),
    /// Everybody's (a site admin).
    All,
}

/// What revoke-before did, or would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedBefore {
    /// Tokens that it ends.
    pub tokens: u64,
    /// Live sessions that it ends.
    pub sessions: u64,
}

impl Service {
    /// Mints a token for the caller, at home in `site` (R1: there is no owner parameter).
    ///
    /// # Errors
    /// `InteractiveRequired`, `NotFound`, `BadValue`, `TokenNameTaken`, `TokenLimitReached`, `MintFrozen`,
    /// `Unavailable`.
    pub async fn mint(
        &self,
        caller: &Caller,
        site: SiteLuid,
        name: &str,
        lifetime_days: Option<u32>,
        from: From,
    ) -> Result<Minted> {
        if caller.kind != patd_core::record::SessionKind::Interactive {
            return Err(Error::InteractiveRequired);
        }
        let name = TokenName::parse(name)
            .map_err(|bad| Error::BadValue { field: "name", reason: bad.to_string() })?;
        let runtime = self.served(site)?;
        let secret = self.fresh_secret();
        let plain = Zeroizing::new(secret.expose().to_vec());
        let digest = self.world.hashers.create(&*self.random, &runtime.token_hasher, plain).await?;
        let id = TokenId(self.fresh_uuid());
        for _ in 0..TRIES {
            let open = self.tokens_found(&*runtime.store, Query::OpenTokensOf(site, caller.user)).await?;
            let sessions = self.sessions_of(&*runtime.store, &open).await?;
            let (acting, row) = (self.acting(caller)?, runtime.row.load_full());
            let ask = Mint { id, name: name.clone(), digest: digest.clone(), lifetime_days };
            let minted =
                self.decide_for(caller, &from, |cx| mint(cx, acting.caller(), &row, &open, &sessions, ask))?;
            match self.world.commit(&runtime.store, minted.changes, ()).await? {
                Ok(()) => {
                    let text = TokenText { home: row.home, id, secret };
                    let token = token_view(&minted.token, &caller.username, &row.policy);
                    return Ok(Minted { token, secret: text.render() });
                }
                Err(conflict) => {
                    if let Some(answer) = final_conflict(&conflict, row.policy.tokens_per_user) {
                        return Err(answer);
                    }
                }
            }
        }
        Err(contended())
    }

    /// Lists tokens at home in `site`, newest first; `ended` adds those that ended in the last 30 days.
    ///
    /// # Errors
    /// `NotPermitted`, `NotFound`, `BadRequest` (cursor), `Unavailable`.
    pub async fn tokens(
        &self,
        caller: &Caller,
        site: SiteLuid,
        owner: Owner,
        ended: bool,
        page: PageRequest,
    ) -> Result<Page<TokenView>> {
        let owner = match owner {
            Owner::Myself => Some(caller.user),
            Owner::User(user) => {
                require_admin_or_self(caller, site, user)?;
                if self.membership_row(site, user).await?.is_none() {
                    return Err(Error::NotFound("user"));
                }
                Some(user)
            }
            Owner::All => {
                require_admin(caller, site)?;
                None
            }
        };
        let runtime = self.served(site)?;
        let now = self.now();
        let mut after = paging::row(page.cursor.as_deref())?.map(|(time, id)| (time, TokenId(id)));
        let policy = runtime.row.load().policy.clone();
        let mut rows: Vec<(Token, Dead, String)> = Vec::new();
        // Dead rows that nobody has retired yet are not listed as live; so a page may need several reads.
        loop {
            let ended_since = ended.then(|| now.minus(LIST_ENDED));
            let limit = page.limit + 1;
            let batch = self
                .tokens_found(&*runtime.store, Query::Tokens { site, owner, ended_since, after, limit })
                .await?;
            let full = batch.len() >= limit as usize;
            after = batch.last().map(|t| (t.created_at, t.id));
            for token in batch {
                let (dead, username) = self.dead(&runtime.row.load(), &token, now).await?;
                if dead.is_none() || ended {
                    rows.push((token, dead, username));
                }
            }
            if !full || rows.len() > page.limit as usize {
                break;
            }
        }
        Ok(paging::page(
            rows,
            page.limit,
            |(token, ..)| paging::after_row(token.created_at, token.id.0),
            |(token, dead, username)| TokenView {
                ended: dead.map(|(reason, at)| (at, reason)),
                ..token_view(&token, &username, &policy)
            },
        ))
    }

    /// Revokes one token (its owner, or an admin of its home site) and ends its session.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn revoke(&self, caller: &Caller, site: SiteLuid, token: TokenId, from: From) -> Result<()> {
        let runtime = self.served(site)?;
        for _ in 0..TRIES {
            let found = ask(&*runtime.store, Query::TokenAndSession(token)).await?;
            let Found::TokensAndSessions(rows) = found else { return Err(nonsense(&*runtime.store)) };
            let (row, session) =
                rows.into_iter().next().filter(|(t, _)| t.site == site).ok_or(Error::NotFound("token"))?;
            let acting = self.acting(caller)?;
            let changes = self
                .decide_for(caller, &from, |cx| {
                    revoke::revoke_token(cx, acting.caller(), &row, session.as_ref())
                })
                .map_err(|e| if matches!(e, Error::NotFound(_)) { Error::NotFound("token") } else { e })?;
            if self.world.commit(&runtime.store, changes, ()).await?.is_ok() {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Revokes every token of a member at home in `site`: one write.
    ///
    /// # Errors
    /// `NotPermitted`, `NotFound`, `Unavailable`.
    pub async fn revoke_all(
        &self,
        caller: &Caller,
        site: SiteLuid,
        owner: UserLuid,
        from: From,
    ) -> Result<()> {
        require_admin_or_self(caller, site, owner)?;
        for _ in 0..TRIES {
            let member = self.membership_row(site, owner).await?.ok_or(Error::NotFound("user"))?;
            let acting = self.acting(caller)?;
            let changes =
                self.decide_for(caller, &from, |cx| revoke::revoke_all(cx, acting.caller(), &member))?;
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Revokes everything at home in `site` minted before a time; `dry_run` only counts.
    ///
    /// # Errors
    /// `NotPermitted`, `BadValue` (in the future), `Unavailable`.
    pub async fn revoke_before(
        &self,
        caller: &Caller,
        site: SiteLuid,
        issued_before: Timestamp,
        dry_run: bool,
        from: From,
    ) -> Result<RevokedBefore> {
        let runtime = self.served(site)?;
        for _ in 0..TRIES {
            let (acting, row) = (self.acting(caller)?, runtime.row.load_full());
            let changes = self.decide_for(caller, &from, |cx| {
                revoke::revoke_before(cx, acting.caller(), &row, issued_before)
            })?;
            let found = ask(&*runtime.store, Query::CountMintedBefore(site, issued_before)).await?;
            let Found::Counts(tokens, sessions) = found else { return Err(nonsense(&*runtime.store)) };
            let counted = RevokedBefore { tokens, sessions };
            if dry_run || self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                return Ok(counted);
            }
        }
        Err(contended())
    }

    pub(crate) async fn tokens_found(
        &self,
        store: &dyn crate::ports::Store,
        query: Query,
    ) -> Result<Vec<Token>> {
        match ask(store, query).await? {
            Found::Tokens(tokens) => Ok(tokens),
            _ => Err(nonsense(store)),
        }
    }

    /// The sessions that these tokens name, in one read.
    pub(crate) async fn sessions_of(
        &self,
        store: &dyn crate::ports::Store,
        tokens: &[Token],
    ) -> Result<Vec<Session>> {
        let queries: Vec<_> = tokens.iter().filter_map(|t| t.session).map(Query::Session).collect();
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        let mut sessions = Vec::new();
        for found in store.query(queries).await? {
            match found {
                Found::Sessions(rows) => sessions.extend(rows),
                _ => return Err(nonsense(store)),
            }
        }
        Ok(sessions)
    }

    /// Whether and how a token is dead, retired or not; with its owner's name of now.
    pub(crate) async fn dead(
        &self,
        home: &patd_core::record::Site,
        token: &Token,
        now: Timestamp,
    ) -> Result<(Dead, String)> {
        let directory = &*self.world.directory;
        let owner = self.world.facts.user(directory, token.owner).await?.map(|u| u.load_full());
        let member = self.membership_row(home.luid, token.owner).await?;
        let username = owner.as_ref().map_or_else(String::new, |u| u.username.as_str().to_owned());
        if let Some(ended) = token.ended {
            return Ok((Some((ended.reason, ended.at)), username));
        }
        let dead = match (&owner, &member) {
            (Some(owner), Some(member)) => dead_reason(token, owner, member, home, now),
            _ => Some((EndReason::Revoked, None)),
        };
        Ok((dead.map(|(reason, at)| (reason, at.unwrap_or(now))), username))
    }
}

/// A token as its owner sees it.
pub(crate) fn token_view(token: &Token, owner_username: &str, policy: &Policy) -> TokenView {
    TokenView {
        id: token.id,
        name: token.name.as_str().to_owned(),
        owner: token.owner,
        owner_username: owner_username.to_owned(),
        created_at: token.created_at,
        last_used_at: token.last_used_at,
        expires_at: absolute_end(token),
        idle_expires_at: idle_end(token, policy),
        ended: token.ended.map(|e| (e.at, e.reason)),
    }
}
