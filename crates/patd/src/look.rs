//! A look at the stores of a daemon that does not run, for commands that only report.
//!
//! Must never migrate a store, make its file, or open one beside a daemon: it is called under the lock, asks each instance for
//! its schema before START, and starts only what is up to date.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use patd_config::{Config, DIRECTORY_STORE};
use patd_core::id::SiteLuid;
use patd_core::record::{Site, SiteState};
use patd_plugin_host::adapt::{PluginStore, StoreRole};
use patd_plugin_host::{InstancePlan, Kind, ServiceHandle, SlotTimes};
use patd_service::ports::{Found, Query, Store as _};

use crate::plugins::Section;
use crate::stores::Stores;

/// How long a store may take for one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What was found in a store's place.
pub(crate) enum Seen {
    /// It is open.
    Open(PluginStore),
    /// It has nothing yet.
    Empty,
    /// It has migrations to make first, by their names.
    Behind(Vec<String>),
    /// It cannot be opened.
    Shut(String),
}

/// The stores, the directory first.
pub(crate) struct Look {
    pub(crate) stores: Vec<(String, Seen)>,
    /// The sites of the config that the directory knows, each with the index of its store.
    pub(crate) sites: Vec<(Site, usize)>,
}

impl Look {
    /// Opens the directory and the stores of the config's sites.
    pub(crate) async fn open(config: &Config, sections: HashMap<String, Section>, data_dir: &Path) -> Self {
        let patience = config.plugins.start_timeout.duration();
        let plans = Stores::new(sections.clone(), data_dir.to_owned(), SlotTimes::default(), patience);
        let plan = |name: &str, site: Option<SiteLuid>| -> Result<InstancePlan, String> {
            let section = sections.get(name).ok_or_else(|| format!("no store is named `{name}`"))?;
            plans.plan(name, section, site, patience).map_err(|e| e.to_string())
        };
        let mut look = Self { stores: Vec::new(), sites: Vec::new() };
        look.add(DIRECTORY_STORE, None, plan(DIRECTORY_STORE, None)).await;
        let Some((_, Seen::Open(directory))) = look.stores.first() else { return look };
        let known = match directory.query(vec![Query::Sites]).await {
            Ok(mut found) => match found.pop() {
                Some(Found::Sites(sites)) => sites,
                _ => return look.without_directory("it answered something else than sites".to_owned()).await,
            },
            Err(e) => return look.without_directory(e.to_string()).await,
        };
        for wanted in config.resolved_sites() {
            let row = known.iter().find(|row| *row.key == *wanted.key && row.state != SiteState::Deleted);
            let Some(row) = row else { continue };
            let store = look.add(&wanted.store, Some(row.luid), plan(&wanted.store, Some(row.luid))).await;
            look.sites.push((row.clone(), store));
        }
        look
    }

    /// Closes what is open.
    pub(crate) async fn close(self) {
        for (_, seen) in self.stores {
            if let Seen::Open(store) = seen {
                stop(&store).await;
            }
        }
    }

    async fn without_directory(mut self, why: String) -> Self {
        if let Some((_, seen)) = self.stores.first_mut()
            && let Seen::Open(store) = std::mem::replace(seen, Seen::Shut(why))
        {
            stop(&store).await;
        }
        self
    }

    /// Opens a store, unless another site has it already; its index.
    async fn add(&mut self, name: &str, site: Option<SiteLuid>, plan: Result<InstancePlan, String>) -> usize {
        let (name, plan) = match plan {
            Ok(plan) => (plan.name.clone(), Ok(plan)),
            Err(why) => (name.to_owned(), Err(why)),
        };
        if let Some(known) = self.stores.iter().position(|(known, _)| *known == name) {
            return known;
        }
        let role = if site.is_some() { StoreRole::Site } else { StoreRole::Directory };
        let seen = match plan {
            Ok(plan) => see(&plan, role).await.unwrap_or_else(Seen::Shut),
            Err(why) => Seen::Shut(why),
        };
        self.stores.push((name, seen));
        self.stores.len() - 1
    }
}

async fn see(plan: &InstancePlan, role: StoreRole) -> Result<Seen, String> {
    let handle = ServiceHandle::create(&plan.image, Kind::Store, &plan.name, &plan.settings)
        .map_err(|e| e.to_string())?;
    let schema = PluginStore::new(handle.clone(), TIMEOUT).schema().await.map_err(|e| e.to_string())?;
    if schema.applied.is_empty() {
        return Ok(Seen::Empty);
    }
    if !schema.pending.is_empty() {
        return Ok(Seen::Behind(schema.pending));
    }
    PluginStore::start(handle, role, TIMEOUT).await.map(Seen::Open).map_err(|e| e.to_string())
}

async fn stop(store: &PluginStore) {
    if let Err(e) = store.stop().await {
        tracing::warn!(store = store.name(), error = %e, "a store did not stop cleanly");
    }
}
