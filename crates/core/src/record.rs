//! The records: what the stores keep, as core sees it. Plain data; the rules are in [`crate::rules`].

use crate::event::EndReason;
use crate::id::{Epoch, HomeNumber, InvitationId, SessionId, SiteLuid, TokenId, UserLuid, Version};
use crate::name::{ContentUrl, SiteRole, TokenName, Username};
use crate::network::Network;
use crate::notice::Muted;
use crate::secret::{FastDigest, PhcDigest};
use crate::time::{Span, Timestamp};

/// The longest life of a token (R4).
pub const MAX_TOKEN_LIFETIME: Span = Span::days(365);
/// The longest time a token may lie unused (R4).
pub const MAX_IDLE: Span = Span::days(15);

/// What a site allows. A policy may shorten R4's clocks, never lengthen them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Whether tokens at home here work at all.
    pub pat_enabled: bool,
    /// Whether new tokens may be minted.
    pub mint_allowed: bool,
    /// The longest life a new token may ask for.
    pub max_lifetime: Span,
    /// How long a token may lie unused.
    pub idle_limit: Span,
    /// How long a session lasts at most.
    pub session_lifetime: Span,
    /// Live tokens per owner; more are refused, none is evicted.
    pub tokens_per_user: u32,
    /// Whether tokens at home elsewhere may sign in here.
    pub foreign_tokens: bool,
    /// Whether a session may be switched to this site.
    pub switch_site: bool,
}

/// Whether a site is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SiteState {
    /// In the config and served.
    Active,
    /// Left the config: unknown to all until it comes back.
    Suspended,
    /// Deleted for ever; the row stays so that its LUID and number are never reused.
    Deleted,
}

/// A site's own credential for introspection (HTTP Basic).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SiteCredential {
    /// The user name of HTTP Basic.
    pub client_id: String,
    /// SHA-256 of the 256-bit secret.
    pub digest: FastDigest,
}

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// Never changes.
    pub luid: SiteLuid,
    /// The table's key in the config file.
    pub key: String,
    /// Slug, matched without case.
    pub content_url: ContentUrl,
    /// For people.
    pub name: String,
    /// In token secrets minted here.
    pub home: HomeNumber,
    /// Served or not.
    pub state: SiteState,
    /// What it allows.
    pub policy: Policy,
    /// Tokens minted before this are dead.
    pub not_before: Timestamp,
    /// For introspection.
    pub credential: Option<SiteCredential>,
    /// When it first appeared in the config.
    pub created_at: Timestamp,
    /// Row version.
    pub version: Version,
}

/// A person; one identity for the whole daemon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Never changes.
    pub luid: UserLuid,
    /// Unique without case; may change (R10).
    pub username: Username,
    /// For people; may be empty.
    pub full_name: String,
    /// May be empty.
    pub email: String,
    /// Disabled by an operator: no sign-in at any site.
    pub disabled: bool,
    /// Rises with every disable.
    pub access_epoch: Epoch,
    /// Rises when the password or MFA changes; ends password and interactive sessions, never token sessions.
    pub credential_epoch: Epoch,
    /// The notices that the person does not want by mail.
    pub muted: Muted,
    /// When first invited.
    pub created_at: Timestamp,
    /// Row version.
    pub version: Version,
}

/// Where a membership stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberState {
    /// Invited, not yet joined.
    Pending,
    /// May sign in (unless `Unlicensed`).
    Active,
    /// Disabled by a site admin.
    Disabled,
    /// Removed; the row stays so that its epochs go on from where they are.
    Removed,
}

/// A person in one site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// The site.
    pub site: SiteLuid,
    /// The person.
    pub user: UserLuid,
    /// What the person may do there.
    pub role: SiteRole,
    /// Where it stands.
    pub state: MemberState,
    /// Rises with disable, remove and unlicense.
    pub access_epoch: Epoch,
    /// Rises with revoke-all.
    pub token_epoch: Epoch,
    /// When invited last.
    pub created_at: Timestamp,
    /// Row version.
    pub version: Version,
}

/// A person's password, as a digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Password {
    /// Whose.
    pub user: UserLuid,
    /// PHC digest.
    pub digest: PhcDigest,
    /// When set.
    pub changed_at: Timestamp,
    /// Row version.
    pub version: Version,
}

/// A person's second factor (RFC 6238).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Totp {
    /// Whose.
    pub user: UserLuid,
    /// The shared secret, sealed under the daemon's key.
    pub sealed_secret: Vec<u8>,
    /// False until the person proved a code.
    pub confirmed: bool,
    /// The last time step spent; a code works once.
    pub last_step: u64,
    /// Unspent recovery codes, as digests.
    pub recovery: Vec<FastDigest>,
    /// Row version.
    pub version: Version,
}

/// What an invitation is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvitationKind {
    /// Join a site.
    Join,
    /// An operator lets a person set a new password and drop TOTP.
    Recover,
}

/// A single-use invitation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// Public id, part of its text.
    pub id: InvitationId,
    /// What for.
    pub kind: InvitationKind,
    /// The site to join; `None` for a recovery.
    pub site: Option<SiteLuid>,
    /// Whose.
    pub user: UserLuid,
    /// SHA-256 of its 256-bit secret.
    pub digest: FastDigest,
    /// When made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When redeemed or replaced.
    pub spent_at: Option<Timestamp>,
    /// Row version.
    pub version: Version,
}

/// How and when something ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
    /// The session that took over, where one did.
    pub successor: Option<SessionId>,
}

/// The epochs that a decision read; any difference later is death.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TokenEpochs {
    /// The person's `access_epoch`.
    pub person: Epoch,
    /// The home membership's `access_epoch`.
    pub member: Epoch,
    /// The home membership's `token_epoch`.
    pub token: Epoch,
}

/// The least number of days before each end that the owner of a token was told of, if any: each notice goes out once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Before its absolute end.
    pub absolute_days: Option<u16>,
    /// Before the end of lying unused; forgotten with each use.
    pub idle_days: Option<u16>,
}

/// A personal access token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Public id.
    pub id: TokenId,
    /// Home site.
    pub site: SiteLuid,
    /// The person who minted it.
    pub owner: UserLuid,
    /// Unique among the owner's live tokens here.
    pub name: TokenName,
    /// PHC digest of its secret.
    pub digest: PhcDigest,
    /// When minted.
    pub created_at: Timestamp,
    /// The absolute end.
    pub expires_at: Timestamp,
    /// When last signed in with.
    pub last_used_at: Option<Timestamp>,
    /// The idle limit in force at the last sign-in or at minting.
    pub idle_limit: Span,
    /// The one session that may be live.
    pub session: Option<SessionId>,
    /// Set once, when it ends.
    pub ended: Option<Ended>,
    /// What the mint read.
    pub epochs: TokenEpochs,
    /// What the owner was told of its ends.
    pub told: Told,
    /// Where it was minted and used, the newest last.
    pub networks: Vec<Network>,
    /// Row version.
    pub version: Version,
}

/// What a session came from and may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SessionKind {
    /// Signed in with a token.
    Token,
    /// Signed in with a password, by a program.
    Password,
    /// A person is present; the only kind that can mint, and never accepted by a site's server.
    Interactive,
}

impl SessionKind {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
            Self::Interactive => "interactive",
        }
    }
}

/// The epochs that a sign-in read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionEpochs {
    /// The person's `access_epoch`.
    pub person: Epoch,
    /// The person's `credential_epoch`; zero and unused for a token session.
    pub credential: Epoch,
    /// The visited membership's `access_epoch`.
    pub member: Epoch,
    /// The home membership's `access_epoch`; as `member` without a token.
    pub home_member: Epoch,
    /// The home membership's `token_epoch`; zero without a token.
    pub token: Epoch,
}

/// What a token session keeps of its token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionToken {
    /// The token.
    pub id: TokenId,
    /// Its home site, whose store keeps this session.
    pub home: SiteLuid,
    /// When the token was minted (compared with the home site's `not_before`).
    pub minted_at: Timestamp,
    /// The token's absolute end.
    pub expires_at: Timestamp,
    /// When it dies of lying unused, if this session's sign-in was its last use.
    pub idle_expires_at: Timestamp,
}

/// What sign-in gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Public id.
    pub id: SessionId,
    /// What it came from.
    pub kind: SessionKind,
    /// Its token; `Some` exactly for [`SessionKind::Token`].
    pub token: Option<SessionToken>,
    /// Who.
    pub user: UserLuid,
    /// The site it is open at.
    pub site: SiteLuid,
    /// SHA-256 of its 256-bit secret.
    pub digest: FastDigest,
    /// When opened.
    pub created_at: Timestamp,
    /// Its natural end.
    pub expires_at: Timestamp,
    /// Set when it ended before that.
    pub ended: Option<Ended>,
    /// What the sign-in read.
    pub epochs: SessionEpochs,
    /// Row version.
    pub version: Version,
}
