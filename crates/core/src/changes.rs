//! The one message every store understands: if all expectations hold, apply all writes and append all events,
//! atomically; otherwise say which expectation failed.

use uuid::Uuid;

use crate::event::Event;
use crate::id::{InvitationId, SessionId, SiteLuid, TokenId, UserLuid};
use crate::name::TokenName;
use crate::record::{Invitation, Membership, Password, Session, Site, Token, Totp, User};
use crate::secret::PhcDigest;

/// A row of one of the closed row types.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// Directory.
    Site(Site),
    /// Directory.
    User(User),
    /// Directory.
    Membership(Membership),
    /// Directory.
    Password(Password),
    /// Directory.
    Totp(Totp),
    /// Directory.
    Invitation(Invitation),
    /// Site store.
    Token(Token),
    /// Site store with a token, directory without.
    Session(Session),
}

/// A row's primary key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RowKey {
    /// A site.
    Site(SiteLuid),
    /// A user.
    User(UserLuid),
    /// A membership.
    Membership(SiteLuid, UserLuid),
    /// A password.
    Password(UserLuid),
    /// A second factor.
    Totp(UserLuid),
    /// An invitation.
    Invitation(InvitationId),
    /// A token.
    Token(TokenId),
    /// A session.
    Session(SessionId),
}

impl Row {
    /// The row's primary key.
    #[must_use]
    pub fn key(&self) -> RowKey {
        match self {
            Self::Site(r) => RowKey::Site(r.luid),
            Self::User(r) => RowKey::User(r.luid),
            Self::Membership(r) => RowKey::Membership(r.site, r.user),
            Self::Password(r) => RowKey::Password(r.user),
            Self::Totp(r) => RowKey::Totp(r.user),
            Self::Invitation(r) => RowKey::Invitation(r.id),
            Self::Token(r) => RowKey::Token(r.id),
            Self::Session(r) => RowKey::Session(r.id),
        }
    }
}

/// Something that must hold for the change to be applied. Every `Update` and `Delete` also expects the version
/// that its row carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expect {
    /// This row is still exactly the one that was read.
    Version(RowKey, crate::id::Version),
    /// No such row.
    Absent(RowKey),
    /// At most `max` tokens of this owner at this site are not ended (counted before the writes).
    LiveTokensAtMost {
        /// Home site.
        site: SiteLuid,
        /// Owner.
        owner: UserLuid,
        /// The bound.
        max: u32,
        /// Tokens that this change retires and that do not count.
        besides: Vec<TokenId>,
    },
}

/// One write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// A new row, stored with version 1.
    Insert(Row),
    /// The row's new content; its `version` is the one that was read, the store keeps one more.
    Update(Row),
    /// The row with this key and this version goes.
    Delete(RowKey, crate::id::Version),
    /// A token's digest, if it still is `old`; does not change the row's version.
    RehashToken(TokenId, PhcDigest, PhcDigest),
    /// A password's digest, if it still is `old`; does not change the row's version.
    RehashPassword(UserLuid, PhcDigest, PhcDigest),
}

/// A unit of work. Applying the same `id` twice is applying it once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes {
    /// The idempotency key: the first event's id where there is one.
    pub id: Uuid,
    /// What must hold.
    pub expect: Vec<Expect>,
    /// What to write, in order.
    pub write: Vec<Write>,
    /// What to append to the audit trail.
    pub events: Vec<Event>,
}

/// Why a store did not apply a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Conflict {
    /// This row is not the one that was read; the current one, if it exists.
    Row(RowKey, Option<Box<Row>>),
    /// The owner has too many live tokens.
    TooManyTokens,
    /// The owner has a live token of this name.
    TokenNameTaken(TokenName),
    /// Somebody has this user name.
    UsernameTaken,
    /// Another uniqueness rule of the store, by its name.
    Unique(String),
}
