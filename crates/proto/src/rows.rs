//! The rows and events that stores keep, as they cross the plug-in boundary.
//!
//! Mirrors of the domain's records, apart from them so that either can change without the other noticing by
//! accident. Times and spans are microseconds, ids are UUID text, words are the domain's own (`ended-reason`,
//! roles, event types): a store keeps them and never judges them. Unknown members are ignored.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::wire::{Bytes, Micros, Nat, Phc};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word, on the wire and in stores.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads the word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    )+};
}

words! {
    /// Whether a site is served.
    SiteState {
        /// Served.
        Active = "active",
        /// Left the config.
        Suspended = "suspended",
        /// Deleted for ever.
        Deleted = "deleted",
    }
    /// Where a membership stands.
    MemberState {
        /// Invited, not yet joined.
        Pending = "pending",
        /// Joined.
        Active = "active",
        /// Disabled by a site admin.
        Disabled = "disabled",
        /// Removed; the row stays.
        Removed = "removed",
    }
    /// What an invitation is for.
    InvitationKind {
        /// Join a site.
        Join = "join",
        /// Set a new password.
        Recover = "recover",
    }
    /// What a session came from.
    SessionKind {
        /// A token.
        Token = "token",
        /// A password, by a program.
        Password = "password",
        /// A person.
        Interactive = "interactive",
    }
}

/// What a site allows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// Whether tokens at home here work.
    pub pat_enabled: bool,
    /// Whether new tokens may be minted.
    pub mint_allowed: bool,
    /// The longest life of a new token.
    pub max_lifetime: Micros,
    /// How long a token may lie unused.
    pub idle_limit: Micros,
    /// How long a session lasts at most.
    pub session_lifetime: Micros,
    /// Live tokens per owner.
    pub tokens_per_user: u32,
    /// Whether tokens at home elsewhere may sign in here.
    pub foreign_tokens: bool,
    /// Whether a session may be switched to this site.
    pub switch_site: bool,
}

/// A site's own credential.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SiteCredential {
    /// User name of HTTP Basic.
    pub client_id: String,
    /// SHA-256 of the secret.
    pub digest: Bytes,
}

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Site {
    /// Primary key.
    pub luid: Uuid,
    /// The table's key in the config file.
    pub key: String,
    /// Unique without (ASCII) case.
    pub content_url: String,
    /// For people.
    pub name: String,
    /// Unique.
    pub home: u32,
    /// Served or not.
    pub state: SiteState,
    /// What it allows.
    pub policy: Policy,
    /// Tokens minted before this are dead.
    pub not_before: Micros,
    /// For introspection.
    pub credential: Option<SiteCredential>,
    /// When it first appeared.
    pub created_at: Micros,
    /// Row version.
    pub version: Nat,
}

/// A person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// Primary key.
    pub luid: Uuid,
    /// Unique without (ASCII) case.
    pub username: String,
    /// May be empty.
    pub full_name: String,
    /// May be empty.
    pub email: String,
    /// By an operator.
    pub disabled: bool,
    /// Rises with every disable.
    pub access_epoch: Nat,
    /// Rises when the password or MFA changes.
    pub credential_epoch: Nat,
    /// Names of notices that the person does not want by mail.
    pub muted: Vec<String>,
    /// When first invited.
    pub created_at: Micros,
    /// Row version.
    pub version: Nat,
}

/// A person in one site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// Primary key, first half.
    pub site: Uuid,
    /// Primary key, second half.
    pub user: Uuid,
    /// A site role.
    pub role: String,
    /// Where it stands.
    pub state: MemberState,
    /// Rises with disable, remove and unlicense.
    pub access_epoch: Nat,
    /// Rises with revoke-all.
    pub token_epoch: Nat,
    /// When invited last.
    pub created_at: Micros,
    /// Row version.
    pub version: Nat,
}

/// A password's digest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Password {
    /// Primary key.
    pub user: Uuid,
    /// PHC digest.
    pub digest: Phc,
    /// When set.
    pub changed_at: Micros,
    /// Row version.
    pub version: Nat,
}

/// A second factor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Totp {
    /// Primary key.
    pub user: Uuid,
    /// Sealed under the daemon's key.
    pub sealed_secret: Bytes,
    /// False until a code was proved.
    pub confirmed: bool,
    /// The last time step spent.
    pub last_step: Nat,
    /// Digests of the unspent recovery codes.
    pub recovery: Vec<Bytes>,
    /// Row version.
    pub version: Nat,
}

/// A single-use invitation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invitation {
    /// Primary key.
    pub id: Uuid,
    /// What for.
    pub kind: InvitationKind,
    /// The site to join; none for a recovery.
    pub site: Option<Uuid>,
    /// Whose.
    pub user: Uuid,
    /// SHA-256 of its secret.
    pub digest: Bytes,
    /// When made.
    pub created_at: Micros,
    /// When it stops working.
    pub expires_at: Micros,
    /// When redeemed or replaced.
    pub spent_at: Option<Micros>,
    /// Row version.
    pub version: Nat,
}

/// How and when something ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Micros,
    /// Why, as a word.
    pub reason: String,
    /// The session that took over.
    pub successor: Option<Uuid>,
}

/// What the mint of a token read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TokenEpochs {
    /// The person's.
    pub person: Nat,
    /// The home membership's access epoch.
    pub member: Nat,
    /// The home membership's token epoch.
    pub token: Nat,
}

/// What the owner of a token was told of its ends: the least number of days before each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Before its absolute end.
    pub absolute_days: Option<u16>,
    /// Before the end of lying unused.
    pub idle_days: Option<u16>,
}

/// A personal access token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Primary key.
    pub id: Uuid,
    /// Home site.
    pub site: Uuid,
    /// Who minted it.
    pub owner: Uuid,
    /// Unique, compared exactly, among the owner's tokens here that are not ended.
    pub name: String,
    /// PHC digest of its secret.
    pub digest: Phc,
    /// When minted.
    pub created_at: Micros,
    /// The absolute end.
    pub expires_at: Micros,
    /// When last signed in with.
    pub last_used_at: Option<Micros>,
    /// The idle limit in force.
    pub idle_limit: Micros,
    /// When time next asks something of it: a notice, or its end. `due_tokens` goes by it.
    pub due_at: Micros,
    /// What its owner was told.
    pub told: Told,
    /// The networks that it was used in, as text.
    pub networks: Vec<String>,
    /// The one session that may be live.
    pub session: Option<Uuid>,
    /// Set once.
    pub ended: Option<Ended>,
    /// What the mint read.
    pub epochs: TokenEpochs,
    /// Row version.
    pub version: Nat,
}

/// What a sign-in read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionEpochs {
    /// The person's access epoch.
    pub person: Nat,
    /// The person's credential epoch.
    pub credential: Nat,
    /// The visited membership's access epoch.
    pub member: Nat,
    /// The home membership's access epoch.
    pub home_member: Nat,
    /// The home membership's token epoch.
    pub token: Nat,
}

/// What a token session keeps of its token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionToken {
    /// The token; at most one session of it is not ended.
    pub id: Uuid,
    /// Its home site.
    pub home: Uuid,
    /// When it was minted.
    pub minted_at: Micros,
    /// Its absolute end.
    pub expires_at: Micros,
    /// Its end if it is not used again.
    pub idle_expires_at: Micros,
}

/// What sign-in gives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Primary key.
    pub id: Uuid,
    /// What it came from.
    pub kind: SessionKind,
    /// Present exactly for the kind `token`.
    pub token: Option<SessionToken>,
    /// Who.
    pub user: Uuid,
    /// The site it is open at.
    pub site: Uuid,
    /// SHA-256 of its secret.
    pub digest: Bytes,
    /// When opened.
    pub created_at: Micros,
    /// Its natural end.
    pub expires_at: Micros,
    /// Set when it ended before that.
    pub ended: Option<Ended>,
    /// What the sign-in read.
    pub epochs: SessionEpochs,
    /// Row version.
    pub version: Nat,
}

/// Who did it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A signed-in person.
    User {
        /// Who.
        luid: Uuid,
        /// The name of that moment.
        username: String,
    },
    /// Whoever runs the daemon.
    Operator,
    /// The daemon itself.
    System,
    /// Nobody known.
    Anonymous,
}

/// One audit event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Unique.
    pub id: Uuid,
    /// When.
    pub time: Micros,
    /// The site whose admins see it.
    pub site: Option<Uuid>,
    /// The CloudEvents type, as a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// By whom.
    pub actor: Actor,
    /// The affected person.
    pub user: Option<Uuid>,
    /// The affected token.
    pub token: Option<Uuid>,
    /// The affected session.
    pub session: Option<Uuid>,
    /// The client's address; may be empty.
    pub address: String,
    /// The client's user agent; may be empty.
    pub user_agent: String,
    /// Why, or what changed.
    pub reason: String,
    /// How many times.
    pub count: u32,
    /// What its type tells besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<EventDetail>>,
    /// The place in the order of commits; rises over all stores of one daemon, never in one store alone.
    #[serde(default)]
    pub seq: Nat,
}

/// What events of some types tell besides; members without a value are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventDetail {
    /// Which of a token's ends comes near, as a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// Whole days until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// When the token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Micros>,
    /// The token's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_name: Option<String>,
    /// A network in CIDR notation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Where a leak was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_at: Option<String>,
    /// Live tokens of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
    /// Those that end soon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiring: Option<u32>,
    /// Those that were not used lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused: Option<u32>,
    /// A site's `not_before` from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Micros>,
    /// What it was until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before_was: Option<Micros>,
    /// A signed checkpoint, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
}
