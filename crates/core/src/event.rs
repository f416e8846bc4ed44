//! Audit events: what happened, to whom, by whom, from where. Never a secret.

use crate::id::{EventId, SessionId, SiteLuid, TokenId, UserLuid};
use crate::time::Timestamp;

/// Why a token or a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// Its token signed in again.
    Superseded,
    /// Its holder signed out.
    SignedOut,
    /// Switched to another site.
    Switched,
    /// Revoked: itself, its token, or by an epoch.
    Revoked,
    /// The token lay unused too long.
    ExpiredIdle,
    /// The token reached its absolute end.
    ExpiredAbsolute,
    /// The session reached its natural end.
    Expired,
}

impl EndReason {
    /// The name on the wire and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::SignedOut => "signed-out",
            Self::Switched => "switched",
            Self::Revoked => "revoked",
            Self::ExpiredIdle => "expired-idle",
            Self::ExpiredAbsolute => "expired-absolute",
            Self::Expired => "expired",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        use EndReason as R;
        [R::Superseded, R::SignedOut, R::Switched, R::Revoked, R::ExpiredIdle, R::ExpiredAbsolute, R::Expired]
            .into_iter()
            .find(|r| r.as_str() == text)
    }
}

/// The types of events; the name is `patd.` and [`EventType::as_str`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventType {
    /// A token was minted.
    TokenMinted,
    /// A token was revoked.
    TokenRevoked,
    /// A token expired.
    TokenExpired,
    /// A session was opened.
    SessionOpened,
    /// A session gave way to a newer one of its token.
    SessionSuperseded,
    /// A session's holder signed out.
    SessionSignedOut,
    /// A session ended otherwise.
    SessionEnded,
    /// Sign-ins failed (counted per minute).
    SigninFailed,
    /// A person was invited to a site, or to recover.
    UserInvited,
    /// A person joined.
    UserJoined,
    /// A role changed.
    UserRoleChanged,
    /// A membership or a person was disabled.
    UserDisabled,
    /// A membership or a person was enabled.
    UserEnabled,
    /// A membership was removed.
    UserRemoved,
    /// A person's own profile changed.
    UserProfileChanged,
    /// A password was set.
    UserPasswordChanged,
    /// TOTP was confirmed.
    UserTotpEnabled,
    /// TOTP was removed.
    UserTotpDisabled,
    /// A site was added, or its policy, name or credential changed.
    SitePolicyChanged,
    /// Everything minted before a time was revoked.
    SiteRevokedBefore,
    /// A plug-in was replaced.
    PluginReplaced,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 21] = [
        Self::TokenMinted,
        Self::TokenRevoked,
        Self::TokenExpired,
        Self::SessionOpened,
        Self::SessionSuperseded,
        Self::SessionSignedOut,
        Self::SessionEnded,
        Self::SigninFailed,
        Self::UserInvited,
        Self::UserJoined,
        Self::UserRoleChanged,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::UserRemoved,
        Self::UserProfileChanged,
        Self::UserPasswordChanged,
        Self::UserTotpEnabled,
        Self::UserTotpDisabled,
        Self::SitePolicyChanged,
        Self::SiteRevokedBefore,
        Self::PluginReplaced,
    ];

    /// The CloudEvents type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenMinted => "patd.token.minted",
            Self::TokenRevoked => "patd.token.revoked",
            Self::TokenExpired => "patd.token.expired",
            Self::SessionOpened => "patd.session.opened",
            Self::SessionSuperseded => "patd.session.superseded",
            Self::SessionSignedOut => "patd.session.signed_out",
            Self::SessionEnded => "patd.session.ended",
            Self::SigninFailed => "patd.signin.failed",
            Self::UserInvited => "patd.user.invited",
            Self::UserJoined => "patd.user.joined",
            Self::UserRoleChanged => "patd.user.role_changed",
            Self::UserDisabled => "patd.user.disabled",
            Self::UserEnabled => "patd.user.enabled",
            Self::UserRemoved => "patd.user.removed",
            Self::UserProfileChanged => "patd.user.profile_changed",
            Self::UserPasswordChanged => "patd.user.password_changed",
            Self::UserTotpEnabled => "patd.user.totp_enabled",
            Self::UserTotpDisabled => "patd.user.totp_disabled",
            Self::SitePolicyChanged => "patd.site.policy_changed",
            Self::SiteRevokedBefore => "patd.site.revoked_before",
            Self::PluginReplaced => "patd.plugin.replaced",
        }
    }

    /// Reads the CloudEvents type.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == text)
    }
}

/// Who did it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A signed-in person, with the name of that moment.
    User {
        /// Who.
        luid: UserLuid,
        /// The name then.
        username: String,
    },
    /// Whoever runs the daemon.
    Operator,
    /// patd itself (the sweeper, a start).
    System,
    /// Nobody known (a failed sign-in).
    Anonymous,
}

/// Where a request came from, for its events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// The client's address as text; empty when there is none.
    pub address: String,
    /// The `User-Agent`, cut to 256 characters.
    pub user_agent: String,
}

/// One audit event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Unique; time-ordered.
    pub id: EventId,
    /// When.
    pub time: Timestamp,
    /// The site whose admins see it; `None` for a person's own affairs.
    pub site: Option<SiteLuid>,
    /// What.
    pub kind: EventType,
    /// By whom.
    pub actor: Actor,
    /// The affected person.
    pub user: Option<UserLuid>,
    /// The affected token.
    pub token: Option<TokenId>,
    /// The affected session.
    pub session: Option<SessionId>,
    /// From where.
    pub origin: Origin,
    /// Why, or what changed; short text, never a secret.
    pub reason: String,
    /// How many times (only `signin.failed` counts above 1).
    pub count: u32,
}
