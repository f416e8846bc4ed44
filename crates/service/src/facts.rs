//! What the daemon knows of people and memberships, kept in memory so that validation asks no store.
//!
//! A fact enters when a decision first reads it and is replaced by each committed change. An older version never
//! replaces a newer one, so a slow read that overlaps a change cannot bring the past back.

use std::sync::Arc;

use arc_swap::ArcSwap;
use papaya::HashMap;
use patd_core::id::{SiteLuid, UserLuid};
use patd_core::record::{Membership, User};

use crate::error::{Error, Result};
use crate::ports::{Found, Query, Store, StoreError};

/// A record that sessions hold on to while it changes.
pub(crate) type Fact<T> = Arc<ArcSwap<T>>;

/// People and memberships by id.
#[derive(Default)]
pub(crate) struct Facts {
    people: HashMap<UserLuid, Fact<User>>,
    members: HashMap<(SiteLuid, UserLuid), Fact<Membership>>,
}

fn newest<T>(fact: &Fact<T>, row: Arc<T>, version: impl Fn(&T) -> u64) {
    fact.rcu(|old| if version(old) > version(&row) { Arc::clone(old) } else { Arc::clone(&row) });
}

impl Facts {
    /// Takes a person's row; answers the shared fact.
    pub(crate) fn put_user(&self, row: User) -> Fact<User> {
        let row = Arc::new(row);
        let people = self.people.pin();
        let fact = people.get_or_insert_with(row.luid, || Arc::new(ArcSwap::new(Arc::clone(&row))));
        newest(fact, row, |r| r.version.0);
        Arc::clone(fact)
    }

    /// Takes a membership's row; answers the shared fact.
    pub(crate) fn put_membership(&self, row: Membership) -> Fact<Membership> {
        let row = Arc::new(row);
        let members = self.members.pin();
        let fact =
            members.get_or_insert_with((row.site, row.user), || Arc::new(ArcSwap::new(Arc::clone(&row))));
        newest(fact, row, |r| r.version.0);
        Arc::clone(fact)
    }

    /// A person that some decision has read already.
    pub(crate) fn known_user(&self, luid: UserLuid) -> Option<Fact<User>> {
        self.people.pin().get(&luid).cloned()
    }

    /// A membership that some decision has read already.
    pub(crate) fn known_membership(&self, site: SiteLuid, user: UserLuid) -> Option<Fact<Membership>> {
        self.members.pin().get(&(site, user)).cloned()
    }

    /// A person, from memory or else from the directory.
    pub(crate) async fn user(&self, directory: &dyn Store, luid: UserLuid) -> Result<Option<Fact<User>>> {
        let known = self.known_user(luid);
        if known.is_some() {
            return Ok(known);
        }
        let found = ask(directory, Query::User(luid)).await?;
        let Found::Users(rows) = found else { return Err(nonsense(directory)) };
        Ok(rows.into_iter().next().map(|row| self.put_user(row)))
    }

    /// A membership, from memory or else from the directory.
    pub(crate) async fn membership(
        &self,
        directory: &dyn Store,
        site: SiteLuid,
        user: UserLuid,
    ) -> Result<Option<Fact<Membership>>> {
        let known = self.known_membership(site, user);
        if known.is_some() {
            return Ok(known);
        }
        let found = ask(directory, Query::Membership(site, user)).await?;
        let Found::Memberships(rows) = found else { return Err(nonsense(directory)) };
        Ok(rows.into_iter().next().map(|row| self.put_membership(row)))
    }
}

/// Asks a store one thing.
pub(crate) async fn ask(store: &dyn Store, query: Query) -> Result<Found> {
    let mut found = store.query(vec![query]).await?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(nonsense(store)),
    }
}

/// A store answered something else than what was asked (R9: a refusal).
pub(crate) fn nonsense(store: &dyn Store) -> Error {
    Error::Unavailable { cause: format!("store `{}` answered something that was not asked", store.name()) }
}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Self {
        Self::Unavailable { cause: e.to_string() }
    }
}
