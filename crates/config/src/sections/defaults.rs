//! `[defaults]`: what a site gets that does not say otherwise.

use serde::Deserialize;

use crate::names::Name;
use crate::source::Check;
use crate::{Config, DIRECTORY_STORE, Span};

/// `[defaults]`. Any of these may be given per site.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// Entry of `[hashers]` for token secrets.
    pub token_hasher: Name,
    /// Entry of `[hashers]` for passwords.
    pub password_hasher: Name,
    /// Entry of `[stores]`.
    pub store: Name,
    /// Entries of `[sinks]`.
    pub sinks: Vec<Name>,
    /// How long a session lasts at most.
    pub session_lifetime: Span,
    /// Live tokens per person and site; refused at the limit, never evicted.
    pub tokens_per_user: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            token_hasher: Name::known("tokens"),
            password_hasher: Name::known("passwords"),
            store: Name::known("sites"),
            sinks: vec![Name::known("file")],
            session_lifetime: Span::minutes(120),
            tokens_per_user: 104,
        }
    }
}

pub(crate) fn check(config: &Config, check: &mut Check<'_>) {
    let defaults = &config.defaults;
    let path = |field| ["defaults", field];
    hasher(config, &defaults.token_hasher, &path("token_hasher"), check);
    hasher(config, &defaults.password_hasher, &path("password_hasher"), check);
    store(config, &defaults.store, &path("store"), check);
    sinks(config, &defaults.sinks, &path("sinks"), check);
    session_lifetime(defaults.session_lifetime, &path("session_lifetime"), check);
    tokens_per_user(defaults.tokens_per_user, &path("tokens_per_user"), check);
}

/// Refuses a hasher that does not exist.
pub(crate) fn hasher(config: &Config, name: &Name, path: &[&str], check: &mut Check<'_>) {
    if !config.hashers.contains_key(name) {
        check.refuse(path, no_such("hashers", config.hashers.keys()));
    }
}

/// Refuses a store that does not exist or is the directory.
pub(crate) fn store(config: &Config, name: &Name, path: &[&str], check: &mut Check<'_>) {
    if !config.stores.contains_key(name) {
        check.refuse(path, no_such("stores", config.stores.keys()));
    } else if &**name == DIRECTORY_STORE {
        check.refuse(path, "the store `directory` is for sites and people alone; name another one");
    }
}

/// Refuses sinks that do not exist or come twice.
pub(crate) fn sinks(config: &Config, names: &[Name], path: &[&str], check: &mut Check<'_>) {
    for (index, name) in names.iter().enumerate() {
        let place = format!("[{index}]");
        let path = [path, &[place.as_str()]].concat();
        if !config.sinks.contains_key(name) {
            check.refuse(&path, no_such("sinks", config.sinks.keys()));
        } else if names[..index].contains(name) {
            check.refuse(&path, format!("the sink `{name}` is given twice"));
        }
    }
}

pub(crate) fn session_lifetime(span: Span, path: &[&str], check: &mut Check<'_>) {
    let sensible = (Span::seconds(1)..=Span::days(365)).contains(&span);
    check.require(sensible, path, "must lie between \"1s\" and \"365d\"");
}

pub(crate) fn tokens_per_user(count: u32, path: &[&str], check: &mut Check<'_>) {
    check.require((1..=10_000).contains(&count), path, "must lie between 1 and 10000");
}

fn no_such<'n>(section: &str, known: impl Iterator<Item = &'n Name>) -> String {
    let known: Vec<&str> = known.map(Name::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("[{section}] has no entry of this name; known: {known}")
}
