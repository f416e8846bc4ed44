//! Ids: one type per kind, so that a site's id cannot be passed for a user's.
//!
//! They are public (they may appear in answers, logs and events) and never secret.

use std::fmt;

use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    )+};
}

ids! {
    /// A site's LUID: allocated once, never changed, never reused.
    SiteLuid,
    /// A person's LUID, the same in every site.
    UserLuid,
    /// The public id of a token.
    TokenId,
    /// The public id of a session.
    SessionId,
    /// The public id of an invitation.
    InvitationId,
    /// The id of an event; the first one of a change is its idempotency key.
    EventId,
}

/// A home site's number inside token secrets and session keys: random, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HomeNumber(pub u32);

/// A row's version: 1 when inserted, one more with each update.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version(pub u64);

/// An epoch: only ever rises; what recorded another value is dead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The next epoch, which kills everything that recorded an earlier one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
