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
}

const fn default_deadline() -> Span {
    Span::seconds(10)
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
    };
    BTreeMap::from([(Name::known("file"), file)])
}

pub(crate) fn check(config: &Config, check: &mut Check<'_>) {
    for (key, sink) in &config.sinks {
        let path = |field| ["sinks", key.as_str(), field];
        sink.config.check(&["sinks", key], check);
        check.require(!sink.deadline.is_zero(), &path("deadline"), "must be longer than nothing");
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
