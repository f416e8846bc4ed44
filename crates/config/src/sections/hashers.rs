//! `[hashers.*]`: how secrets become digests. A site names one for tokens and one for passwords; the others still verify.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

use crate::Config;
use crate::names::{Name, Sha256Pin};
use crate::plugin_config::PluginConfig;
use crate::source::Check;

/// One entry of `[hashers]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hasher {
    /// The file `lib<plugin>.so` in `plugins.dir`.
    pub plugin: Name,
    /// The pin of that file.
    #[serde(default)]
    pub sha256: Option<Sha256Pin>,
    /// The plug-in's own settings.
    #[serde(default)]
    pub config: PluginConfig,
}

pub(crate) fn default_hashers() -> BTreeMap<Name, Hasher> {
    let pbkdf2 = |iterations| Hasher {
        plugin: Name::known("hasher-pbkdf2"),
        sha256: None,
        config: PluginConfig::new([("iterations", Value::Integer(iterations))]),
    };
    BTreeMap::from([(Name::known("tokens"), pbkdf2(1_000)), (Name::known("passwords"), pbkdf2(600_000))])
}

pub(crate) fn check(config: &Config, check: &mut Check<'_>) {
    for (key, hasher) in &config.hashers {
        hasher.config.check(&["hashers", key], check);
    }
}
