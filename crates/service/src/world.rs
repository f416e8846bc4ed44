//! The world as the daemon sees it: sites with their stores, facts, live sessions; and the one way to change it.
//!
//! [`World::commit`] is that way: hand the change to its store, and when it is durable let the memory follow. It runs
//! to its end even if the caller goes away, so memory never misses a change that a store has.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use patd_core::changes::{Changes, Conflict, Row, RowKey, Write};
use patd_core::id::{HomeNumber, SessionId, SiteLuid, TokenId, Version};
use patd_core::record::{Session, Site, SiteState};
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::facts::{Fact, Facts};
use crate::hash_pool::Hashers;
use crate::live::{LiveSession, LiveTable};
use crate::order::Order;
use crate::ports::{Applied, Store, StoreError};
use crate::pump::lane::Outbox;
use crate::start::SitePlan;

/// A site's row, as sessions hold on to it.
pub(crate) type SiteFact = Fact<Site>;

/// A served site.
pub(crate) struct SiteRuntime {
    /// The row.
    pub(crate) row: SiteFact,
    /// Where its tokens and their sessions are.
    pub(crate) store: Arc<dyn Store>,
    /// Name of that store's section in the config.
    pub(crate) store_section: String,
    /// Name of the hasher for new tokens.
    pub(crate) token_hasher: String,
    /// Name of the hasher for new passwords set at this site.
    pub(crate) password_hasher: String,
    /// Names of the sinks that get its events.
    pub(crate) sinks: Vec<String>,
}

impl SiteRuntime {
    /// A site as the config wants it, over its row and its store.
    pub(crate) fn new(plan: SitePlan, row: SiteFact, store: Arc<dyn Store>) -> Self {
        Self {
            row,
            store,
            store_section: plan.store,
            token_hasher: plan.token_hasher,
            password_hasher: plan.password_hasher,
            sinks: plan.sinks,
        }
    }
}

/// The sites by each of their names. Replaced as a whole when sites come or go.
#[derive(Default)]
pub(crate) struct Sites {
    by_luid: HashMap<SiteLuid, Arc<SiteRuntime>>,
    by_url: HashMap<String, SiteLuid>,
    by_home: HashMap<HomeNumber, SiteLuid>,
}

impl Sites {
    pub(crate) fn new(sites: Vec<Arc<SiteRuntime>>) -> Self {
        let mut all = Self::default();
        for site in sites {
            let row = site.row.load_full();
            all.by_url.insert(row.content_url.folded(), row.luid);
            all.by_home.insert(row.home, row.luid);
            all.by_luid.insert(row.luid, site);
        }
        all
    }

    /// Every served site.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<SiteRuntime>> {
        self.by_luid.values()
    }

    /// A site in whatever state.
    pub(crate) fn any(&self, luid: SiteLuid) -> Option<&Arc<SiteRuntime>> {
        self.by_luid.get(&luid)
    }

    pub(crate) fn by_luid(&self, luid: SiteLuid) -> Option<&Arc<SiteRuntime>> {
        self.by_luid.get(&luid).filter(|s| s.row.load().state == SiteState::Active)
    }

    pub(crate) fn by_home(&self, home: HomeNumber) -> Option<&Arc<SiteRuntime>> {
        self.by_home.get(&home).and_then(|luid| self.by_luid(*luid))
    }

    /// By content URL in any case, or by LUID.
    pub(crate) fn find(&self, text: &str) -> Option<&Arc<SiteRuntime>> {
        let by_url = self.by_url.get(&text.to_ascii_lowercase()).copied();
        let luid =
            by_url.or_else(|| uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == 36).map(SiteLuid))?;
        self.by_luid(luid)
    }
}

/// Everything that use-cases share.
pub(crate) struct World {
    pub(crate) directory: Arc<dyn Store>,
    pub(crate) sites: ArcSwap<Sites>,
    pub(crate) facts: Facts,
    pub(crate) live: LiveTable,
    /// Rung after each commit that appended events, for those who follow.
    pub(crate) bell: Notify,
    /// What waits for the sinks.
    pub(crate) outbox: Outbox,
    /// The order of commits.
    pub(crate) order: Arc<Order>,
    /// They make and check digests, and keep in mind the changes that bring some.
    pub(crate) hashers: Hashers,
}

impl World {
    /// A served site by its LUID.
    pub(crate) fn site(&self, luid: SiteLuid) -> Option<Arc<SiteRuntime>> {
        self.sites.load().by_luid(luid).cloned()
    }

    /// Applies a change. `Ok(Err(conflict))` when an expectation failed: nothing happened, read again.
    /// `held` (a queue's turn) is given back when the outcome is known.
    ///
    /// # Errors
    /// `AuditUnavailable`; `Unavailable`: after a time-out the affected sessions answer 503 until a replay settles it (R3).
    pub(crate) async fn commit(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        changes: Changes,
        held: impl Send + 'static,
    ) -> Result<std::result::Result<(), Conflict>> {
        self.outbox.check(&changes.events)?;
        self.commit_always(store, changes, held).await
    }

    /// The same, whether or not the sinks have room: for what patd does of itself.
    pub(crate) async fn commit_always(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        mut changes: Changes,
        held: impl Send + 'static,
    ) -> Result<std::result::Result<(), Conflict>> {
        let kept = self.hashers.keep(&changes).await?;
        let world = Arc::clone(self);
        let store = Arc::clone(store);
        let task = tokio::spawn(async move {
            let under_way = world.order.begin(&mut changes);
            let outcome = world.apply(&store, &changes).await;
            if matches!(outcome, Err(StoreError::Unknown)) {
                let doubtful = world.doubtful(&changes);
                doubtful.iter().for_each(|id| world.live.set_doubt(*id, true));
                tokio::spawn(async move {
                    world.settle(&store, &changes, &doubtful).await;
                    drop((held, under_way, kept));
                });
            }
            outcome
        });
        match task.await {
            Ok(Ok(Applied::Done)) => Ok(Ok(())),
            Ok(Ok(Applied::Conflict(conflict))) => Ok(Err(conflict)),
            Ok(Err(e)) => Err(e.into()),
            // The text of a panic may quote the change.
            Err(_) => Err(Error::Unavailable { cause: "a change panicked or was given up".to_owned() }),
        }
    }

    async fn apply(
        &self,
        store: &Arc<dyn Store>,
        changes: &Changes,
    ) -> std::result::Result<Applied, StoreError> {
        let applied = store.apply(changes.clone()).await?;
        match &applied {
            Applied::Done => {
                self.absorb(changes);
                if !changes.events.is_empty() {
                    self.bell.notify_waiters();
                    self.outbox.committed(store.name(), &changes.events);
                }
            }
            // The store knows better: the next decision reads what it has.
            Applied::Conflict(Conflict::Row(_, Some(current))) => match &**current {
                Row::User(user) => drop(self.facts.put_user(user.clone())),
                Row::Membership(member) => drop(self.facts.put_membership(member.clone())),
                _ => {}
            },
            Applied::Conflict(_) => {}
        }
        Ok(applied)
    }

    /// Replays a change with an unknown outcome until the store answers. The idempotency key makes a replay of
    /// what happened harmless.
    async fn settle(&self, store: &Arc<dyn Store>, changes: &Changes, doubtful: &[SessionId]) {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.apply(store, changes).await {
                Ok(_) => break,
                Err(e) => {
                    tracing::warn!(store = store.name(), error = %e, "the outcome of a change is still unknown");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
        doubtful.iter().for_each(|id| self.live.set_doubt(*id, false));
    }

    /// Sessions whose end is among the writes.
    fn doubtful(&self, changes: &Changes) -> Vec<SessionId> {
        let mut ids = Vec::new();
        for write in &changes.write {
            match write {
                Write::Insert(Row::Session(s)) | Write::Update(Row::Session(s)) => ids.push(s.id),
                Write::Update(Row::Token(t)) => ids.extend(t.session),
                _ => {}
            }
        }
        ids
    }

    /// Lets the memory follow a committed change.
    fn absorb(&self, changes: &Changes) {
        for write in &changes.write {
            match write {
                Write::Insert(row) => self.absorb_row(row.clone(), Version(1)),
                Write::Update(row) => self.absorb_row(row.clone(), next(row)),
                Write::Delete(RowKey::Session(id), _) => self.live.remove(*id),
                Write::Delete(..) | Write::RehashToken(..) | Write::RehashPassword(..) => {}
            }
        }
    }

    fn absorb_row(&self, row: Row, version: Version) {
        match row {
            Row::Session(session) if session.ended.is_some() => self.live.remove(session.id),
            Row::Session(session) => self.enter(Session { version, ..session }),
            Row::Token(token) => {
                if let (Some(_), Some(session)) = (token.ended, token.session) {
                    self.live.remove(session);
                }
            }
            Row::User(user) => drop(self.facts.put_user(patd_core::record::User { version, ..user })),
            Row::Membership(member) => {
                drop(self.facts.put_membership(patd_core::record::Membership { version, ..member }));
            }
            Row::Site(site) => {
                if let Some(runtime) = self.sites.load().by_luid.get(&site.luid) {
                    runtime.row.rcu(|old| {
                        if old.version.0 > version.0 {
                            Arc::clone(old)
                        } else {
                            Arc::new(Site { version, ..site.clone() })
                        }
                    });
                }
            }
            Row::Password(_) | Row::Totp(_) | Row::Invitation(_) => {}
        }
    }

    /// Puts a committed session into the live table, if the facts that it lives by are known (its decision read
    /// them) and its site is served.
    pub(crate) fn enter(&self, session: Session) {
        let sites = self.sites.load();
        let home = session.token.map_or(session.site, |t| t.home);
        let (Some(site), Some(home_site)) = (sites.by_luid(session.site), sites.by_luid(home)) else {
            return;
        };
        let (Some(person), Some(member), Some(home_member)) = (
            self.facts.known_user(session.user),
            self.facts.known_membership(session.site, session.user),
            self.facts.known_membership(home, session.user),
        ) else {
            return;
        };
        let (site, home_site) = (Arc::clone(&site.row), Arc::clone(&home_site.row));
        self.live.insert(LiveSession::new(session, person, member, site, home_member, home_site));
    }

    /// Every store: the directory, then the sites', each once.
    pub(crate) fn stores(&self) -> Vec<Arc<dyn Store>> {
        let mut seen = std::collections::HashSet::new();
        let sites = self.sites.load();
        std::iter::once(&self.directory)
            .chain(sites.iter().map(|site| &site.store))
            .filter(|store| seen.insert(store.name().to_owned()))
            .map(Arc::clone)
            .collect()
    }

    /// The store that keeps a token's sessions, or the directory.
    pub(crate) fn store_of(&self, home: Option<SiteLuid>) -> Option<Arc<dyn Store>> {
        match home {
            Some(home) => self.site(home).map(|s| Arc::clone(&s.store)),
            None => Some(Arc::clone(&self.directory)),
        }
    }
}

fn next(row: &Row) -> Version {
    let read = match row {
        Row::Site(r) => r.version,
        Row::User(r) => r.version,
        Row::Membership(r) => r.version,
        Row::Password(r) => r.version,
        Row::Totp(r) => r.version,
        Row::Invitation(r) => r.version,
        Row::Token(r) => r.version,
        Row::Session(r) => r.version,
    };
    Version(read.0 + 1)
}

/// The queue key of a sign-in.
pub(crate) type TokenQueue = crate::queues::Queues<TokenId>;
