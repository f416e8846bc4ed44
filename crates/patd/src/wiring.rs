//! From the config file to a running service: loads the plug-ins, adapts them, starts the use-cases.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use patd_config::{Config, ForeignTokens, ResolvedSite};
use patd_core::name::ContentUrl;
use patd_core::record::Policy;
use patd_core::time::Span;
use patd_plugin_host::{HasherSlot, Images, ServiceSlot, SlotStatus, SlotTimes};
use patd_service::hash_pool::Hashers;
use patd_service::limits;
use patd_service::service::Service;
use patd_service::start::{Parts, SitePlan};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::plugins::{Inventory, Wanted, runtime_dir, told};
use crate::stores::{Opener, Stores};
use crate::system::{OsRandom, WallClock};

/// How long background work may take to end at a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long making and starting a store may take when the daemon starts: an embedded one migrates in it.
const START_PATIENCE: Duration = Duration::from_secs(600);

/// A hash that takes less is slow; it does not hang.
const SHORTEST_HANG: Duration = Duration::from_secs(5);

/// A started service with what commands want to know of it.
pub(crate) struct Running {
    pub(crate) service: Arc<Service>,
    /// For links in invitations.
    pub(crate) public_url: String,
    /// The config in force; held while a reload puts another in its place.
    pub(crate) config: Mutex<Config>,
    pub(crate) data_dir: PathBuf,
    /// The daemon's config file, which a reload reads; no command has one.
    pub(crate) config_path: Option<PathBuf>,
    /// The hashers and sinks in use.
    pub(crate) inventory: ArcSwap<Inventory>,
    pub(crate) stores: Arc<Stores>,
}

impl Running {
    /// Starts everything that the config names, under the data folder's lock.
    pub(crate) async fn start(config: &Config, data_dir: &DataDir) -> Result<Self, Failure> {
        for unpinned in config.unpinned() {
            tracing::warn!(key = %unpinned.key, plugin = %unpinned.plugin,
                "a plug-in without a pin is accepted because of `allow_unpinned`");
        }
        let key = data_dir.key(&OsRandom)?;
        let wanted = Wanted::of(config, data_dir.path(), config.plugins.start_timeout.duration()).await?;
        // The lock says that nobody else uses them.
        Images.tidy(&runtime_dir(data_dir.path()));
        let times = slot_times(config);
        let mut inventory = Inventory::default();
        for plan in wanted.hashers {
            let told = told(config, &plan, Failure::Start);
            let slot = HasherSlot::open(plan, times).await.map_err(told)?;
            inventory.hashers.push(slot);
        }
        for (plan, settings) in wanted.sinks {
            let told = told(config, &plan, Failure::Start);
            let slot = ServiceSlot::open(plan, times).await.map_err(told)?;
            inventory.sinks.push((slot, settings));
        }
        let stores =
            Arc::new(Stores::new(wanted.sections, data_dir.path().to_owned(), times, START_PATIENCE));
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let random = Arc::new(OsRandom);
        let parts = Parts {
            clock: Arc::new(WallClock::default()),
            random,
            key,
            hashers: Hashers::of(inventory.hasher_places(), cores, config.limits.hash_queue as usize)
                .abandoning(config.plugins.abandoned_digests.clone()),
            password_hasher: config.defaults.password_hasher.to_string(),
            opener: Arc::new(Opener(Arc::clone(&stores))),
            directory: patd_config::DIRECTORY_STORE.to_owned(),
            sites: site_plans(config)?,
            sinks: inventory.sink_ports(),
            limits: limits::LimitPolicy {
                account: attempts(config, config.limits.attempts_per_account),
                address: attempts(config, config.limits.attempts_per_address),
                event_streams: config.limits.event_streams,
                event_streams_per_site: config.limits.event_streams_per_site,
                leak_reports_per_hour: config.limits.leak_reports_per_hour,
            },
        };
        let service = Service::start(parts).await.map_err(|e| Failure::Start(e.to_string()))?;
        Ok(Self {
            service,
            public_url: config.server.public_url.to_string(),
            config: Mutex::new(config.clone()),
            data_dir: data_dir.path().to_owned(),
            config_path: None,
            inventory: ArcSwap::from_pointee(inventory),
            stores,
        })
    }

    /// What `patd plugin list` prints.
    pub(crate) fn plugins(&self) -> Value {
        let inventory = self.inventory.load();
        let hashers = inventory.hashers.iter().map(|slot| slot.status());
        let sinks = inventory.sinks.iter().map(|(slot, _)| slot.status());
        let all = hashers.chain(sinks).chain(self.stores.status());
        all.map(|status| listed(&status)).collect()
    }

    /// Stops: see [`Service::stop`]. A reload that is under way may end first.
    pub(crate) async fn stop(&self) {
        let _reloaded = tokio::time::timeout(STOP_PATIENCE, self.config.lock()).await;
        self.service.stop(STOP_PATIENCE).await;
    }
}

fn listed(status: &SlotStatus) -> Value {
    let image = &status.plan.image;
    json!({
        "kind": status.kind.name(), "instance": status.name, "plugin": image.id(),
        "version": image.version().to_string(), "sha256": image.sha256(), "file": image.path(),
        "generation": status.generation, "in_flight": status.in_flight, "draining": status.draining,
        "quarantined": status.quarantined,
        "retry_in_s": status.retry_in.map(|left| left.as_secs_f64().ceil()),
        "recoveries": status.recoveries, "abandoned": status.abandoned,
        "images": Images.mapped(image.id()),
    })
}

/// The times of every slot. A hash hangs when whoever asked for it has had another answer: the request's time-out. A very
/// short time-out says nothing about hashes, and a very long one must not keep a hasher that hangs.
pub(crate) fn slot_times(config: &Config) -> SlotTimes {
    let usual = SlotTimes::default();
    let hang = config.limits.request_timeout.duration().clamp(SHORTEST_HANG, usual.hang);
    SlotTimes { drain: config.plugins.drain_timeout.duration(), hang, ..usual }
}

/// The sites of the config.
pub(crate) fn site_plans(config: &Config) -> Result<Vec<SitePlan>, Failure> {
    config.resolved_sites().iter().map(site_plan).collect()
}

fn attempts(config: &Config, free: u32) -> limits::Attempts {
    let from = &config.limits;
    limits::Attempts { free, first_delay: span(from.first_delay), max_delay: span(from.max_delay) }
}

pub(crate) fn span(from: patd_config::Span) -> Span {
    Span(i64::try_from(from.duration().as_micros()).unwrap_or(i64::MAX))
}

fn site_plan(site: &ResolvedSite) -> Result<SitePlan, Failure> {
    let content_url = ContentUrl::parse(site.content_url.as_str())
        .map_err(|e| Failure::Start(format!("site `{}`: {e}", site.key)))?;
    Ok(SitePlan {
        key: site.key.to_string(),
        content_url,
        name: site.name.clone(),
        policy: Policy {
            pat_enabled: site.pat.enabled,
            mint_allowed: site.pat.mint,
            max_lifetime: span(site.pat.max_lifetime),
            idle_limit: span(site.pat.idle_limit),
            session_lifetime: span(site.session_lifetime),
            tokens_per_user: site.tokens_per_user,
            foreign_tokens: matches!(site.foreign_tokens, ForeignTokens::Accept),
            switch_site: site.switch_site,
        },
        store: site.store.to_string(),
        token_hasher: site.token_hasher.to_string(),
        password_hasher: site.password_hasher.to_string(),
        sinks: site.sinks.iter().map(ToString::to_string).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_hangs_when_nobody_waits_for_it_any_more() {
        let hang = |request_timeout: u64| {
            let mut config = Config::default();
            config.limits.request_timeout = patd_config::Span::seconds(request_timeout);
            slot_times(&config).hang.as_secs()
        };
        assert_eq!([hang(1), hang(30), hang(600)], [5, 30, 60]);
    }
}
