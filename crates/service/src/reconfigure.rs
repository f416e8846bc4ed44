//! A reload of the config while requests run: hashers and sinks are exchanged, sites come, change and go. Everything that
//! can be refused is done first, and the directory's part is one write, so that a refused reload has changed nothing.
//!
//! Sessions that the new config does not allow are dead with that write (their site's row says so) and are ended in their
//! stores after it, so that a config that is taken back revives none.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use patd_core::id::SiteLuid;
use patd_core::record::Session;
use patd_core::rules::site::{Ends, note_replaced};
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use crate::ends::{end_all, ended_by, find_all};
use crate::enrol::{Enrolled, Enrolment, by_system, enrol, not_written};
use crate::hash_pool::Hashers;
use crate::keeping::Judging;
use crate::ports::{AuditSink, HasherPlace, Store};
use crate::schemes;
use crate::service::Service;
use crate::start::{SitePlan, StartError, check_clock, open};
use crate::world::{SiteRuntime, Sites};

/// How often a reload works its change out anew when an operator changes a site's row meanwhile.
const TRIES: usize = 3;
/// How long a pump that is not needed any more may take for its last pass.
const LAST_PASS: Duration = Duration::from_secs(20);

/// What a reload brings.
pub struct NewConfig {
    /// All hashers; those that stay are the same places as before.
    pub hashers: Vec<Arc<dyn HasherPlace>>,
    /// What is given up, by `scheme` or `scheme kid=…`.
    pub abandoned: Vec<String>,
    /// Name of the hasher for passwords where no site decides.
    pub password_hasher: String,
    /// All sinks.
    pub sinks: Vec<Arc<dyn AuditSink>>,
    /// All sites.
    pub sites: Vec<SitePlan>,
}

/// What a reload did to the sites, by their keys in the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteChanges {
    /// Served from now on.
    pub added: Vec<String>,
    /// Not served any more.
    pub removed: Vec<String>,
    /// With another policy, name, hasher or sinks.
    pub changed: Vec<String>,
    /// Sessions that ended by it.
    pub ended_sessions: usize,
    /// What could not be done; it is made good when the site returns, or at the next start.
    pub warnings: Vec<String>,
}

/// A site of the new config, ready to be served.
struct Ready {
    enrolled: Enrolled,
    /// As it was served until now.
    before: Option<Arc<SiteRuntime>>,
    store: Arc<dyn Store>,
}

impl Service {
    /// Refuses hashers that could not check what is stored, before any of them serves. Stores of sites that come with the new
    /// config are not open yet, and one that does not answer may be what the new config mends: [`Self::reconfigure`] asks
    /// again, with them and with what was made meanwhile.
    ///
    /// # Errors
    /// [`StartError`] says what nothing could check.
    pub async fn judge_hashers(
        &self,
        hashers: Vec<Arc<dyn HasherPlace>>,
        abandoned: Vec<String>,
        plans: &[SitePlan],
    ) -> std::result::Result<(), StartError> {
        let sites = self.world.sites.load_full();
        let rows: Vec<_> = sites.iter().map(|site| (&site.store, site.row.load_full())).collect();
        let stay = rows.iter().filter(|(_, row)| plans.iter().any(|plan| plan.key == row.key));
        let stay = stay.map(|(store, row)| (*store, Some(&**row)));
        let mut shares = Vec::new();
        for (store, site) in std::iter::once((&self.world.directory, None)).chain(stay) {
            match schemes::count_in(&**store, site).await {
                Ok(counted) => shares.extend(counted),
                Err(error) => {
                    tracing::warn!(store = store.name(), %error, "its digests are counted when it is replaced");
                }
            }
        }
        schemes::check(&self.world.hashers.instead(hashers, abandoned), &shares).await
    }

    /// Takes a new config. A second call waits for the first.
    ///
    /// # Errors
    /// [`StartError`] says what is refused; nothing was changed then.
    pub async fn reconfigure(
        self: &Arc<Self>,
        new: NewConfig,
    ) -> std::result::Result<SiteChanges, StartError> {
        // What an earlier reload has left is closed first: it may be what this one opens.
        let turn = Arc::clone(&self.reconfiguring).lock_owned().await;
        self.check_stores(&new.sites)?;
        let hashers = Arc::new(self.world.hashers.instead(new.hashers.clone(), new.abandoned.clone()));
        let (ready, left, judging) = self.enrol_and_write(&new.sites, &hashers).await?;

        // From here on nothing is refused.
        let before = self.world.sites.load_full();
        self.world.hashers.set(new.hashers);
        self.world.hashers.abandon(new.abandoned);
        drop(judging);
        self.default_password_hasher.store(Arc::new(new.password_hasher));
        self.dummies.lock().await.clear();
        let old_sinks = self.sinks.swap(Arc::new(new.sinks));
        let mut changes = SiteChanges::default();
        let (mut ended, mut returned, mut runtimes) = (Vec::new(), Vec::new(), Vec::new());
        for Ready { enrolled: Enrolled { plan, row, ends }, before, store } in ready {
            let (key, luid) = (plan.key.clone(), row.luid);
            let touched = ends.iter().map(|ends| (luid, *ends));
            match before {
                Some(old) => {
                    let same = old.is_as(&plan);
                    if !same || old.row.load().version != row.version {
                        changes.changed.push(key);
                    }
                    ended.extend(touched);
                    let row = Arc::clone(&old.row);
                    runtimes.push(if same { old } else { Arc::new(SiteRuntime::new(plan, row, store)) });
                }
                None => {
                    changes.added.push(key);
                    returned.extend(touched);
                    runtimes.push(Arc::new(SiteRuntime::new(
                        plan,
                        Arc::new(ArcSwap::from_pointee(row)),
                        store,
                    )));
                }
            }
        }
        for gone in &left {
            changes.removed.push(gone.key.clone());
            ended.push((gone.luid, Ends::Everything));
        }
        self.end_in_stores(&before, &ended, &returned, &runtimes, &mut changes).await;
        self.world.sites.store(Arc::new(Sites::new(runtimes)));
        let ending =
            self.sync_pumps().into_iter().chain(self.sync_relays()).chain(self.sync_sealers()).collect();
        self.stop_unused(&before, &old_sinks, ending, turn);
        Ok(changes)
    }

    /// Tells the audit trail which plug-in instances were replaced, each by a text without secrets.
    pub async fn note_replaced(&self, replaced: Vec<String>) {
        if replaced.is_empty() {
            return;
        }
        let changes = by_system(&*self.random, self.now(), |cx| note_replaced(cx, &replaced));
        if let Err(e) = self.world.commit(&self.world.directory, changes, ()).await {
            tracing::error!(error = ?e, "the replacement of plug-ins could not be written to the audit trail");
        }
    }

    /// A site's rows are where they are: another store would be an empty one.
    fn check_stores(&self, plans: &[SitePlan]) -> std::result::Result<(), StartError> {
        let sites = self.world.sites.load();
        for site in sites.iter() {
            let row = site.row.load();
            let Some(plan) = plans.iter().find(|plan| plan.key == row.key) else { continue };
            if plan.store != site.store_section {
                return Err(StartError::Failed(format!(
                    "site `{}`: its store is `{}` and would be `{}`, which has none of its tokens; copy the store and \
                     restart, or take the change back",
                    plan.key, site.store_section, plan.store
                )));
            }
        }
        Ok(())
    }

    /// Opens the stores of new sites and writes the directory's part. What it judged the hashers with is given up when they are
    /// in use.
    async fn enrol_and_write(
        &self,
        plans: &[SitePlan],
        hashers: &Arc<Hashers>,
    ) -> std::result::Result<(Vec<Ready>, Vec<patd_core::record::Site>, Judging), StartError> {
        let mut refused = StartError::Failed("nothing was tried".to_owned());
        for _ in 0..TRIES {
            let Enrolment { sites, left, changes } =
                enrol(&*self.random, &*self.world.directory, plans, self.now()).await?;
            let (mut ready, mut opened) = (Vec::new(), Vec::new());
            let result = async {
                for enrolled in sites {
                    let before = self.world.site(enrolled.row.luid);
                    let store = match &before {
                        Some(before) => Arc::clone(&before.store),
                        None => {
                            let (section, luid) = (&enrolled.plan.store, enrolled.row.luid);
                            let store = open(&*self.opener, section, Some(luid)).await?;
                            opened.push(Arc::clone(&store));
                            check_clock(&*store, self.now(), &self.world.order).await?;
                            store
                        }
                    };
                    ready.push(Ready { enrolled, before, store });
                }
                let judging = self.world.hashers.judging(Arc::clone(hashers));
                judging.settled().await?;
                let served = ready.iter().map(|site| (&*site.store, &site.enrolled.row));
                let shares = schemes::count(&*self.world.directory, served).await?;
                schemes::check(hashers, &shares).await?;
                match changes {
                    None => Ok(Ok(judging)),
                    Some(changes) => {
                        let written = self.world.commit(&self.world.directory, changes, ()).await?;
                        Ok(written.map(|()| judging))
                    }
                }
            }
            .await;
            match result {
                Ok(Ok(judging)) => return Ok((ready, left, judging)),
                Ok(Err(conflict)) => refused = not_written(&conflict),
                Err(error) => {
                    self.close_unused(opened).await;
                    return Err(error);
                }
            }
            self.close_unused(opened).await;
        }
        Err(refused)
    }

    /// Ends what the new config does not allow. What fails is told, not refused: those sessions are dead by their site's
    /// row already.
    async fn end_in_stores(
        &self,
        before: &Sites,
        ended: &[(SiteLuid, Ends)],
        returned: &[(SiteLuid, Ends)],
        runtimes: &[Arc<SiteRuntime>],
        changes: &mut SiteChanges,
    ) {
        let mut sessions: Vec<Session> = Vec::new();
        if !ended.is_empty() {
            sessions.extend(self.world.live.all().into_iter().filter(|session| ended_by(ended, session)));
        }
        if !returned.is_empty() {
            let stores =
                std::iter::once(&self.world.directory).chain(runtimes.iter().map(|site| &site.store));
            let mut seen = HashSet::new();
            for store in stores.filter(|store| seen.insert(store.name().to_owned())) {
                match find_all(&**store, self.now(), returned).await {
                    Ok(found) => sessions.extend(found),
                    Err(e) => changes.warnings.push(format!("store {}: {e}", store.name())),
                }
            }
        }
        let ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
        let store_of = |home: Option<SiteLuid>| match home {
            None => Some(Arc::clone(&self.world.directory)),
            Some(home) => {
                let new = runtimes.iter().find(|site| site.row.load().luid == home).map(|s| &s.store);
                new.or_else(|| before.any(home).map(|site| &site.store)).map(Arc::clone)
            }
        };
        match end_all(&self.world, &*self.random, self.now(), sessions, store_of).await {
            Ok(count) => changes.ended_sessions = count,
            Err(e) => changes.warnings.push(format!("not every session could be ended in its store: {e}")),
        }
        ids.into_iter().for_each(|id| self.world.live.remove(id));
    }

    /// Stops, in the background, the stores and sinks that nothing uses any more, after the last pass of their pumps.
    fn stop_unused(
        self: &Arc<Self>,
        before: &Sites,
        old_sinks: &[Arc<dyn AuditSink>],
        ending: Vec<JoinHandle<()>>,
        turn: OwnedMutexGuard<()>,
    ) {
        let stores: Vec<_> = before.iter().map(|site| Arc::clone(&site.store)).collect();
        let now = self.sinks.load();
        let gone = |old: &&Arc<dyn AuditSink>| !now.iter().any(|sink| sink.name() == old.name());
        let sinks: Vec<_> = old_sinks.iter().filter(gone).map(Arc::clone).collect();
        let service = Arc::clone(self);
        self.tasks.spawn(async move {
            for pump in ending {
                if tokio::time::timeout(LAST_PASS, pump).await.is_err() {
                    tracing::warn!("a sink is slow; what it has not taken waits in the outbox");
                }
            }
            for sink in sinks {
                if let Err(e) = sink.stop().await {
                    tracing::warn!(sink = sink.name(), error = %e, "a sink did not stop cleanly");
                }
            }
            service.close_unused(stores).await;
            drop(turn);
        });
    }

    /// Stops those stores that no site uses.
    async fn close_unused(&self, stores: Vec<Arc<dyn Store>>) {
        let used: HashSet<String> = self.world.stores().iter().map(|store| store.name().to_owned()).collect();
        let mut seen = HashSet::new();
        for store in stores {
            if used.contains(store.name()) || !seen.insert(store.name().to_owned()) {
                continue;
            }
            if let Err(e) = store.stop().await {
                tracing::warn!(store = store.name(), error = %e, "a store did not stop cleanly");
            }
            self.opener.forget(store.name());
        }
    }
}

impl SiteRuntime {
    /// Whether it is served as the plan wants, its row apart.
    fn is_as(&self, plan: &SitePlan) -> bool {
        self.token_hasher == plan.token_hasher
            && self.password_hasher == plan.password_hasher
            && self.sinks == plan.sinks
    }
}
