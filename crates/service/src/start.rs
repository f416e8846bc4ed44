//! Start and stop: opens the stores, lets the config's sites into the directory, fills the live table, starts the
//! outbox pump and the sweeper.
//!
//! Nothing is served before this has ended well.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use patd_core::id::SiteLuid;
use patd_core::name::ContentUrl;
use patd_core::record::Policy;
use patd_core::time::{Span, Timestamp};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::ends::{end_all, ended_by};
use crate::enrol::{Enrolled, enrol, not_written};
use crate::events::Streams;
use crate::facts::{Facts, ask, nonsense};
use crate::failures::Failures;
use crate::hash_pool::Hashers;
use crate::inventory::Inventories;
use crate::keys::Keys;
use crate::leaks::Leaks;
use crate::limits::{LimitPolicy, Limits};
use crate::live::LiveTable;
use crate::notices::Untold;
use crate::order::Order;
use crate::ports::{Applied, AuditSink, Clock, Found, Query, Random, Store, StoreError, StoreOpener};
use crate::pump::Pumps;
use crate::pump::lane::Outbox;
use crate::queues::Queues;
use crate::relay::Relays;
use crate::schemes;
use crate::sealer::Sealers;
use crate::service::{Service, random_uuid};
use crate::world::{SiteRuntime, Sites, World};

/// A clock this far behind the newest event is refused (R4).
pub const MAX_BEHIND: Span = Span::minutes(5);
/// Sessions read at once while the live table is filled.
const LOAD_PAGE: u32 = 1000;

/// A site as the config wants it.
#[derive(Clone, Debug)]
pub struct SitePlan {
    /// The table's key in the config file; what the directory knows the site by.
    pub key: String,
    /// Content URL.
    pub content_url: ContentUrl,
    /// Name for people.
    pub name: String,
    /// Policy.
    pub policy: Policy,
    /// Name of its store in the config.
    pub store: String,
    /// Name of the hasher for tokens.
    pub token_hasher: String,
    /// Name of the hasher for passwords.
    pub password_hasher: String,
    /// Names of its sinks.
    pub sinks: Vec<String>,
}

/// What a service is made of.
pub struct Parts {
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The 32 bytes of the key file.
    pub key: Zeroizing<[u8; 32]>,
    /// Hashers.
    pub hashers: Hashers,
    /// Name of the hasher for passwords where no site decides.
    pub password_hasher: String,
    /// Opens stores.
    pub opener: Arc<dyn StoreOpener>,
    /// Name of the directory's store in the config.
    pub directory: String,
    /// The sites.
    pub sites: Vec<SitePlan>,
    /// The sinks.
    pub sinks: Vec<Arc<dyn AuditSink>>,
    /// Limits on guessing.
    pub limits: LimitPolicy,
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A store failed.
    #[error("store `{name}`: {source}")]
    Store {
        /// Its name in the config.
        name: String,
        /// What it said.
        source: StoreError,
    },
    /// R4.
    #[error(
        "the clock is {behind_s} s behind the newest event in store `{store}`: correct the clock, or the restored \
         data, before starting again (tokens and sessions would live too long)"
    )]
    ClockBehind {
        /// Which store has the event.
        store: String,
        /// How far.
        behind_s: i64,
    },
    /// Anything else that a use-case ended with.
    #[error("{0}")]
    Failed(String),
}

impl From<crate::error::Error> for StartError {
    fn from(e: crate::error::Error) -> Self {
        match e {
            crate::error::Error::Unavailable { cause } => Self::Failed(cause),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Service {
    /// Starts.
    ///
    /// # Errors
    /// [`StartError`] says which store or which site, and what to do.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, StartError> {
        let now = parts.clock.now();
        let directory = open(&*parts.opener, &parts.directory, None).await?;
        let order = Arc::new(Order::default());
        check_clock(&*directory, now, &order).await?;
        let enrolment = enrol(&*parts.random, &*directory, &parts.sites, now).await?;
        if let Some(mut changes) = enrolment.changes {
            let _under_way = order.begin(&mut changes);
            match directory.apply(changes).await {
                Ok(Applied::Done) => {}
                Ok(Applied::Conflict(conflict)) => return Err(not_written(&conflict)),
                Err(source) => {
                    return Err(StartError::Store { name: directory.name().to_owned(), source });
                }
            }
        }
        let mut runtimes = Vec::new();
        let mut ended_by_policy = Vec::new();
        for Enrolled { plan, row, ends } in enrolment.sites {
            ended_by_policy.extend(ends.into_iter().map(|ends| (row.luid, ends)));
            let store = open(&*parts.opener, &plan.store, Some(row.luid)).await?;
            check_clock(&*store, now, &order).await?;
            runtimes.push(Arc::new(SiteRuntime::new(plan, Arc::new(ArcSwap::from_pointee(row)), store)));
        }
        let rows: Vec<_> = runtimes.iter().map(|site| (&*site.store, site.row.load_full())).collect();
        let shares = schemes::count(&*directory, rows.iter().map(|(store, row)| (*store, &**row))).await?;
        schemes::check(&parts.hashers, &shares).await?;
        let world = Arc::new(World {
            directory,
            sites: ArcSwap::from_pointee(Sites::new(runtimes)),
            facts: Facts::default(),
            live: LiveTable::default(),
            bell: Notify::new(),
            outbox: Outbox::default(),
            order,
            hashers: parts.hashers,
        });
        fill_live_table(&world, now).await?;
        let ended: Vec<_> =
            world.live.all().into_iter().filter(|session| ended_by(&ended_by_policy, session)).collect();
        end_all(&world, &*parts.random, now, ended, |home| world.store_of(home)).await?;

        let holder = random_uuid(&*parts.random);
        let service = Arc::new(Self {
            world,
            clock: parts.clock,
            random: parts.random,
            default_password_hasher: ArcSwap::from_pointee(parts.password_hasher),
            keys: Keys::derive(&parts.key),
            limits: Limits::new(parts.limits),
            queue: Queues::default(),
            failures: Failures::default(),
            sinks: ArcSwap::from_pointee(parts.sinks),
            opener: parts.opener,
            pumps: Pumps::new(holder),
            relays: Relays::default(),
            untold: Untold::default(),
            streams: Streams::default(),
            leaks: Leaks::default(),
            inventories: Inventories::default(),
            sealers: Sealers::default(),
            dummies: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            reconfiguring: Arc::default(),
        });
        // None can end: none ran before.
        drop((service.sync_pumps(), service.sync_relays()));
        service.start_notices();
        service.start_sweeper();
        service.start_counting();
        Ok(service)
    }

    /// Stops: the outbox gets one last pass, sinks flush, stores close. Call after the last request has ended.
    pub async fn stop(&self, patience: Duration) {
        self.flush_failures().await;
        if tokio::time::timeout(patience, self.stop_sealing()).await.is_err() {
            tracing::warn!("the newest events could not be sealed in time; the next start does it");
        }
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!("background work did not end in time; events that wait stay in the outbox");
        }
        for sink in self.sinks.load().iter() {
            if let Err(e) = sink.stop().await {
                tracing::warn!(sink = sink.name(), error = %e, "a sink did not stop cleanly");
            }
        }
        for store in self.world.stores() {
            if let Err(e) = store.stop().await {
                tracing::warn!(store = store.name(), error = %e, "a store did not stop cleanly");
            }
        }
    }
}

pub(crate) async fn open(
    opener: &dyn StoreOpener,
    name: &str,
    site: Option<SiteLuid>,
) -> Result<Arc<dyn Store>, StartError> {
    opener.open(name, site).await.map_err(|source| StartError::Store { name: name.to_owned(), source })
}

/// Refuses a store that is ahead of the clock (R4), and has the order of commits go on after what the store has.
pub(crate) async fn check_clock(store: &dyn Store, now: Timestamp, order: &Order) -> Result<(), StartError> {
    let found =
        store.query(vec![Query::NewestEvent, Query::NewestSeq]).await.map_err(crate::error::Error::from)?;
    let [Found::Time(newest), Found::Counts(seq, _)] = found[..] else {
        return Err(nonsense(store).into());
    };
    order.go_on_after(seq);
    match newest {
        Some(newest) if newest.minus(MAX_BEHIND) > now => Err(StartError::ClockBehind {
            store: store.name().to_owned(),
            behind_s: (newest.0 - now.0) / 1_000_000,
        }),
        _ => Ok(()),
    }
}

/// Reads every live session of every store, with the facts that it lives by.
async fn fill_live_table(world: &Arc<World>, now: Timestamp) -> Result<(), StartError> {
    let stores: Vec<_> = {
        let sites = world.sites.load();
        std::iter::once(Arc::clone(&world.directory))
            .chain(sites.iter().map(|s| Arc::clone(&s.store)))
            .collect()
    };
    for store in stores {
        let mut after = None;
        loop {
            let query = Query::LiveSessions { now, after, limit: LOAD_PAGE };
            let Found::Sessions(page) = ask(&*store, query).await? else {
                return Err(nonsense(&*store).into());
            };
            let Some(last) = page.last().map(|s| s.id) else { break };
            after = Some(last);
            for session in page {
                let home = session.token.map_or(session.site, |t| t.home);
                world.facts.user(&*world.directory, session.user).await?;
                world.facts.membership(&*world.directory, session.site, session.user).await?;
                world.facts.membership(&*world.directory, home, session.user).await?;
                world.enter(session);
            }
        }
    }
    Ok(())
}
