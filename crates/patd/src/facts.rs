//! What a running service, or the stores of a stopped one, say of themselves: one form for both, so that `patd doctor` and
//! `patd config check` judge them alike. Must never hold a secret: it goes over the control socket and into reports.

use std::collections::BTreeMap;

use patd_config::Config;
use patd_core::time::Timestamp;
use patd_service::checkup::Checkup;
use patd_service::ports::{Scope, Store as _};
use patd_service::schemes::{Share, count_in};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::look::{Look, Seen};
use crate::operate::refused;
use crate::wiring::Running;

/// Digests that were made alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Digests {
    /// The site's key; none for passwords.
    site: Option<String>,
    /// Scheme, parameters and salt of one of them.
    sample: String,
    count: u64,
}

impl Digests {
    pub(crate) fn share(&self) -> Share {
        Share::counted(self.site.clone(), self.sample.clone(), self.count)
    }

    /// As reports have it.
    pub(crate) fn told(&self) -> Value {
        let made = self.share().made;
        json!({
            "site": self.site, "kind": if self.site.is_some() { "token" } else { "password" },
            "scheme": made.scheme, "kid": made.kid, "count": self.count,
        })
    }
}

/// What the stored digests were made with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) digests: Vec<Digests>,
    /// The sites whose tokens were counted.
    pub(crate) sites: Vec<String>,
    /// What was not counted, and why.
    pub(crate) not_counted: Vec<String>,
}

impl Counted {
    pub(crate) async fn by(running: &Running) -> Result<Self, Failure> {
        let shares = running.service.shares().await.map_err(refused)?;
        let digests = shares.into_iter().map(of).collect();
        Ok(Self { digests, sites: running.service.site_keys(), not_counted: Vec::new() })
    }

    pub(crate) async fn at(look: &Look) -> Self {
        let mut counted = Self::default();
        let sites = look.sites.iter().map(|(site, store)| (&look.stores[*store], Some(site)));
        for ((name, seen), site) in
            look.stores.first().map(|directory| (directory, None)).into_iter().chain(sites)
        {
            let what = match site {
                Some(site) => format!("tokens of site `{}`", site.key),
                None => "passwords".to_owned(),
            };
            let found = match seen {
                Seen::Empty => Ok(Vec::new()),
                Seen::Open(store) => count_in(store, site).await.map_err(|e| e.to_string()),
                Seen::Behind(pending) => Err(format!("migrations come first: {}", pending.join(", "))),
                Seen::Shut(why) => Err(why.clone()),
            };
            match found {
                Ok(shares) => {
                    counted.digests.extend(shares.into_iter().map(of));
                    counted.sites.extend(site.map(|site| site.key.clone()));
                }
                Err(why) => counted.not_counted.push(format!("{what}, store {name}: {why}")),
            }
        }
        counted
    }

    /// Leaves out sites that the config does not have: their tokens are refused while they are away.
    pub(crate) fn within(mut self, config: &Config) -> Self {
        let has = |site: &str| config.sites.keys().any(|key| **key == *site);
        self.digests.retain(|one| one.site.as_deref().is_none_or(has));
        self
    }
}

fn of(share: Share) -> Digests {
    Digests { site: share.site, sample: share.sample, count: share.count }
}

/// A store.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoreFacts {
    pub(crate) store: String,
    pub(crate) location: Option<String>,
    pub(crate) pending: Vec<String>,
    /// Time of its newest event, in microseconds.
    pub(crate) newest: Option<i64>,
    pub(crate) failure: Option<String>,
}

impl StoreFacts {
    fn new(store: &str) -> Self {
        Self { store: store.to_owned(), location: None, pending: Vec::new(), newest: None, failure: None }
    }
}

impl From<Checkup> for StoreFacts {
    fn from(checkup: Checkup) -> Self {
        let facts = Self::new(&checkup.store);
        match checkup.found {
            Ok((schema, newest)) => Self {
                location: Some(schema.location),
                pending: schema.pending,
                newest: newest.map(|time| time.0),
                ..facts
            },
            Err(failure) => Self { failure: Some(failure), ..facts },
        }
    }
}

/// What a sink has not taken, over all sites.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SinkFacts {
    pub(crate) backlog: u64,
    /// Age of the oldest of them, in microseconds.
    pub(crate) lag_us: i64,
    pub(crate) dead_letters: u64,
    /// Whether at some site as many wait as may.
    pub(crate) full: bool,
    pub(crate) failure: Option<String>,
}

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) stores: Vec<StoreFacts>,
    pub(crate) sinks: BTreeMap<String, SinkFacts>,
    pub(crate) counted: Counted,
    /// What is out of service; of a running daemon.
    pub(crate) out_of_service: Vec<String>,
    /// As `patd plugin list` has them; of a running daemon.
    pub(crate) plugins: Value,
    pub(crate) live_sessions: Option<usize>,
}

impl Facts {
    /// Of a running daemon.
    pub(crate) async fn by(running: &Running) -> Self {
        let service = &running.service;
        let mut sinks: BTreeMap<String, SinkFacts> = BTreeMap::new();
        for status in service.sinks_status() {
            let sink = sinks.entry(status.sink).or_default();
            sink.backlog += status.backlog;
            sink.lag_us = sink.lag_us.max(status.lag_us);
            sink.dead_letters += status.dead_letters;
            sink.full |= status.full;
        }
        let counted = Counted::by(running).await;
        Self {
            stores: service.operator_checkup().await.into_iter().map(StoreFacts::from).collect(),
            sinks,
            counted: counted
                .unwrap_or_else(|e| Counted { not_counted: vec![e.to_string()], ..Counted::default() }),
            out_of_service: service.readiness().await,
            plugins: running.plugins(),
            live_sessions: Some(service.live_sessions()),
        }
    }

    /// Of the stores of a daemon that does not run.
    pub(crate) async fn at(look: &Look, config: &Config, now: Timestamp) -> Self {
        let mut stores = Vec::new();
        for (name, seen) in &look.stores {
            stores.push(match seen {
                Seen::Open(store) => Checkup::of(store).await.into(),
                Seen::Empty => StoreFacts::new(name),
                Seen::Behind(pending) => StoreFacts { pending: pending.clone(), ..StoreFacts::new(name) },
                Seen::Shut(why) => StoreFacts { failure: Some(why.clone()), ..StoreFacts::new(name) },
            });
        }
        let sinks = waiting(look, config, now).await;
        Self { stores, sinks, counted: Counted::at(look).await, ..Self::default() }
    }
}

/// What waits for each sink of the config in the stores that are open.
async fn waiting(look: &Look, config: &Config, now: Timestamp) -> BTreeMap<String, SinkFacts> {
    let mut sinks: BTreeMap<String, SinkFacts> = BTreeMap::new();
    let resolved = config.resolved_sites();
    for (name, sink) in &config.sinks {
        let facts = sinks.entry(name.to_string()).or_default();
        let takes = |key: &str| {
            (sink.sites.is_empty() || sink.sites.iter().any(|site| **site == *key))
                && resolved.iter().any(|site| *site.key == *key && site.sinks.contains(name))
        };
        let own = look.sites.iter().filter(|(site, _)| takes(&site.key));
        let mut places = vec![(0, Scope::Directory)];
        for (site, store) in own {
            // Events of a site lie in the directory, too, and events of none in the stores of sites.
            places.extend([
                (0, Scope::Site(site.luid)),
                (*store, Scope::Site(site.luid)),
                (*store, Scope::Directory),
            ]);
        }
        places.sort_unstable_by_key(|(store, scope)| (*store, scope.site().map(|site| site.0)));
        places.dedup();
        let mut at_site: BTreeMap<_, u64> = BTreeMap::new();
        for (store, scope) in places {
            let Some((_, Seen::Open(store))) = look.stores.get(store) else { continue };
            match store.outbox_status(name, scope).await {
                Ok(status) => {
                    *at_site.entry(scope.site().map(|site| site.0)).or_default() += status.waiting;
                    facts.backlog += status.waiting;
                    facts.dead_letters += status.dead;
                    let lag = status.oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0));
                    facts.lag_us = facts.lag_us.max(lag);
                }
                Err(e) => facts.failure = Some(format!("store {}: {e}", store.name())),
            }
        }
        facts.full = at_site.values().any(|waiting| *waiting >= sink.max_backlog);
    }
    sinks
}
