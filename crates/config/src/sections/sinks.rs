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
    /// Only events of at least this severity.
    #[serde(default)]
    pub severity: Severity,
    /// Keys of the sites whose events are delivered, of those that name the sink; empty delivers those of all.
    #[serde(default)]
    pub sites: Vec<Name>,
    /// How long one delivery may take.
    #[serde(default = "default_deadline")]
    pub deadline: Span,
    /// Pauses after deliveries that failed.
    #[serde(default)]
    pub retry: Retry,
    /// So many events may wait per site.
    #[serde(default = "default_backlog")]
    pub max_backlog: u64,
    /// What happens then.
    #[serde(default)]
    pub on_full: OnFull,
}

/// How grave an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    #[default]
    Informational,
    /// Ordinary changes.
    Low,
    /// Worth a look.
    Medium,
    /// Somebody should act.
    High,
    /// Somebody should act at once.
    Critical,
}

/// Pauses after deliveries that failed; each is twice the one before, less up to half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The first.
    pub first: Span,
    /// The longest.
    pub max: Span,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Span::seconds(1), max: Span::seconds(60) }
    }
}

/// What happens when as many events wait as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFull {
    /// They go on waiting.
    #[default]
    Buffer,
    /// The site's changes are refused until there is room.
    Deny,
}

const fn default_deadline() -> Span {
    Span::seconds(10)
}

const fn default_backlog() -> u64 {
    1_000_000
}

pub(crate) fn default_sinks() -> BTreeMap<Name, Sink> {
    let file = Sink {
        plugin: Name::known("audit-file"),
        sha256: None,
        config: PluginConfig::new([("path", Value::String("{data_dir}/audit/{site}.jsonl".to_owned()))]),
        types: Vec::new(),
        severity: Severity::default(),
        sites: Vec::new(),
        deadline: default_deadline(),
        retry: Retry::default(),
        max_backlog: default_backlog(),
        on_full: OnFull::default(),
    };
    BTreeMap::from([(Name::known("file"), file)])
}

pub(crate) fn check(config: &Config, check: &mut Check<'_>) {
    for (key, sink) in &config.sinks {
        let path = |field| ["sinks", key.as_str(), field];
        sink.config.check(&["sinks", key], check);
        check.require(!sink.deadline.is_zero(), &path("deadline"), "must be longer than nothing");
        let Retry { first, max } = sink.retry;
        check.require(!first.is_zero(), &["sinks", key, "retry", "first"], "must be longer than nothing");
        check.require(first <= max, &["sinks", key, "retry", "max"], "must not be shorter than `first`");
        check.require(sink.max_backlog > 0, &path("max_backlog"), "must be at least 1");
        for (index, site) in sink.sites.iter().enumerate() {
            if !config.sites.contains_key(site) {
                let path = ["sinks", key, "sites", &format!("[{index}]")];
                check.refuse(&path, "[sites] has no entry of this name");
            }
        }
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
