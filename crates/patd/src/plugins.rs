//! The plug-ins of a config: what each instance is to be made of, and the hashers and sinks in use.
//!
//! Only verifies and loads libraries; making instances is the slots' work.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patd_config::{Config, PluginConfig, Sha256Pin, Sink};
use patd_core::event::Severity;
use patd_plugin_host::adapt::{PluginHasher, PluginSink};
use patd_plugin_host::{HasherSlot, Image, Images, InstancePlan, Kind, PluginSpec, ServiceSlot, plugin_file};
use patd_service::ports::{AuditSink, HasherPlace, OnFull, Terms};

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
    /// Works it out off the async threads: it hashes files.
    pub(crate) async fn of(config: &Config, data_dir: &Path, patience: Duration) -> Result<Self, Failure> {
        let (config, data_dir) = (config.clone(), data_dir.to_owned());
        tokio::task::spawn_blocking(move || Self::load(&config, &data_dir, patience))
            .await
            .map_err(|e| Failure::Start(format!("loading the plug-ins failed: {e}")))?
    }

    fn load(config: &Config, data_dir: &Path, patience: Duration) -> Result<Self, Failure> {
        let data_dir_text = data_dir.display().to_string();
        let limit = config.plugins.max_generations as usize;
        let image = |plugin: &str, pin: Option<&Sha256Pin>| {
            Images
                .load_within(&spec(config, data_dir, plugin, pin), limit)
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
pub(crate) fn spec(config: &Config, data_dir: &Path, plugin: &str, pin: Option<&Sha256Pin>) -> PluginSpec {
    PluginSpec {
        name: plugin.to_owned(),
        path: plugin_file(&config.plugins.dir, plugin),
        sha256: pin.map(ToString::to_string),
        allow_unpinned: config.plugins.allow_unpinned,
        runtime_dir: data_dir.join("run"),
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
