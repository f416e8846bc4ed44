//! The config file: what it may say, what holds where it is silent, and where in it a mistake is.
//!
//! Reads one TOML file and checks it as a whole. It must never open a store, load a plug-in or start anything; the only
//! other files it opens are those that a plug-in's settings name as the source of a secret, and only when
//! [`PluginConfig::to_json`] is called.
//!
//! The annotated example `config/patd.toml` ([`EXAMPLE`]) says the same as [`Config::default`]; a test keeps it so.
//!
//! # How to add a setting
//!
//! 1. Add the field to its section's module (public, documented, plain type) and to the section's `Default`.
//! 2. Give it a type that refuses nonsense while it is parsed ([`Span`], [`Name`], …), or check it in the section's `check`.
//! 3. Describe it in `config/patd.toml`: the test `the_example_mentions_every_field` fails until you do.

#![forbid(unsafe_code)]

mod error;
mod names;
mod plugin_config;
mod resolved;
mod sections;
mod source;
mod span;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

pub use error::{ConfigError, Problem};
pub use names::{Name, Sha256Pin};
pub use plugin_config::{PluginConfig, SettingError};
pub use resolved::{ResolvedSite, Unpinned};
pub use sections::audit::Audit;
pub use sections::defaults::Defaults;
pub use sections::hashers::Hasher;
pub use sections::leaks::{KeyFile, KeyText, LeakKey, Leaks};
pub use sections::limits::Limits;
pub use sections::log::{Log, LogFormat, LogLevel};
pub use sections::plugins::Plugins;
pub use sections::server::{Listen, Network, PublicUrl, Server};
pub use sections::sinks::{OnFull, Retry, Severity, Sink};
pub use sections::sites::{ForeignTokens, Pat, Site};
pub use sections::stores::Store;
pub use span::Span;

use source::{Check, Origin, Source};

/// The annotated example file, which says the same as [`Config::default`].
pub const EXAMPLE: &str = include_str!("../../../config/patd.toml");

/// The name of the store that holds sites, people and memberships.
pub const DIRECTORY_STORE: &str = "directory";

/// A whole config file, checked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[server]`: addresses and folders.
    pub server: Server,
    /// `[log]`: what the daemon writes about itself.
    pub log: Log,
    /// `[limits]`: what strangers may ask for.
    pub limits: Limits,
    /// `[leaks]`: whose reports of leaked secrets are believed.
    pub leaks: Leaks,
    /// `[audit]`: how the audit trail is sealed.
    pub audit: Audit,
    /// `[plugins]`: where plug-ins lie.
    pub plugins: Plugins,
    /// `[hashers.*]`: how secrets become digests. A file with this section replaces the default's whole section.
    pub hashers: BTreeMap<Name, Hasher>,
    /// `[stores.*]`: where rows are kept. A file with this section replaces the default's whole section.
    pub stores: BTreeMap<Name, Store>,
    /// `[sinks.*]`: where audit events go. A file with this section replaces the default's whole section.
    pub sinks: BTreeMap<Name, Sink>,
    /// `[defaults]`: what a site gets that does not say otherwise.
    pub defaults: Defaults,
    /// `[sites.*]`: the tenants.
    pub sites: BTreeMap<Name, Site>,
    #[serde(skip)]
    origin: Origin,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            log: Log::default(),
            limits: Limits::default(),
            leaks: Leaks::default(),
            audit: Audit::default(),
            plugins: Plugins::default(),
            hashers: sections::hashers::default_hashers(),
            stores: sections::stores::default_stores(),
            sinks: sections::sinks::default_sinks(),
            defaults: Defaults::default(),
            sites: BTreeMap::new(),
            origin: Origin::default(),
        }
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or [`Config::parse`] refuses it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Checks `text`; `file_name` is what errors call it.
    ///
    /// # Errors
    /// Everything that is wrong, each with file, line and key. Mistakes of form (syntax, unknown keys, wrong types) are
    /// told one at a time, mistakes of meaning all at once.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ConfigError> {
        let source = Source::new(text, file_name)?;
        let mut config: Self = toml::from_str(text).map_err(|error| source.refusal(&error))?;
        let mut check = Check::new(&source);
        config.server.check(&mut check);
        config.limits.check(&mut check);
        config.leaks.check(&mut check);
        config.audit.check(&mut check);
        config.plugins.check(&mut check);
        sections::hashers::check(&config, &mut check);
        sections::stores::check(&config, &mut check);
        sections::sinks::check(&config, &mut check);
        sections::defaults::check(&config, &mut check);
        sections::sites::check(&config, &mut check);
        check.finish()?;
        config.origin = source.origin();
        Ok(config)
    }

    /// A mistake that was found after parsing, at the key `path`, told like those of [`Config::parse`].
    #[must_use]
    pub fn problem(&self, path: &[&str], message: String) -> Problem {
        self.origin.problem(path, message)
    }
}

#[cfg(test)]
mod tests;
