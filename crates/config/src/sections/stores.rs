//! `[stores.*]`: where rows are kept. The entry `directory` holds sites and people; every other may serve sites.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

use crate::names::{Name, Sha256Pin};
use crate::plugin_config::PluginConfig;
use crate::source::Check;
use crate::{Config, DIRECTORY_STORE};

/// One entry of `[stores]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The file `lib<plugin>.so` in `plugins.dir`.
    pub plugin: Name,
    /// The pin of that file.
    #[serde(default)]
    pub sha256: Option<Sha256Pin>,
    /// The plug-in's own settings.
    #[serde(default)]
    pub config: PluginConfig,
}

pub(crate) fn default_stores() -> BTreeMap<Name, Store> {
    let sqlite = |file: &str| Store {
        plugin: Name::known("store-sql"),
        sha256: None,
        config: PluginConfig::new([("url", Value::String(format!("sqlite://{{data_dir}}/{file}")))]),
    };
    BTreeMap::from([
        (Name::known(DIRECTORY_STORE), sqlite("directory.db")),
        (Name::known("sites"), sqlite("sites/{luid}.db")),
    ])
}

pub(crate) fn check(config: &Config, check: &mut Check<'_>) {
    if !config.stores.contains_key(DIRECTORY_STORE) {
        check.refuse(
            &["stores", DIRECTORY_STORE],
            "is missing: sites and people are kept in the store of this name",
        );
    }
    for (key, store) in &config.stores {
        store.config.check(&["stores", key], check);
        let per_site = store.config.mentions("luid") || store.config.mentions("site");
        if &**key == DIRECTORY_STORE && per_site {
            check.refuse(
                &["stores", key, "config"],
                "the directory belongs to no site; leave `{luid}` and `{site}` out",
            );
        }
    }
}
