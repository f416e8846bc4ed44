//! What holds for each site once `[defaults]` is applied, and which plug-ins have no pin.

use std::collections::BTreeSet;

use crate::names::Name;
use crate::sections::sites::{ForeignTokens, Pat, Site};
use crate::span::Span;
use crate::{Config, Sha256Pin};

/// One site with nothing left open. The names are known to exist in their sections.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedSite {
    /// The table's key, by which the operator's commands call the site.
    pub key: Name,
    /// The slug in URLs, as written; unique without regard to case.
    pub content_url: Name,
    /// The name that people read.
    pub name: String,
    /// Entry of `[hashers]` for new token secrets.
    pub token_hasher: Name,
    /// Entry of `[hashers]` for new passwords.
    pub password_hasher: Name,
    /// Entry of `[stores]` for tokens, their sessions and events.
    pub store: Name,
    /// Entries of `[sinks]` that receive the site's events.
    pub sinks: Vec<Name>,
    /// How long a session lasts at most.
    pub session_lifetime: Span,
    /// Live tokens that one person may have at home here.
    pub tokens_per_user: u32,
    /// Whether a session may be switched to this site.
    pub switch_site: bool,
    /// Whether tokens at home elsewhere may sign in here.
    pub foreign_tokens: ForeignTokens,
    /// The rules for tokens at home here.
    pub pat: Pat,
}

/// A plug-in that is named without a pin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unpinned {
    /// Where: `hashers.tokens`.
    pub key: String,
    /// Which: `hasher-pbkdf2`.
    pub plugin: Name,
}

impl Config {
    /// All sites by key, with `[defaults]` applied.
    #[must_use]
    pub fn resolved_sites(&self) -> Vec<ResolvedSite> {
        self.sites.iter().map(|(key, site)| self.resolve(key, site)).collect()
    }

    fn resolve(&self, key: &Name, site: &Site) -> ResolvedSite {
        let defaults = &self.defaults;
        let or = |own: &Option<Name>, default: &Name| own.as_ref().unwrap_or(default).clone();
        ResolvedSite {
            key: key.clone(),
            content_url: or(&site.content_url, key),
            name: site.name.clone().unwrap_or_else(|| key.to_string()),
            token_hasher: or(&site.token_hasher, &defaults.token_hasher),
            password_hasher: or(&site.password_hasher, &defaults.password_hasher),
            store: or(&site.store, &defaults.store),
            sinks: site.sinks.as_ref().unwrap_or(&defaults.sinks).clone(),
            session_lifetime: site.session_lifetime.unwrap_or(defaults.session_lifetime),
            tokens_per_user: site.tokens_per_user.unwrap_or(defaults.tokens_per_user),
            switch_site: site.switch_site,
            foreign_tokens: site.foreign_tokens,
            pat: site.pat,
        }
    }

    /// The plug-ins that are named without a pin: none of them may be loaded unless `plugins.allow_unpinned`.
    #[must_use]
    pub fn unpinned(&self) -> BTreeSet<Unpinned> {
        let hashers = self.hashers.iter().map(|(key, one)| ("hashers", key, &one.plugin, &one.sha256));
        let stores = self.stores.iter().map(|(key, one)| ("stores", key, &one.plugin, &one.sha256));
        let sinks = self.sinks.iter().map(|(key, one)| ("sinks", key, &one.plugin, &one.sha256));
        hashers
            .chain(stores)
            .chain(sinks)
            .filter(|(_, _, _, pin): &(_, _, _, &Option<Sha256Pin>)| pin.is_none())
            .map(|(section, key, plugin, _)| Unpinned {
                key: format!("{section}.{key}"),
                plugin: plugin.clone(),
            })
            .collect()
    }
}
