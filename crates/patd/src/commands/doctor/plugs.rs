//! Plug-ins: whether the files are the ones that are pinned, and whether what runs is what lies there.

use std::collections::BTreeMap;
use std::path::Path;

use patd_config::{Config, Name, Sha256Pin};
use patd_plugin_host::{Images, plugin_file};

use super::Report;
use crate::facts::Facts;
use crate::plugins::spec;

/// The digest of the file of each entry, by kind and name; an error when not all could be loaded.
pub(super) type Builds = Result<Known, Known>;
/// By kind and name in the config.
pub(super) type Known = BTreeMap<(&'static str, String), String>;

pub(super) fn look(config: &Config, scratch: &Path, report: &mut Report) -> Builds {
    let hashers = config.hashers.iter().map(|(name, one)| ("hasher", name, &one.plugin, one.sha256.as_ref()));
    let stores = config.stores.iter().map(|(name, one)| ("store", name, &one.plugin, one.sha256.as_ref()));
    let sinks = config.sinks.iter().map(|(name, one)| ("audit", name, &one.plugin, one.sha256.as_ref()));
    let (mut known, mut whole) = (Known::new(), true);
    for (kind, name, plugin, pin) in hashers.chain(stores).chain(sinks) {
        match build(config, scratch, (kind, name, plugin, pin), report) {
            Some(sha256) => drop(known.insert((kind, name.to_string()), sha256)),
            None => whole = false,
        }
    }
    if whole { Ok(known) } else { Err(known) }
}

fn build(
    config: &Config,
    scratch: &Path,
    (kind, name, plugin, pin): (&str, &Name, &Name, Option<&Sha256Pin>),
    report: &mut Report,
) -> Option<String> {
    let file = plugin_file(&config.plugins.dir, plugin);
    let shown = file.display();
    match Images.load(&spec(config, scratch, plugin, pin)) {
        Ok(image) => {
            let what = format!("{kind} {name}: {plugin} {}", image.version());
            match pin {
                Some(_) => report.ok("plug-ins", format!("{what} is the one that is pinned")),
                None => report.warn(
                    "plug-ins",
                    format!("{what} has no pin"),
                    format!("run `patd plugin pin {shown}` and paste the line: who can write the file can read every secret"),
                ),
            }
            Some(image.sha256().to_owned())
        }
        Err(e) => {
            let todo = format!(
                "put the right file at {shown}, or pin this one (`patd plugin pin {shown}`) if it is meant"
            );
            report.fail("plug-ins", format!("{kind} {name}: {e}"), todo);
            None
        }
    }
}

/// Holds what runs against the files.
pub(super) fn running(known: &Known, facts: &Facts, report: &mut Report) {
    for running in facts.plugins.as_array().into_iter().flatten() {
        let text = |member: &str| running[member].as_str().unwrap_or_default();
        // An instance of a store for one site is called by both.
        let name = text("instance").split('/').next().unwrap_or_default();
        let file = known.iter().find(|((kind, entry), _)| *kind == text("kind") && entry == name);
        if let Some((_, sha256)) = file
            && sha256 != text("sha256")
        {
            let what = format!(
                "{} {} runs another build (sha256 {}) than its file is ({sha256})",
                text("kind"),
                text("instance"),
                text("sha256")
            );
            report.warn("plug-ins", what, "run `patd reload` to take the file, or put the old one back");
        }
    }
    for what in &facts.out_of_service {
        report.fail("in service", what.as_str(), "see `patd plugin list` and the daemon's log");
    }
}
