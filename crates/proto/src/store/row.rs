//! Rows of any type, and their primary keys.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rows::{Invitation, Membership, Password, Session, Site, Token, Totp, User};
use crate::wire::Nat;

/// A row of one of the closed row types.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKey {
    /// By LUID.
    Site(Uuid),
    /// By LUID.
    User(Uuid),
    /// By site and user.
    Membership(Uuid, Uuid),
    /// By user.
    Password(Uuid),
    /// By user.
    Totp(Uuid),
    /// By id.
    Invitation(Uuid),
    /// By id.
    Token(Uuid),
    /// By id.
    Session(Uuid),
}

impl RowKey {
    /// The ids that it is made of, whatever the row's kind.
    #[must_use]
    pub fn ids(self) -> (Uuid, Option<Uuid>) {
        match self {
            Self::Membership(site, user) => (site, Some(user)),
            Self::Site(id)
            | Self::User(id)
            | Self::Password(id)
            | Self::Totp(id)
            | Self::Invitation(id)
            | Self::Token(id)
            | Self::Session(id) => (id, None),
        }
    }
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

    /// The row's version.
    #[must_use]
    pub fn version(&self) -> Nat {
        match self {
            Self::Site(r) => r.version,
            Self::User(r) => r.version,
            Self::Membership(r) => r.version,
            Self::Password(r) => r.version,
            Self::Totp(r) => r.version,
            Self::Invitation(r) => r.version,
            Self::Token(r) => r.version,
            Self::Session(r) => r.version,
        }
    }
}
