//! Helpers that every use-case shares: asking a rule, and who the caller is to the rules.

use std::sync::Arc;

use patd_core::changes::Conflict;
use patd_core::event::Actor;
use patd_core::record::{Membership, User};
use patd_core::refusal::Refusal;
use patd_core::rules::{self, Context};

use crate::error::{Error, Result};
use crate::live::LiveSession;
use crate::service::{Service, actor, event_ids};
use crate::view::{Caller, From};

/// How often a use-case reads again after a conflict before it gives up.
pub(crate) const TRIES: usize = 16;

/// The caller as the rules see it: one consistent look at its session, person and membership.
pub(crate) struct Acting {
    pub(crate) live: Arc<LiveSession>,
    pub(crate) user: Arc<User>,
    pub(crate) member: Arc<Membership>,
}

impl Acting {
    pub(crate) fn caller(&self) -> rules::Caller<'_> {
        rules::Caller { session: &self.live.session, user: &self.user, member: &self.member }
    }
}

impl Service {
    /// The caller's session and facts as they are now.
    pub(crate) fn acting(&self, caller: &Caller) -> Result<Acting> {
        let live = self.world.live.get(caller.session).ok_or(Error::SessionRevoked { at: None })?;
        if live.in_doubt() {
            return Err(Error::Unavailable { cause: "the session's state is in doubt".to_owned() });
        }
        let (user, member) = (live.person.load_full(), live.member.load_full());
        Ok(Acting { live, user, member })
    }

    /// Asks a rule, with the time of now and fresh event ids.
    pub(crate) fn decide<T>(&self, actor: Actor, from: &From, rule: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let now = self.now();
        let mut fresh = event_ids(now, &*self.random);
        rule(&mut Context { now, actor, origin: from.clone(), event_id: &mut fresh })
    }

    /// As [`Self::decide`], for a signed-in caller.
    pub(crate) fn decide_for<T>(
        &self,
        caller: &Caller,
        from: &From,
        rule: impl FnOnce(&mut Context<'_>) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        self.decide(actor(caller), from, rule).map_err(Error::from)
    }
}

/// What a use-case answers that met conflict after conflict.
pub(crate) fn contended() -> Error {
    Error::Unavailable { cause: "other changes kept coming in between; try again".to_owned() }
}

/// A conflict that is an answer, not a reason to read again.
pub(crate) fn final_conflict(conflict: &Conflict, limit: u32) -> Option<Error> {
    match conflict {
        Conflict::TooManyTokens => Some(Error::TokenLimitReached { limit }),
        Conflict::TokenNameTaken(_) => Some(Error::TokenNameTaken),
        Conflict::UsernameTaken => Some(Error::UsernameTaken),
        Conflict::Row(..) | Conflict::Unique(_) => None,
    }
}

impl std::convert::From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::CredentialsRejected | Refusal::InvitationRejected => Self::CredentialsRejected,
            Refusal::TotpRequired => Self::TotpRequired,
            Refusal::SessionSuperseded { ended_at: at, successor } => {
                Self::SessionSuperseded { at, successor }
            }
            Refusal::SessionSignedOut { ended_at: at } => Self::SessionSignedOut { at },
            Refusal::SessionExpired { .. } => Self::SessionExpired,
            Refusal::SessionRevoked { ended_at: at } => Self::SessionRevoked { at },
            Refusal::TokenExpiredIdle { ended_at: at } => Self::TokenExpiredIdle { at },
            Refusal::TokenExpiredAbsolute { ended_at: at } => Self::TokenExpiredAbsolute { at },
            Refusal::TokenRevoked { ended_at: at } => Self::TokenRevoked { at },
            Refusal::TokensDisabled => Self::NotPermitted("tokens are turned off at their home site"),
            Refusal::PasswordNotAllowedWithMfa => Self::PasswordNotAllowedWithMfa,
            Refusal::InteractiveRequired => Self::InteractiveRequired,
            Refusal::NotPermitted => {
                Self::NotPermitted("your role, or whom it concerns, does not allow this")
            }
            Refusal::MintFrozen => Self::MintFrozen,
            Refusal::ForeignTokenRefused => Self::ForeignTokenRefused,
            Refusal::CurrentPasswordWrong => Self::CurrentPasswordWrong,
            Refusal::SwitchRefused => Self::SwitchRefused,
            Refusal::AlreadyAtSite => Self::AlreadyAtSite,
            Refusal::NotFound => Self::NotFound("thing"),
            Refusal::TokenNameTaken => Self::TokenNameTaken,
            Refusal::TokenLimitReached { limit } => Self::TokenLimitReached { limit },
            Refusal::LifetimeOutOfRange { max_days } => {
                Self::BadValue { field: "lifetime_days", reason: format!("must be 1 to {max_days} here") }
            }
            Refusal::InFuture => {
                Self::BadValue { field: "issued_before", reason: "must not lie in the future".to_owned() }
            }
            Refusal::UsernameTaken => Self::UsernameTaken,
            Refusal::BadName(bad) => {
                use patd_core::name::BadName;
                let field = match bad {
                    BadName::Username => "username",
                    BadName::ContentUrl => "content_url",
                    BadName::TokenName => "name",
                };
                Self::BadValue { field, reason: bad.to_string() }
            }
            Refusal::AlreadyMember => Self::AlreadyMember,
            Refusal::MemberPending => {
                Self::BadValue { field: "disabled", reason: "this member has not joined yet".to_owned() }
            }
            Refusal::PasswordRequired => Self::BadValue {
                field: "password",
                reason: "is needed to redeem this invitation: a new person's first one, or the person's own"
                    .to_owned(),
            },
            Refusal::TotpAlreadyEnabled => Self::TotpState("TOTP is set up already; remove it first"),
            Refusal::TotpNotEnabled => Self::TotpState("TOTP is not set up"),
        }
    }
}
