//! The one application error: what a use-case can end with other than success. Knows nothing of HTTP; each surface
//! renders it in one place.

use patd_core::id::SessionId;
use patd_core::time::Timestamp;

/// Why a use-case refused or failed. A variant exists only where a caller acts differently on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No credential was sent.
    #[error("no credential was sent")]
    CredentialsRequired,
    /// Wrong secret, unknown token, user or site, no membership: one answer for all.
    #[error("the credential was not accepted")]
    CredentialsRejected,
    /// The right password, at an interactive sign-in, without the code of a user with MFA.
    #[error("this account needs a one-time code")]
    TotpRequired,
    /// Another sign-in with the same token took over.
    #[error("another sign-in with the same token ended this session")]
    SessionSuperseded {
        /// When.
        at: Timestamp,
        /// The session that took over.
        successor: Option<SessionId>,
    },
    /// The holder signed out or switched site.
    #[error("this session was signed out")]
    SessionSignedOut {
        /// When.
        at: Timestamp,
    },
    /// Its time is over.
    #[error("this session has expired")]
    SessionExpired,
    /// Ended by a decision.
    #[error("this session was revoked")]
    SessionRevoked {
        /// When, where it is known.
        at: Option<Timestamp>,
    },
    /// Unused for too long.
    #[error("this token lay unused too long")]
    TokenExpiredIdle {
        /// When it died.
        at: Timestamp,
    },
    /// Too old.
    #[error("this token reached its end")]
    TokenExpiredAbsolute {
        /// When it died.
        at: Timestamp,
    },
    /// Revoked.
    #[error("this token was revoked")]
    TokenRevoked {
        /// When, where it is known.
        at: Option<Timestamp>,
    },
    /// A user with MFA signs in by token.
    #[error("an account with multi-factor authentication signs in with a token, not a password")]
    PasswordNotAllowedWithMfa,
    /// Only a person who is present may do this.
    #[error("this needs an interactive session")]
    InteractiveRequired,
    /// Not allowed to this caller.
    #[error("not permitted: {0}")]
    NotPermitted(&'static str),
    /// The site mints no tokens now.
    #[error("this site does not mint tokens now")]
    MintFrozen,
    /// The site takes no tokens at home elsewhere.
    #[error("this site does not accept tokens of other sites")]
    ForeignTokenRefused,
    /// The current password was wrong.
    #[error("the current password is wrong")]
    CurrentPasswordWrong,
    /// The session belongs to another site (`verify` only).
    #[error("this session belongs to another site")]
    SessionOfAnotherSite,
    /// No such thing here; also what belongs to another site (R8).
    #[error("no such {0} here")]
    NotFound(&'static str),
    /// The owner has a live token of this name.
    #[error("a live token has this name already")]
    TokenNameTaken,
    /// The owner has as many live tokens as the site allows.
    #[error("there are {limit} live tokens already, as many as this site allows")]
    TokenLimitReached {
        /// The site's limit.
        limit: u32,
    },
    /// Somebody has this user name.
    #[error("this username is taken")]
    UsernameTaken,
    /// Already a member.
    #[error("this user is a member already")]
    AlreadyMember,
    /// Switching to the site where the session is.
    #[error("the session is at this site already")]
    AlreadyAtSite,
    /// The switch's target is unknown, unavailable or takes no switches.
    #[error("the session cannot be switched to this site")]
    SwitchRefused,
    /// TOTP stands otherwise than the call needs.
    #[error("{0}")]
    TotpState(&'static str),
    /// A value breaks a rule.
    #[error("`{field}`: {reason}")]
    BadValue {
        /// The member of the body.
        field: &'static str,
        /// Which rule.
        reason: String,
    },
    /// A cursor, limit or page that makes no sense.
    #[error("`{field}`: {reason}")]
    BadRequest {
        /// The parameter.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Too many failed attempts.
    #[error("too many attempts; try again in {retry_after_s} s")]
    TooManyAttempts {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// A sink has no room for what this would tell it, and its site wants nothing that it does not hear of.
    #[error("as many audit events wait for delivery as this site allows")]
    AuditUnavailable,
    /// As many live streams are open as may be.
    #[error("{of} has {limit} live streams open, as many as it may")]
    TooManyStreams {
        /// Whose limit it is.
        of: &'static str,
        /// The limit.
        limit: u32,
    },
    /// A stream cannot go on after an event that is not known here.
    #[error("no event of this site has the id to go on after")]
    UnknownEvent,
    /// A store, a hasher or the outcome of a write is not to be had now: a refusal, not a verdict (R9).
    #[error("temporarily unavailable")]
    Unavailable {
        /// For the log only.
        cause: String,
    },
}

/// What a use-case answers.
pub type Result<T> = std::result::Result<T, Error>;
