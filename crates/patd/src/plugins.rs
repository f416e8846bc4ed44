//! The plug-ins of a config: what each instance is to be made of, and the hashers and sinks in use.
//!
//! Only verifies and loads libraries, and holds settings against the schemas that these describe; making instances is the
//! slots' work.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use patd_config::{Config, ConfigError, PluginConfig, Sha256Pin, Sink};
use patd_core::event::Severity;
use patd_core::id::SiteLuid;
use patd_plugin_host::adapt::{PluginHasher, PluginSink};
use patd_plugin_host::{
    HasherSlot, Image, Images, InstancePlan, Kind, LoadError, LoadErrorKind, PluginSpec, ServiceSlot,
    plugin_file,
};
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

/// How long loading may take at least: files are read and hashed, whatever else the machine does.
const LOADING: Duration = Duration::from_secs(20);

/// Where the daemon's private copies of libraries are.
pub(crate) fn runtime_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("run")
}

impl Wanted {
    /// Works it out; refuses settings that their plug-in's schema does not allow, all of them at once.
    pub(crate) async fn of(config: &Config, data_dir: &Path, patience: Duration) -> Result<Self, Failure> {
        Self::copied_to(&runtime_dir(data_dir), config, data_dir, patience).await
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
        // Opening a library runs code of it, which may hang.
        let at_most = patience.max(LOADING);
        let loaded = tokio::time::timeout(at_most, loading).await.map_err(|_| {
            Failure::Start(format!(
                "loading the plug-ins did not end within {} s: expected libraries that do no work while they are opened, found \
                 one that hangs. Name it no more, and restart the daemon: no other can be opened until then",
                at_most.as_secs()
            ))
        })?;
        // What a panic says stays in the panic: nobody knows what is in it.
        let wanted =
            loaded.map_err(|_| Failure::Start("loading the plug-ins failed: it panicked".to_owned()))??;
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
                .map_err(|e| at(config, &["stores", name, "config"], e.to_string()))?;
            let (image, name) = (Arc::clone(&section.image), name.clone());
            let plan = InstancePlan { image, kind: Kind::Store, name, settings, start: Vec::new(), patience };
            plans.push(("stores", Arc::new(plan)));
        }
        let mut problems = Vec::new();
        for (section, plan) in plans {
            let Err(error) = plan.check().await else { continue };
            if error.violations().is_empty() {
                return Err(at(config, &[section, &plan.name, "plugin"], error.to_string()));
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
        let image = |section: &str, name: &str, plugin: &str, pin: Option<&Sha256Pin>| {
            Images.load_within(&spec(config, runtime_dir, plugin, pin), limit).map_err(|e| {
                let key = if e.kind() == LoadErrorKind::Pin { "sha256" } else { "plugin" };
                at(config, &[section, name, key], e.to_string())
            })
        };
        let plan = |kind, section: &str, name: &str, image: Arc<Image>, settings: &PluginConfig| {
            // `{site}` stays: a sink itself knows the site of each event.
            let settings = settings
                .to_json(&[("data_dir", &data_dir_text)])
                .map_err(|e| at(config, &[section, name, "config"], e.to_string()))?;
            let name = name.to_owned();
            Ok::<_, Failure>(InstancePlan { image, kind, name, settings, start: Vec::new(), patience })
        };
        let mut wanted = Self { hashers: Vec::new(), sinks: Vec::new(), sections: HashMap::new() };
        for (name, hasher) in &config.hashers {
            let image = image("hashers", name, &hasher.plugin, hasher.sha256.as_ref())?;
            wanted.hashers.push(plan(Kind::Hasher, "hashers", name, image, &hasher.config)?);
        }
        for (name, sink) in &config.sinks {
            let image = image("sinks", name, &sink.plugin, sink.sha256.as_ref())?;
            let plan = plan(Kind::Audit, "sinks", name, image, &sink.config)?;
            if let Some(path) = plan.settings["path"].as_str()
                && inside(Path::new(path), &config.plugins.dir)
            {
                return Err(at(
                    config,
                    &["sinks", name, "config", "path"],
                    format!("{path} lies in plugins.dir, where nobody but an installer may write"),
                ));
            }
            wanted.sinks.push((plan, sink.clone()));
        }
        for (name, store) in &config.stores {
            let image = image("stores", name, &store.plugin, store.sha256.as_ref())?;
            wanted.sections.insert(name.to_string(), Section { image, config: store.config.clone() });
        }
        Ok(wanted)
    }
}

/// A refusal with file, line and key: several entries may name one plug-in.
fn at(config: &Config, path: &[&str], why: String) -> Failure {
    Failure::Start(config.problem(path, why).to_string())
}

/// Makes a failure of a refusal of the instance that `plan` is for, with file, line and key of its entry.
pub(crate) fn told<'a>(
    config: &'a Config,
    plan: &InstancePlan,
    failure: fn(String) -> Failure,
) -> impl FnOnce(LoadError) -> Failure + use<'a> {
    let section = match plan.kind {
        Kind::Hasher => "hashers",
        Kind::Audit => "sinks",
        Kind::Store => "stores",
    };
    // An instance of a store for one site is called by both.
    let entry = plan.name.split('/').next().unwrap_or_default().to_owned();
    move |error| failure(config.problem(&[section, &entry], error.to_string()).to_string())
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
