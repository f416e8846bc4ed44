//! What a reload did: for each plug-in instance and for the sites. Must never show settings: any may be a secret.

use std::fmt;
use std::path::Path;

use patd_plugin_host::InstancePlan;
use patd_service::reconfigure::SiteChanges;
use serde_json::{Value, json};

/// What became of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Same bytes, same settings.
    Unchanged,
    /// Another instance serves.
    Replaced,
    /// What the daemon itself does with it changed.
    Settings,
    Added,
    Removed,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Replaced => "replaced",
            Self::Settings => "settings",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// One instance.
struct Line {
    kind: &'static str,
    instance: String,
    plugin: String,
    action: Action,
    old: Option<(String, String)>,
    new: Option<(String, String)>,
    generation: Option<u64>,
}

/// The whole.
#[derive(Default)]
pub(super) struct Report {
    lines: Vec<Line>,
    pub(super) sites: SiteChanges,
}

impl Report {
    /// Notes an instance: `plan` is the one in force afterwards, or the last one.
    pub(super) fn note(&mut self, plan: &InstancePlan, action: Action, old: Option<&InstancePlan>) {
        let bytes = |plan: &InstancePlan| (plan.image.sha256().to_owned(), plan.image.version().to_string());
        let (old, new) = match action {
            Action::Added => (None, Some(bytes(plan))),
            Action::Removed => (Some(bytes(plan)), None),
            _ => (Some(bytes(old.unwrap_or(plan))), Some(bytes(plan))),
        };
        let (kind, plugin) = (plan.kind.name(), plan.image.id().to_owned());
        let instance = plan.name.clone();
        self.lines.push(Line { kind, instance, plugin, action, old, new, generation: None });
    }

    /// Fills in the generations from a list of plug-ins; those that are not in it stay as they are.
    pub(super) fn generations(&mut self, plugins: &Value) {
        for line in &mut self.lines {
            let listed = plugins.as_array().into_iter().flatten();
            let mut own =
                listed.filter(|one| one["kind"] == line.kind && one["instance"] == line.instance.as_str());
            line.generation = own.next().and_then(|one| one["generation"].as_u64()).or(line.generation);
        }
    }

    /// Whether nothing was done at all.
    pub(super) fn is_unchanged(&self) -> bool {
        self.lines.iter().all(|line| line.action == Action::Unchanged) && self.sites == SiteChanges::default()
    }

    /// The replaced instances, for the audit trail.
    pub(super) fn replaced(&self) -> Vec<String> {
        let replaced = self.lines.iter().filter(|line| line.action == Action::Replaced);
        replaced.map(ToString::to_string).collect()
    }

    pub(super) fn to_json(&self, config: &Path) -> Value {
        let plugins: Vec<_> = self
            .lines
            .iter()
            .map(|line| {
                let (old, new) = (line.old.as_ref(), line.new.as_ref());
                json!({
                    "kind": line.kind, "instance": line.instance, "plugin": line.plugin,
                    "action": line.action.as_str(),
                    "old_sha256": old.map(|old| &old.0), "new_sha256": new.map(|new| &new.0),
                    "old_version": old.map(|old| &old.1), "new_version": new.map(|new| &new.1),
                    "generation": line.generation,
                })
            })
            .collect();
        json!({
            "result": if self.is_unchanged() { "unchanged" } else { "reloaded" },
            "config": config,
            "plugins": plugins,
            "sites": {
                "added": self.sites.added, "removed": self.sites.removed, "changed": self.sites.changed,
                "ended_sessions": self.sites.ended_sessions,
            },
            "warnings": self.sites.warnings,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}) {}", self.kind, self.instance, self.plugin, self.action.as_str())?;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if old.0 != new.0 => write!(f, ": sha256 {} to {}", old.0, new.0),
            (Some(_), Some(_)) if self.action == Action::Replaced => write!(f, ": other settings"),
            _ => Ok(()),
        }
    }
}

/// For the log: what changed.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines.iter().filter(|line| line.action != Action::Unchanged) {
            write!(f, "{line}; ")?;
        }
        let sites = &self.sites;
        write!(
            f,
            "sites added: [{}], removed: [{}], changed: [{}], sessions ended: {}",
            sites.added.join(", "),
            sites.removed.join(", "),
            sites.changed.join(", "),
            sites.ended_sessions
        )
    }
}
