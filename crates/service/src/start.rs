//! Start and stop: opens the stores, lets the config's sites into the directory, fills the live table, starts the
//! outbox pump and the sweeper.
//!
//! Nothing is served before this has ended well.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use patd_core::changes::Changes;
use patd_core::event::{Actor, Origin};
use patd_core::id::{HomeNumber, SiteLuid, Version};
use patd_core::name::ContentUrl;
use patd_core::record::{Policy, Site, SiteState};
use patd_core::rules::Context;
use patd_core::rules::session::end_sessions;
use patd_core::rules::site::{Ends, WantedSite, add_site, change_policy};
use patd_core::time::{Span, Timestamp};
use tokio::sync::{Notify, OnceCell};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::facts::{Facts, ask, nonsense};
use crate::failures::Failures;
use crate::hash_pool::Hashers;
use crate::keys::Keys;
use crate::limits::{LimitPolicy, Limits};
use crate::live::LiveTable;
use crate::ports::{Applied, AuditSink, Clock, Found, Query, Random, Store, StoreError, StoreOpener};
use crate::queues::Queues;
use crate::service::{Service, event_id, random_uuid};
use crate::world::{SiteRuntime, Sites, World};

/// A clock this far behind the newest event is refused (R4).
const MAX_BEHIND: Span = Span::minutes(5);
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
        check_clock(&*directory, now).await?;
        let rows = enrol_sites(&parts, &*directory, now).await?;

        let mut runtimes = Vec::new();
        let mut ended_by_policy = Vec::new();
        for (plan, row, ends) in rows {
            ended_by_policy.extend(ends.into_iter().map(|ends| (row.luid, ends)));
            let store = open(&*parts.opener, &plan.store, Some(row.luid)).await?;
            check_clock(&*store, now).await?;
            runtimes.push(Arc::new(SiteRuntime {
                row: Arc::new(ArcSwap::from_pointee(row)),
                store,
                token_hasher: plan.token_hasher,
                password_hasher: plan.password_hasher,
                sinks: plan.sinks,
            }));
        }
        let world = Arc::new(World {
            directory,
            sites: ArcSwap::from_pointee(Sites::new(runtimes)),
            facts: Facts::default(),
            live: LiveTable::default(),
            bell: Notify::new(),
        });
        fill_live_table(&world, now).await?;
        end_by_policy(&world, &*parts.random, now, &ended_by_policy).await?;

        let service = Arc::new(Self {
            world,
            clock: parts.clock,
            random: parts.random,
            hashers: Arc::new(parts.hashers),
            default_password_hasher: parts.password_hasher,
            keys: Keys::derive(&parts.key),
            limits: Limits::new(parts.limits),
            queue: Queues::default(),
            failures: Failures::default(),
            sinks: parts.sinks,
            dummy: OnceCell::new(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        service.start_pump();
        service.start_relay();
        service.start_sweeper();
        Ok(service)
    }

    /// Stops: the outbox gets one last pass, sinks flush, stores close. Call after the last request has ended.
    pub async fn stop(&self, patience: Duration) {
        self.flush_failures().await;
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!("background work did not end in time; events that wait stay in the outbox");
        }
        for sink in &self.sinks {
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

async fn open(
    opener: &dyn StoreOpener,
    name: &str,
    site: Option<SiteLuid>,
) -> Result<Arc<dyn Store>, StartError> {
    opener.open(name, site).await.map_err(|source| StartError::Store { name: name.to_owned(), source })
}

async fn check_clock(store: &dyn Store, now: Timestamp) -> Result<(), StartError> {
    let Found::Time(newest) = ask(store, Query::NewestEvent).await? else {
        return Err(nonsense(store).into());
    };
    match newest {
        Some(newest) if newest.minus(MAX_BEHIND) > now => Err(StartError::ClockBehind {
            store: store.name().to_owned(),
            behind_s: (newest.0 - now.0) / 1_000_000,
        }),
        _ => Ok(()),
    }
}

/// A site of the config with its row, and what a changed policy ends.
type Enrolled = (SitePlan, Site, Vec<Ends>);

/// Brings the directory's sites in line with the config: new ones are added, changed ones updated, missing ones
/// suspended. Each change carries its event (R7).
async fn enrol_sites(
    parts: &Parts,
    directory: &dyn Store,
    now: Timestamp,
) -> Result<Vec<Enrolled>, StartError> {
    let Found::Sites(known) = ask(directory, Query::Sites).await? else {
        return Err(nonsense(directory).into());
    };
    let random = &*parts.random;
    let mut rows = Vec::new();
    for plan in &parts.sites {
        let old = known.iter().find(|s| s.key == plan.key && s.state != SiteState::Deleted);
        let wanted = WantedSite {
            content_url: plan.content_url.clone(),
            name: plan.name.clone(),
            policy: plan.policy.clone(),
            state: SiteState::Active,
        };
        let (changes, site, ends) = match old {
            Some(old) => {
                let changed = by_system(random, now, |cx| change_policy(cx, old, wanted));
                (changed.changes, changed.site, changed.ends)
            }
            None => {
                let site = Site {
                    luid: SiteLuid(random_uuid(random)),
                    key: plan.key.clone(),
                    content_url: wanted.content_url,
                    name: wanted.name,
                    home: unused_home_number(random, directory).await?,
                    state: SiteState::Active,
                    policy: wanted.policy,
                    not_before: Timestamp(0),
                    credential: None,
                    created_at: now,
                    version: Version(1),
                };
                (by_system(random, now, |cx| add_site(cx, site.clone())), site, Vec::new())
            }
        };
        write_site(directory, changes, site.content_url.as_str()).await?;
        rows.push((plan.clone(), site, ends));
    }
    for gone in known.iter().filter(|s| s.state == SiteState::Active) {
        if !parts.sites.iter().any(|plan| plan.key == gone.key) {
            let wanted = WantedSite {
                content_url: gone.content_url.clone(),
                name: gone.name.clone(),
                policy: gone.policy.clone(),
                state: SiteState::Suspended,
            };
            let changed = by_system(random, now, |cx| change_policy(cx, gone, wanted));
            write_site(directory, changed.changes, gone.content_url.as_str()).await?;
        }
    }
    Ok(rows)
}

/// Asks a rule on behalf of patd itself.
fn by_system<T>(random: &dyn Random, now: Timestamp, rule: impl FnOnce(&mut Context<'_>) -> T) -> T {
    let mut fresh = || event_id(now, random);
    rule(&mut Context { now, actor: Actor::System, origin: Origin::default(), event_id: &mut fresh })
}

async fn write_site(directory: &dyn Store, changes: Changes, content_url: &str) -> Result<(), StartError> {
    if changes.is_empty() {
        return Ok(());
    }
    match directory.apply(changes).await {
        Ok(Applied::Done) => Ok(()),
        Ok(Applied::Conflict(c)) => Err(StartError::Failed(format!(
            "site `{content_url}` cannot be written to the directory ({c:?}): is its content URL that of another \
             site, perhaps of one that left the config?"
        ))),
        Err(source) => Err(StartError::Store { name: directory.name().to_owned(), source }),
    }
}

async fn unused_home_number(random: &dyn Random, directory: &dyn Store) -> Result<HomeNumber, StartError> {
    loop {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let home = HomeNumber(u32::from_be_bytes(bytes));
        let Found::Counts(used, _) = ask(directory, Query::HomeNumberUsed(home)).await? else {
            return Err(nonsense(directory).into());
        };
        if used == 0 {
            return Ok(home);
        }
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

/// Ends the live sessions that a changed policy no longer allows, so that taking the policy back revives none.
async fn end_by_policy(
    world: &Arc<World>,
    random: &dyn Random,
    now: Timestamp,
    ended: &[(SiteLuid, Ends)],
) -> Result<(), StartError> {
    for session in world.live.all() {
        let home = session.token.map(|t| t.home);
        let ends = ended.iter().any(|(site, ends)| match ends {
            Ends::TokensAtHome => home == Some(*site),
            Ends::Visitors => session.site == *site && home.is_some_and(|home| home != *site),
            Ends::Everything => session.site == *site || home == Some(*site),
        });
        let Some(store) = world.store_of(home).filter(|_| ends) else { continue };
        let tokens = match session.token {
            Some(token) => match ask(&*store, Query::Token(token.id)).await? {
                Found::Tokens(tokens) => tokens,
                _ => return Err(nonsense(&*store).into()),
            },
            None => Vec::new(),
        };
        let changes = by_system(random, now, |cx| {
            end_sessions(cx, std::slice::from_ref(&session), &tokens, "the site's policy changed")
        });
        if world.commit(&store, changes, ()).await?.is_err() {
            return Err(StartError::Failed("a session changed while nothing is served yet".to_owned()));
        }
    }
    Ok(())
}
