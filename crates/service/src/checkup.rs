//! What a store says of itself to `patd doctor`, whether the daemon has it open or nobody has. Must never change anything, nor
//! fail as a whole because one store does not answer.

use patd_core::time::Timestamp;

use crate::error::{Error, Result};
use crate::facts::{ask, nonsense};
use crate::ports::{Found, Query, SchemaStatus, Store};
use crate::service::Service;

/// A store at a glance.
#[derive(Clone, Debug)]
pub struct Checkup {
    /// Its name.
    pub store: String,
    /// Its schema and its newest event's time, or why it does not say.
    pub found: std::result::Result<(SchemaStatus, Option<Timestamp>), String>,
}

impl Checkup {
    /// Looks at a store.
    pub async fn of(store: &dyn Store) -> Self {
        let found = look(store).await.map_err(|e| match e {
            Error::Unavailable { cause } => cause,
            other => other.to_string(),
        });
        Self { store: store.name().to_owned(), found }
    }
}

async fn look(store: &dyn Store) -> Result<(SchemaStatus, Option<Timestamp>)> {
    let schema = store.schema().await?;
    match ask(store, Query::NewestEvent).await? {
        Found::Time(newest) => Ok((schema, newest)),
        _ => Err(nonsense(store)),
    }
}

impl Service {
    /// Every store at a glance, by name.
    pub async fn operator_checkup(&self) -> Vec<Checkup> {
        let mut all = Vec::new();
        for store in self.world.stores() {
            all.push(Checkup::of(&*store).await);
        }
        all.sort_by(|one, other| one.store.cmp(&other.store));
        all
    }

    /// The keys in the config of the sites that are served, in order.
    #[must_use]
    pub fn site_keys(&self) -> Vec<String> {
        let mut keys: Vec<_> =
            self.world.sites.load().iter().map(|site| site.row.load().key.clone()).collect();
        keys.sort_unstable();
        keys
    }
}
