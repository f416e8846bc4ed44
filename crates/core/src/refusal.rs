//! Everything that a rule can refuse with: one variant per problem type, whatever surface renders it.
//!
//! Carries only what the refused caller may know; never a secret, a name that the caller did not send, or a site.

use crate::id::SessionId;
use crate::name::BadName;
use crate::time::Timestamp;

/// Why a rule refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Wrong secret, unknown token, unknown site, no membership, disabled: one and the same answer.
    #[error("the credentials are not accepted")]
    CredentialsRejected,
    /// Only after the right password, at an interactive sign-in.
    #[error("a code of the second factor is needed")]
    TotpRequired,
    /// Its token signed in again, or it was switched to another site.
    #[error("the session gave way to a newer one")]
    SessionSuperseded {
        /// When.
        ended_at: Timestamp,
        /// The session that took over.
        successor: Option<SessionId>,
    },
    /// Its holder signed out.
    #[error("the session was signed out")]
    SessionSignedOut {
        /// When.
        ended_at: Timestamp,
    },
    /// It reached its natural end.
    #[error("the session has expired")]
    SessionExpired {
        /// When.
        ended_at: Timestamp,
    },
    /// Revoked: itself, its token, its membership, or by an epoch or a policy.
    #[error("the session was revoked")]
    SessionRevoked {
        /// When, where that is known.
        ended_at: Option<Timestamp>,
    },
    /// The token lay unused too long.
    #[error("the token was not used for too long; mint a new one")]
    TokenExpiredIdle {
        /// When.
        ended_at: Timestamp,
    },
    /// The token reached its absolute end.
    #[error("the token has reached its end; mint a new one")]
    TokenExpiredAbsolute {
        /// When.
        ended_at: Timestamp,
    },
    /// Revoked: itself, or by an epoch or `not_before`.
    #[error("the token was revoked; mint a new one")]
    TokenRevoked {
        /// When, where that is known.
        ended_at: Option<Timestamp>,
    },
    /// The home site has tokens turned off.
    #[error("tokens are turned off at this token's home site")]
    TokensDisabled,
    /// A person with MFA signs in to programs with a token.
    #[error("an account with a second factor signs in here with a token, not with a password")]
    PasswordNotAllowedWithMfa,
    /// Only a session of a present person may do this.
    #[error("this needs an interactive session")]
    InteractiveRequired,
    /// The caller may not do this here.
    #[error("not permitted")]
    NotPermitted,
    /// The site mints no tokens at present.
    #[error("this site mints no tokens at present")]
    MintFrozen,
    /// The visited site takes no tokens of other sites.
    #[error("this site takes only tokens minted here")]
    ForeignTokenRefused,
    /// The current password was wrong.
    #[error("the current password is wrong")]
    CurrentPasswordWrong,
    /// The switch's target is unknown, not open to this caller, or takes no switched sessions: one answer.
    #[error("the session cannot be switched to this site")]
    SwitchRefused,
    /// The session is at the switch's target already.
    #[error("the session is at this site already")]
    AlreadyAtSite,
    /// Not there, or another site's: one and the same answer.
    #[error("not found")]
    NotFound,
    /// The owner has a live token of this name here.
    #[error("a live token has this name; choose another or revoke that one")]
    TokenNameTaken,
    /// The owner has as many live tokens here as the site allows.
    #[error("{limit} live tokens are the limit here; revoke one first")]
    TokenLimitReached {
        /// The site's limit.
        limit: u32,
    },
    /// The asked lifetime is not allowed.
    #[error("the lifetime must be 1 to {max_days} days here")]
    LifetimeOutOfRange {
        /// Whole days that the site allows at most; 0 where its limit is under a day.
        max_days: u32,
    },
    /// `issued_before` may not be in the future.
    #[error("`issued_before` lies in the future")]
    InFuture,
    /// Somebody has this user name.
    #[error("the username is taken")]
    UsernameTaken,
    /// A name breaks its rule.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// The person is a member already.
    #[error("this person is a member already")]
    AlreadyMember,
    /// The person has not accepted the invitation yet.
    #[error("this member has not redeemed the invitation yet")]
    MemberPending,
    /// Wrong, spent, replaced or expired invitation: one and the same answer.
    #[error("the invitation is not valid (any more); ask for a new one")]
    InvitationRejected,
    /// The person has no password yet and must choose one.
    #[error("choose a password to redeem this invitation")]
    PasswordRequired,
    /// There is a second factor already.
    #[error("a second factor is set up already; remove it first")]
    TotpAlreadyEnabled,
    /// There is no second factor to act on.
    #[error("no second factor is set up")]
    TotpNotEnabled,
}

impl Refusal {
    /// The problem's name: the last part of its type URN.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CredentialsRejected => "credentials-rejected",
            Self::TotpRequired => "totp-required",
            Self::SessionSuperseded { .. } => "session-superseded",
            Self::SessionSignedOut { .. } => "session-signed-out",
            Self::SessionExpired { .. } => "session-expired",
            Self::SessionRevoked { .. } => "session-revoked",
            Self::TokenExpiredIdle { .. } => "token-expired-idle",
            Self::TokenExpiredAbsolute { .. } => "token-expired-absolute",
            Self::TokenRevoked { .. } => "token-revoked",
            Self::TokensDisabled => "tokens-disabled",
            Self::PasswordNotAllowedWithMfa => "password-not-allowed-with-mfa",
            Self::InteractiveRequired => "interactive-required",
            Self::NotPermitted => "not-permitted",
            Self::MintFrozen => "mint-frozen",
            Self::ForeignTokenRefused => "foreign-token-refused",
            Self::CurrentPasswordWrong => "current-password-wrong",
            Self::SwitchRefused => "switch-refused",
            Self::AlreadyAtSite => "already-at-site",
            Self::NotFound => "not-found",
            Self::TokenNameTaken => "token-name-taken",
            Self::TokenLimitReached { .. } => "token-limit-reached",
            Self::LifetimeOutOfRange { .. } => "lifetime-out-of-range",
            Self::InFuture => "issued-before-in-future",
            Self::UsernameTaken => "username-taken",
            Self::BadName(_) => "bad-name",
            Self::AlreadyMember => "already-member",
            Self::MemberPending => "member-pending",
            Self::InvitationRejected => "invitation-rejected",
            Self::PasswordRequired => "password-required",
            Self::TotpAlreadyEnabled => "totp-already-enabled",
            Self::TotpNotEnabled => "totp-not-enabled",
        }
    }
}
