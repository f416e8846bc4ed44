//! `[sinks.*]`: where audit events are delivered. Whatever a sink does, events wait in the outbox and are not lost.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

use crate::names::{Name, Sha256Pin};
use crate::plugin_config::PluginConfig;
use crate::source::Check;
use crate::{Config, Span};

/// One entry of `[sinks]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// The file `lib<plugin>.so` in `plugins.dir`.
    pub plugin: Name,
    /// The pin of that file.
    #[serde(default)]
    pub sha256: Option<Sha256Pin>,
    /// The plug-in's own settings.
    #[serde(default)]
    pub config: PluginConfig,
    /// Event types to deliver, `patd.token.*` for all that begin so; empty delivers everything.
    #[serde(default)]
    pub types: Vec<String>,
    /// How long one delivery may take.
    #[serde(default = "default_deadline")]
    pub deadline: Span,
    /// Waiting events from which on `on_full` applies.
    #[serde(default = "default_max_backlog")]
    pub max_backlog: u64,
    /// What happens then.
    #[serde(default)]
    pub on_full: OnFull,
}

/// What happens when a sink is too far behind. Never that events are lost or changes wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// Says so in log and metrics.
    #[default]
    Warn,
    /// Says so and answers `/readyz` with a failure, until it has caught up.
    Unready,
}

const fn default_deadline() -> Span {
    Span::seconds(10)
}

const fn default_max_backlog() -> u64 {
    100_000
}

impl Sink {
    /// Whether events of this type go to the sink.
    #[must_use]
    pub fn takes(&self, event_type: &str) -> bool {
        self.types.is_empty()
            || self.types.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => event_type.starts_with(beginning),
                None => event_type == pattern,
            })
    }
}

pub(crate) fn default_sinks() -> BTreeMap<Name, Sink> {
    let file = Sink {
        plugin: Name::known("audit-file"),
        sha256: None,
        config: PluginConfig::new([("path", Value::String("{data_dir}/audit/{site}.jsonl".to_owned()))]),
        types: Vec::new(),
        deadline: default_deadline(),
        max_backlog: default_max_backlog(),
        on_full: OnFull::default(),
    };
    BTreeMap::from([(Name::known("file"), file)])
}

pub(crate) fn check(config: &Config, check: &mut Check<'_>) {
    for (key, sink) in &config.sinks {
        let path = |field| ["sinks", key.as_str(), field];
        sink.config.check(&["sinks", key], check);
        check.require(!sink.deadline.is_zero(), &path("deadline"), "must be longer than nothing");
        check.require(sink.max_backlog >= 1, &path("max_backlog"), "must be at least 1");
        for (index, pattern) in sink.types.iter().enumerate() {
            let body = pattern.strip_suffix('*').unwrap_or(pattern);
            let fits = body.starts_with("patd.")
                && body.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_');
            if !fits {
                let message =
                    "is no event type; write \"patd.token.minted\", or \"patd.token.*\" for all of a kind";
                check.refuse(&["sinks", key, "types", &format!("[{index}]")], message);
            }
        }
    }
}
