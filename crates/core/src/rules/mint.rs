//! Minting (R1): the owner is the person whose interactive session asks; there is no owner to pass.

use crate::changes::{Changes, Expect, Row};
use crate::event::EventType;
use crate::id::{TokenId, Version};
use crate::name::TokenName;
use crate::network::Network;
use crate::record::{MAX_TOKEN_LIFETIME, Session, Site, Token, TokenEpochs, Told};
use crate::refusal::Refusal;
use crate::rules::session::{SessionFacts, session_state};
use crate::rules::token::{dead_reason, idle_limit, retire_dead};
use crate::rules::{Caller, Context, Draft, Place, notice};
use crate::secret::PhcDigest;
use crate::time::Span;

/// What is asked for, and what the caller invents for it.
#[derive(Clone, Debug)]
pub struct Mint {
    /// A fresh id.
    pub id: TokenId,
    /// The name.
    pub name: TokenName,
    /// Digest of a fresh secret.
    pub digest: PhcDigest,
    /// Whole days; `None` for the longest that the site allows.
    pub lifetime_days: Option<u32>,
}

/// A minted token.
#[derive(Clone, Debug)]
pub struct Minted {
    /// To apply in the site's store.
    pub changes: Changes,
    /// The new row.
    pub token: Token,
}

/// Mints a token for the caller.
///
/// `open` are the caller's tokens here that are not ended; the dead ones among them are retired in the same
/// change. `sessions` are the sessions that those name, as far as they were read.
///
/// # Errors
/// The refusal that tells the caller what to change.
pub fn mint(
    cx: &mut Context<'_>,
    caller: Caller<'_>,
    site: &Site,
    open: &[Token],
    sessions: &[Session],
    ask: Mint,
) -> Result<Minted, Refusal> {
    caller.at(site.luid)?;
    let facts =
        SessionFacts { user: caller.user, visited: Place { site, member: caller.member }, home: None };
    session_state(caller.session, facts, cx.now)?;
    caller.interactive()?;
    let policy = &site.policy;
    if !policy.pat_enabled {
        return Err(Refusal::TokensDisabled);
    }
    if !policy.mint_allowed {
        return Err(Refusal::MintFrozen);
    }
    let lifetime = lifetime(ask.lifetime_days, policy.max_lifetime)?;

    let mut draft = Draft::default();
    let mut retired = Vec::new();
    let mut alive = Vec::new();
    // The new token's event comes first: its id is the change's.
    let minted = cx.event(EventType::TokenMinted, Some(site.luid)).of_user(caller.user.luid).of_token(ask.id);
    draft.events.push(minted);
    let own = |t: &&Token| t.owner == caller.user.luid && t.site == site.luid && t.ended.is_none();
    for token in open.iter().filter(own) {
        let dead = dead_reason(token, caller.user, caller.member, site, cx.now);
        if dead.is_some_and(|dead| retire_dead(cx, &mut draft, token, sessions, dead)) {
            retired.push(token.id);
        } else {
            alive.push(token);
        }
    }
    if alive.iter().any(|token| token.name == ask.name) {
        return Err(Refusal::TokenNameTaken);
    }
    let limit = policy.tokens_per_user;
    if alive.len() >= limit as usize {
        return Err(Refusal::TokenLimitReached { limit });
    }
    let token = Token {
        id: ask.id,
        site: site.luid,
        owner: caller.user.luid,
        name: ask.name,
        digest: ask.digest,
        created_at: cx.now,
        expires_at: cx.now.plus(lifetime),
        last_used_at: None,
        idle_limit: idle_limit(policy),
        session: None,
        ended: None,
        epochs: TokenEpochs {
            person: caller.user.access_epoch,
            member: caller.member.access_epoch,
            token: caller.member.token_epoch,
        },
        told: Told::default(),
        networks: Network::of(&cx.origin.address).into_iter().collect(),
        version: Version(1),
    };
    draft.events.push(notice::told_at_once(cx, EventType::NoticeTokenMinted, &token));
    draft.expect.push(Expect::LiveTokensAtMost {
        site: site.luid,
        owner: token.owner,
        max: limit - 1,
        besides: retired,
    });
    draft.insert(Row::Token(token.clone()));
    Ok(Minted { changes: draft.done(cx), token })
}

fn lifetime(days: Option<u32>, max: Span) -> Result<Span, Refusal> {
    let max = max.min(MAX_TOKEN_LIFETIME);
    let Some(days) = days else { return Ok(max) };
    let asked = Span::days(i64::from(days));
    if days == 0 || asked > max {
        let max_days = u32::try_from(max.0 / Span::days(1).0).unwrap_or(0);
        return Err(Refusal::LifetimeOutOfRange { max_days });
    }
    Ok(asked)
}
