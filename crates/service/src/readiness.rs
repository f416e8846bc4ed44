//! Whether what requests need is up: as a whole for `/readyz`, and for each site by itself, because one site's broken
//! plug-in is no other site's trouble (R8). Must never show a secret.

use std::sync::Arc;

use patd_core::id::SiteLuid;

use crate::ports::Store;
use crate::service::{Service, SiteRef};
use crate::world::SiteRuntime;

/// One site's readiness.
#[derive(Clone, Debug)]
pub struct SiteReadiness {
    /// Its LUID.
    pub luid: SiteLuid,
    /// Its content URL.
    pub content_url: String,
    /// Why it is not ready; empty when it is.
    pub reasons: Vec<String>,
}

impl Service {
    /// Whether every part that requests need is up; the reasons if not (for `/readyz`; never a secret).
    pub async fn readiness(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for store in self.world.stores() {
            reasons.extend(sick(&store).await);
        }
        let sites = self.world.sites.load_full();
        for site in sites.iter() {
            reasons.extend(self.out_of_service(site));
        }
        reasons.sort_unstable();
        reasons.dedup();
        reasons
    }

    /// The readiness of one site by content URL or LUID; `None` when it is not served.
    pub async fn site_readiness(&self, site: &SiteRef<'_>) -> Option<SiteReadiness> {
        let site = self.world.sites.load().find(site.0).cloned()?;
        let mut reasons = Vec::new();
        for store in [&self.world.directory, &site.store] {
            reasons.extend(sick(store).await);
        }
        reasons.extend(self.out_of_service(&site));
        Some(of(&site, reasons))
    }

    /// Each site with the plug-in instances of it that are out of service; asks no plug-in (for `/metrics`).
    #[must_use]
    pub fn sites_out_of_service(&self) -> Vec<SiteReadiness> {
        let sites = self.world.sites.load_full();
        sites.iter().map(|site| of(site, self.out_of_service(site))).collect()
    }

    /// The instances that a site uses and that are out of service.
    fn out_of_service(&self, site: &SiteRuntime) -> Vec<String> {
        let hashers = [&site.token_hasher, &site.password_hasher];
        let mut reasons: Vec<_> =
            hashers.iter().filter_map(|name| self.world.hashers.unready(name)).collect();
        reasons.extend([&self.world.directory, &site.store].iter().filter_map(|store| store.unready()));
        let sinks = self.sinks.load();
        let own = sinks.iter().filter(|sink| site.sinks.iter().any(|name| name == sink.name()));
        reasons.extend(own.filter_map(|sink| sink.unready()));
        reasons.dedup();
        reasons
    }
}

async fn sick(store: &Arc<dyn Store>) -> Option<String> {
    match store.unready() {
        // Said by `out_of_service`.
        Some(_) => None,
        None => store.health().await.err().map(|e| format!("store {}: {e}", store.name())),
    }
}

fn of(site: &SiteRuntime, reasons: Vec<String>) -> SiteReadiness {
    let row = site.row.load();
    SiteReadiness { luid: row.luid, content_url: row.content_url.as_str().to_owned(), reasons }
}
