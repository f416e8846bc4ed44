//! From the config file to a running service: loads the plug-ins, adapts them, starts the use-cases.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use patd_config::{Config, ForeignTokens, PluginConfig, ResolvedSite, Sha256Pin, Sink};
use patd_core::id::SiteLuid;
use patd_core::name::ContentUrl;
use patd_core::record::Policy;
use patd_core::time::Span;
use patd_plugin_host::adapt::{PluginHasher, PluginSink, PluginStore, StoreRole};
use patd_plugin_host::{HasherHandle, Image, Images, Kind, PluginSpec, ServiceHandle, plugin_file};
use patd_service::hash_pool::Hashers;
use patd_service::limits;
use patd_service::ports::{Answer, AuditSink, Hasher, Store, StoreError, StoreOpener};
use patd_service::service::Service;
use patd_service::start::{Parts, SitePlan};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::system::{OsRandom, WallClock};

/// How long a store may take for one request.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long background work may take to end at a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A started service with what commands want to know of it.
pub(crate) struct Running {
    pub(crate) service: Arc<Service>,
    /// What `patd plugin list` prints.
    pub(crate) plugins: Value,
    /// For links in invitations.
    pub(crate) public_url: String,
}

impl Running {
    /// Starts everything that the config names, under the data folder's lock.
    pub(crate) async fn start(config: &Config, data_dir: &DataDir) -> Result<Self, Failure> {
        for unpinned in config.unpinned() {
            tracing::warn!(key = %unpinned.key, plugin = %unpinned.plugin,
                "a plug-in without a pin is accepted because of `allow_unpinned`");
        }
        let key = data_dir.key(&OsRandom)?;
        // Loading hashes files and tests hashers: not for an async thread.
        let (loaded_config, dir) = (config.clone(), data_dir.path().to_owned());
        let loaded = tokio::task::spawn_blocking(move || Loaded::load(&loaded_config, &dir))
            .await
            .map_err(|e| Failure::Start(format!("loading the plug-ins failed: {e}")))??;
        let mut sinks: Vec<Arc<dyn AuditSink>> = Vec::new();
        for (handle, deadline, takes) in loaded.sinks {
            handle.start(Vec::new(), deadline).await.map_err(|e| Failure::Start(e.to_string()))?;
            sinks.push(Arc::new(PluginSink::new(handle, deadline).taking(move |kind| takes.takes(kind))));
        }
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let random = Arc::new(OsRandom);
        let parts = Parts {
            clock: Arc::new(WallClock::default()),
            random,
            key,
            hashers: Hashers::new(loaded.hashers, cores, config.limits.hash_queue as usize),
            password_hasher: config.defaults.password_hasher.to_string(),
            opener: Arc::new(loaded.opener),
            directory: patd_config::DIRECTORY_STORE.to_owned(),
            sites: config.resolved_sites().iter().map(site_plan).collect::<Result<_, _>>()?,
            sinks,
            limits: limits::LimitPolicy {
                account: attempts(config, config.limits.attempts_per_account),
                address: attempts(config, config.limits.attempts_per_address),
            },
        };
        let service = Service::start(parts).await.map_err(|e| Failure::Start(e.to_string()))?;
        Ok(Self { service, plugins: loaded.list, public_url: config.server.public_url.to_string() })
    }

    /// Stops: see [`Service::stop`].
    pub(crate) async fn stop(&self) {
        self.service.stop(STOP_PATIENCE).await;
    }
}

fn attempts(config: &Config, free: u32) -> limits::Attempts {
    let from = &config.limits;
    limits::Attempts { free, first_delay: span(from.first_delay), max_delay: span(from.max_delay) }
}

fn span(from: patd_config::Span) -> Span {
    Span(i64::try_from(from.duration().as_micros()).unwrap_or(i64::MAX))
}

fn site_plan(site: &ResolvedSite) -> Result<SitePlan, Failure> {
    let content_url = ContentUrl::parse(site.content_url.as_str())
        .map_err(|e| Failure::Start(format!("site `{}`: {e}", site.key)))?;
    Ok(SitePlan {
        key: site.key.to_string(),
        content_url,
        name: site.name.clone(),
        policy: Policy {
            pat_enabled: site.pat.enabled,
            mint_allowed: site.pat.mint,
            max_lifetime: span(site.pat.max_lifetime),
            idle_limit: span(site.pat.idle_limit),
            session_lifetime: span(site.session_lifetime),
            tokens_per_user: site.tokens_per_user,
            foreign_tokens: matches!(site.foreign_tokens, ForeignTokens::Accept),
            switch_site: site.switch_site,
        },
        store: site.store.to_string(),
        token_hasher: site.token_hasher.to_string(),
        password_hasher: site.password_hasher.to_string(),
        sinks: site.sinks.iter().map(ToString::to_string).collect(),
    })
}

/// The plug-ins of the config, loaded and (hashers) tested.
struct Loaded {
    hashers: Vec<Arc<dyn Hasher>>,
    sinks: Vec<(ServiceHandle, Duration, Sink)>,
    opener: Opener,
    list: Value,
}

impl Loaded {
    fn load(config: &Config, data_dir: &Path) -> Result<Self, Failure> {
        let start = |e: patd_plugin_host::LoadError| Failure::Start(e.to_string());
        let data_dir_text = data_dir.display().to_string();
        let image = |plugin: &str, pin: Option<&Sha256Pin>| -> Result<Arc<Image>, Failure> {
            let spec = PluginSpec {
                name: plugin.to_owned(),
                path: plugin_file(&config.plugins.dir, plugin),
                sha256: pin.map(ToString::to_string),
                allow_unpinned: config.plugins.allow_unpinned,
                runtime_dir: data_dir.join("run"),
            };
            Images.load(&spec).map_err(start)
        };
        let mut list = Vec::new();
        let mut note = |kind: &str, instance: &str, image: &Image| {
            list.push(json!({
                "kind": kind, "instance": instance, "plugin": image.id(), "version": image.version().to_string(),
                "sha256": image.sha256(), "file": image.path(),
            }));
        };
        let settings = |what: &str, name: &str, of: &PluginConfig, names: &[(&str, &str)]| {
            of.to_json(names).map_err(|e| Failure::Start(format!("[{what}.{name}]: {e}")))
        };

        let mut hashers: Vec<Arc<dyn Hasher>> = Vec::new();
        for (name, hasher) in &config.hashers {
            let image = image(&hasher.plugin, hasher.sha256.as_ref())?;
            let settings = settings("hashers", name, &hasher.config, &[("data_dir", &data_dir_text)])?;
            let handle = HasherHandle::create(&image, name, &settings).map_err(start)?;
            note("hasher", name, &image);
            hashers.push(Arc::new(PluginHasher::new(handle)));
        }
        let mut sinks = Vec::new();
        for (name, sink) in &config.sinks {
            let image = image(&sink.plugin, sink.sha256.as_ref())?;
            // `{site}` stays: the sink itself knows the site of each event.
            let settings = settings("sinks", name, &sink.config, &[("data_dir", &data_dir_text)])?;
            let handle = ServiceHandle::create(&image, Kind::Audit, name, &settings).map_err(start)?;
            note("audit", name, &image);
            sinks.push((handle, sink.deadline.duration(), sink.clone()));
        }
        let mut stores = HashMap::new();
        for (name, store) in &config.stores {
            let image = image(&store.plugin, store.sha256.as_ref())?;
            note("store", name, &image);
            stores.insert(name.to_string(), (image, store.config.clone()));
        }
        let opener = Opener(Arc::new(Openable {
            stores,
            data_dir: data_dir.to_owned(),
            opened: Mutex::new(HashMap::new()),
        }));
        Ok(Self { hashers, sinks, opener, list: Value::Array(list) })
    }
}

/// Opens stores of the config. One that is opened twice with the same settings is one instance: no file has two.
struct Opener(Arc<Openable>);

struct Openable {
    stores: HashMap<String, (Arc<Image>, PluginConfig)>,
    data_dir: PathBuf,
    opened: Mutex<HashMap<(String, String), Arc<dyn Store>>>,
}

impl StoreOpener for Opener {
    fn open(&self, store: &str, site: Option<SiteLuid>) -> Answer<Result<Arc<dyn Store>, StoreError>> {
        let (inner, store) = (Arc::clone(&self.0), store.to_owned());
        Box::pin(async move { inner.open(&store, site).await })
    }
}

impl Openable {
    async fn open(&self, store: &str, site: Option<SiteLuid>) -> Result<Arc<dyn Store>, StoreError> {
        let failed = |e: String| StoreError::Failed(e);
        let (image, config) =
            self.stores.get(store).ok_or_else(|| failed(format!("no store is named `{store}`")))?;
        let data_dir = self.data_dir.display().to_string();
        let luid = site.map(|site| site.to_string());
        let mut names = vec![("data_dir", data_dir.as_str())];
        names.extend(luid.as_deref().map(|luid| ("luid", luid)));
        let settings = config.to_json(&names).map_err(|e| failed(e.to_string()))?;
        let mut opened = self.opened.lock().await;
        let key = (store.to_owned(), settings.to_string());
        if let Some(store) = opened.get(&key) {
            return Ok(Arc::clone(store));
        }
        let name = match &luid {
            Some(luid) if config.mentions("luid") => format!("{store}/{luid}"),
            _ => store.to_owned(),
        };
        let role = if site.is_some() { StoreRole::Site } else { StoreRole::Directory };
        let handle =
            ServiceHandle::create(image, Kind::Store, &name, &settings).map_err(|e| failed(e.to_string()))?;
        let started =
            PluginStore::start(handle, role, STORE_TIMEOUT).await.map_err(|e| failed(e.to_string()))?;
        let started: Arc<dyn Store> = Arc::new(started);
        opened.insert(key, Arc::clone(&started));
        Ok(started)
    }
}
