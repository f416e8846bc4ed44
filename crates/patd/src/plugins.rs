//! The plug-ins of a config: what each instance is to be made of, and the hashers and sinks in use.
//!
//! Only verifies and loads libraries, and holds settings against the schemas that these describe; making instances is the
//! slots' work.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patd_config::{Config, ConfigError, PluginConfig, Sha256Pin, Sink};
use patd_core::event::Severity;
use patd_core::id::SiteLuid;
use patd_plugin_host::adapt::{PluginHasher, PluginSink};
use patd_plugin_host::{HasherSlot, Image, Images, InstancePlan, Kind, PluginSpec, ServiceSlot, plugin_file};
use patd_service::ports::{AuditSink, HasherPlace, OnFull, Terms};
use uuid::Uuid;

use crate::failure::Failure;

/// What a config wants, every library loaded and every secret read.
pub(crate) struct Wanted {
    pub(crate) hashers: Vec<InstancePlan>,
    pub(crate) sinks: Vec<(InstancePlan, Sink)>,
    /// `[stores.*]` by name.
    pub(crate) sections: HashMap<String, Section>,
}

/// An entry of `[stores]`; its instances are made when sites need them.
#[derive(Clone)]
pub(crate) struct Section {
    pub(crate) image: Arc<Image>,
    pub(crate) config: PluginConfig,
}

impl Wanted {
    /// Works it out; refuses settings that their plug-in's schema does not allow, all of them at once.
    pub(crate) async fn of(config: &Config, data_dir: &Path, patience: Duration) -> Result<Self, Failure> {
        Self::copied_to(&data_dir.join("run"), config, data_dir, patience).await
    }

    /// As [`Self::of`], the private copies of libraries elsewhere.
    pub(crate) async fn copied_to(
        runtime_dir: &Path,
        config: &Config,
        data_dir: &Path,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let places = (config.clone(), data_dir.to_owned(), runtime_dir.to_owned());
        // It hashes files.
        let loading = tokio::task::spawn_blocking(move || {
            let (config, data_dir, runtime_dir) = places;
            Self::load(&config, &data_dir, &runtime_dir, patience)
        });
        // What a panic says stays in the panic: nobody knows what is in it.
        let wanted = loading
            .await
            .map_err(|_| Failure::Start("loading the plug-ins failed: it panicked".to_owned()))??;
        wanted.check(config, data_dir, patience).await?;
        Ok(wanted)
    }

    /// Holds all settings against the schemas that the plug-ins describe.
    async fn check(&self, config: &Config, data_dir: &Path, patience: Duration) -> Result<(), Failure> {
        let mut plans: Vec<(&str, Arc<InstancePlan>)> = Vec::new();
        plans.extend(self.hashers.iter().map(|plan| ("hashers", Arc::new(plan.clone()))));
        plans.extend(self.sinks.iter().map(|(plan, _)| ("sinks", Arc::new(plan.clone()))));
        for (name, section) in &self.sections {
            // Any site does: what differs is the text in the place of `{luid}`.
            let settings = crate::stores::settings(&section.config, data_dir, Some(SiteLuid(Uuid::nil())))
                .map_err(|e| Failure::Start(format!("[stores.{name}]: {e}")))?;
            let (image, name) = (Arc::clone(&section.image), name.clone());
            let plan = InstancePlan { image, kind: Kind::Store, name, settings, start: Vec::new(), patience };
            plans.push(("stores", Arc::new(plan)));
        }
        let mut problems = Vec::new();
        for (section, plan) in plans {
            let Err(error) = plan.check().await else { continue };
            if error.violations().is_empty() {
                return Err(Failure::Start(format!("[{section}.{}]: {error}", plan.name)));
            }
            for violation in error.violations() {
                let mut path = vec![section, plan.name.as_str(), "config"];
                path.extend(violation.path.iter().map(String::as_str));
                let message = format!("{} (plug-in {})", violation.message, plan.image.id());
                problems.push(config.problem(&path, message));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|one, other| (one.line, &one.key).cmp(&(other.line, &other.key)));
        Err(Failure::Config(ConfigError::Refused { problems }))
    }

    fn load(
        config: &Config,
        data_dir: &Path,
        runtime_dir: &Path,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let data_dir_text = data_dir.display().to_string();
        let limit = config.plugins.max_generations as usize;
        let image = |plugin: &str, pin: Option<&Sha256Pin>| {
            Images
                .load_within(&spec(config, runtime_dir, plugin, pin), limit)
                .map_err(|e| Failure::Start(e.to_string()))
        };
        let plan = |kind, section: &str, name: &str, image: Arc<Image>, settings: &PluginConfig| {
            // `{site}` stays: a sink itself knows the site of each event.
            let settings = settings
                .to_json(&[("data_dir", &data_dir_text)])
                .map_err(|e| Failure::Start(format!("[{section}.{name}]: {e}")))?;
            let name = name.to_owned();
            Ok::<_, Failure>(InstancePlan { image, kind, name, settings, start: Vec::new(), patience })
        };
        let mut wanted = Self { hashers: Vec::new(), sinks: Vec::new(), sections: HashMap::new() };
        for (name, hasher) in &config.hashers {
            let image = image(&hasher.plugin, hasher.sha256.as_ref())?;
            wanted.hashers.push(plan(Kind::Hasher, "hashers", name, image, &hasher.config)?);
        }
        for (name, sink) in &config.sinks {
            let image = image(&sink.plugin, sink.sha256.as_ref())?;
            let plan = plan(Kind::Audit, "sinks", name, image, &sink.config)?;
            if let Some(path) = plan.settings["path"].as_str()
                && inside(Path::new(path), &config.plugins.dir)
            {
                return Err(Failure::Start(format!(
                    "[sinks.{name}]: {path} lies in plugins.dir, where nobody but an installer may write"
                )));
            }
            wanted.sinks.push((plan, sink.clone()));
        }
        for (name, store) in &config.stores {
            let image = image(&store.plugin, store.sha256.as_ref())?;
            wanted.sections.insert(name.to_string(), Section { image, config: store.config.clone() });
        }
        Ok(wanted)
    }
}

/// Whether a path lies in a folder, also by way of links.
fn inside(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| {
        let there = path.ancestors().find_map(|known| Some((known, std::fs::canonicalize(known).ok()?)));
        there.map_or_else(
            || path.to_owned(),
            |(known, real)| real.join(path.strip_prefix(known).unwrap_or(Path::new(""))),
        )
    };
    real(path).starts_with(real(folder))
}

/// Where a plug-in's file is, and what must be true of it.
pub(crate) fn spec(config: &Config, runtime_dir: &Path, plugin: &str, pin: Option<&Sha256Pin>) -> PluginSpec {
    PluginSpec {
        name: plugin.to_owned(),
        path: plugin_file(&config.plugins.dir, plugin),
        sha256: pin.map(ToString::to_string),
        allow_unpinned: config.plugins.allow_unpinned,
        runtime_dir: runtime_dir.to_owned(),
    }
}

/// The hashers and sinks in use, in the order of their names.
#[derive(Clone, Default)]
pub(crate) struct Inventory {
    pub(crate) hashers: Vec<Arc<HasherSlot>>,
    /// With what the config says of a sink beside its plug-in's own settings.
    pub(crate) sinks: Vec<(Arc<ServiceSlot>, Sink)>,
}

impl Inventory {
    /// For the service.
    pub(crate) fn hasher_places(&self) -> Vec<Arc<dyn HasherPlace>> {
        let place = |slot: &Arc<HasherSlot>| -> Arc<dyn HasherPlace> {
            Arc::new(PluginHasher::new(Arc::clone(slot)))
        };
        self.hashers.iter().map(place).collect()
    }

    /// For the service.
    pub(crate) fn sink_ports(&self) -> Vec<Arc<dyn AuditSink>> {
        let port = |(slot, settings): &(Arc<ServiceSlot>, Sink)| -> Arc<dyn AuditSink> {
            let deadline = settings.deadline.duration();
            Arc::new(PluginSink::in_slot(Arc::clone(slot), deadline).on(terms(settings)))
        };
        self.sinks.iter().map(port).collect()
    }
}

/// What the config says of a sink, for the pump.
fn terms(sink: &Sink) -> Terms {
    Terms {
        types: sink.types.clone(),
        severity: match sink.severity {
            patd_config::Severity::Informational => Severity::Informational,
            patd_config::Severity::Low => Severity::Low,
            patd_config::Severity::Medium => Severity::Medium,
            patd_config::Severity::High => Severity::High,
            patd_config::Severity::Critical => Severity::Critical,
        },
        sites: sink.sites.iter().map(ToString::to_string).collect(),
        first_pause: sink.retry.first.duration(),
        longest_pause: sink.retry.max.duration(),
        max_backlog: sink.max_backlog,
        on_full: match sink.on_full {
            patd_config::OnFull::Buffer => OnFull::Buffer,
            patd_config::OnFull::Deny => OnFull::Deny,
        },
    }
}
