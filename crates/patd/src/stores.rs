//! The stores in use: one slot per instance, opened when a site needs it. Must never open one name twice: no file may have
//! two instances.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patd_config::{PluginConfig, SettingError};
use patd_core::id::SiteLuid;
use patd_plugin_host::adapt::{PluginStore, StoreRole};
use patd_plugin_host::{InstancePlan, Kind, ServiceSlot, SlotStatus, SlotTimes};
use patd_service::ports::{Answer, Store, StoreError, StoreOpener};

use crate::plugins::Section;

/// How long a store may take for one request.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// The port: opens stores of the config.
pub(crate) struct Opener(pub(crate) Arc<Stores>);

/// The stores of the daemon.
pub(crate) struct Stores {
    /// As the config in force has them.
    sections: Mutex<HashMap<String, Section>>,
    data_dir: PathBuf,
    times: Mutex<SlotTimes>,
    /// How long making and starting an instance may take.
    patience: Mutex<Duration>,
    /// By the instance's name.
    opened: Mutex<BTreeMap<String, Opened>>,
    /// Held while one is opened.
    opening: tokio::sync::Mutex<()>,
}

/// An opened store.
#[derive(Clone)]
pub(crate) struct Opened {
    /// Its section in the config.
    pub(crate) section: String,
    /// Its site; `None` for the directory.
    pub(crate) site: Option<SiteLuid>,
    pub(crate) slot: Arc<ServiceSlot>,
    pub(crate) store: Arc<PluginStore>,
    /// Where its rows are, as it said when it was opened.
    pub(crate) location: Option<String>,
}

impl Stores {
    pub(crate) fn new(
        sections: HashMap<String, Section>,
        data_dir: PathBuf,
        times: SlotTimes,
        patience: Duration,
    ) -> Self {
        Self {
            sections: Mutex::new(sections),
            data_dir,
            times: Mutex::new(times),
            patience: Mutex::new(patience),
            opened: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// Puts other sections in force, for stores that are opened from now on; answers the old ones.
    pub(crate) fn set(
        &self,
        sections: HashMap<String, Section>,
        times: SlotTimes,
        patience: Duration,
    ) -> HashMap<String, Section> {
        *self.times.lock() = times;
        *self.patience.lock() = patience;
        std::mem::replace(&mut self.sections.lock(), sections)
    }

    /// Those that are open.
    pub(crate) fn opened(&self) -> Vec<Opened> {
        self.opened.lock().values().cloned().collect()
    }

    /// What each says of itself.
    pub(crate) fn status(&self) -> Vec<SlotStatus> {
        self.opened().iter().map(|opened| opened.slot.status()).collect()
    }

    /// What an instance of a section is made of, for a site or for the directory.
    pub(crate) fn plan(
        &self,
        name: &str,
        section: &Section,
        site: Option<SiteLuid>,
        patience: Duration,
    ) -> Result<InstancePlan, StoreError> {
        let settings =
            settings(&section.config, &self.data_dir, site).map_err(|e| StoreError::Failed(e.to_string()))?;
        let role = if site.is_some() { StoreRole::Site } else { StoreRole::Directory };
        let name = match site {
            Some(luid) if section.config.mentions("luid") => format!("{name}/{luid}"),
            _ => name.to_owned(),
        };
        let image = Arc::clone(&section.image);
        Ok(InstancePlan { image, kind: Kind::Store, name, settings, start: role.start(), patience })
    }

    async fn open(&self, name: &str, site: Option<SiteLuid>) -> Result<Arc<dyn Store>, StoreError> {
        let _turn = self.opening.lock().await;
        let section = self.sections.lock().get(name).cloned();
        let section = section.ok_or_else(|| StoreError::Failed(format!("no store is named `{name}`")))?;
        let plan = self.plan(name, &section, site, *self.patience.lock())?;
        if let Some(opened) = self.opened.lock().get(&plan.name) {
            return Ok(Arc::clone(&opened.store) as Arc<dyn Store>);
        }
        let times = *self.times.lock();
        let slot = ServiceSlot::open(plan, times).await.map_err(|e| StoreError::Failed(e.to_string()))?;
        let store = Arc::new(PluginStore::in_slot(Arc::clone(&slot), STORE_TIMEOUT));
        let location = store.schema().await.ok().map(|schema| schema.location);
        let opened = Opened { section: name.to_owned(), site, slot, store: Arc::clone(&store), location };
        self.opened.lock().insert(opened.slot.name().to_owned(), opened);
        Ok(store)
    }
}

/// A store's own settings, for a site or for the directory.
pub(crate) fn settings(
    config: &PluginConfig,
    data_dir: &Path,
    site: Option<SiteLuid>,
) -> Result<serde_json::Value, SettingError> {
    let (data_dir, luid) = (data_dir.display().to_string(), site.map(|site| site.to_string()));
    let mut names = vec![("data_dir", data_dir.as_str())];
    names.extend(luid.as_deref().map(|luid| ("luid", luid)));
    config.to_json(&names)
}

impl StoreOpener for Opener {
    fn open(&self, store: &str, site: Option<SiteLuid>) -> Answer<Result<Arc<dyn Store>, StoreError>> {
        let (stores, store) = (Arc::clone(&self.0), store.to_owned());
        Box::pin(async move { stores.open(&store, site).await })
    }

    fn forget(&self, name: &str) {
        self.0.opened.lock().remove(name);
    }
}
