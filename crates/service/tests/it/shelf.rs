//! A store in memory that several services may share, that can go down, and that holds up changes and cursors.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use patd_core::changes::{Changes, Row};
use patd_core::event::Event;
use patd_core::id::SiteLuid;
use patd_core::secret::PhcDigest;
use patd_service::ports::*;
use uuid::Uuid;

use crate::memory::{Memory, View};

/// What all views of the store share.
#[derive(Default)]
pub(crate) struct Kept {
    rows: Arc<Memory>,
    inner: Mutex<Inner>,
    /// Whoever writes to it holds up all changes.
    pub(crate) gate: Arc<tokio::sync::RwLock<()>>,
}

#[derive(Default)]
struct Inner {
    events: Vec<Event>,
    /// Positions of events that were removed.
    removed: HashSet<u64>,
    cursors: HashMap<Outlet, u64>,
    letters: BTreeMap<(String, u64), DeadLetter>,
    leases: HashMap<String, (Option<Uuid>, u64)>,
    acks: usize,
    /// Changes that came again.
    replays: usize,
    /// Nothing is answered.
    down: bool,
    goes_down: bool,
    /// Cursors whose moves are not taken.
    stuck: Option<String>,
    /// Holders whose claims do not arrive.
    cut_off: HashSet<Uuid>,
}

impl Kept {
    pub(crate) fn acks(&self) -> usize {
        self.inner.lock().expect("no poison").acks
    }

    pub(crate) fn replays(&self) -> usize {
        self.inner.lock().expect("no poison").replays
    }

    /// Answers nothing any more after the next count of what a revocation ends, without which there is no revocation.
    pub(crate) fn go_down_once_counted(&self) {
        self.inner.lock().expect("no poison").goes_down = true;
    }

    pub(crate) fn come_back(&self) {
        self.inner.lock().expect("no poison").down = false;
    }

    /// From now on the cursors of this reader stay where they are.
    pub(crate) fn hold_cursors(&self, of: Option<&str>) {
        self.inner.lock().expect("no poison").stuck = of.map(str::to_owned);
    }

    pub(crate) fn cursor(&self, of: &Outlet) -> u64 {
        self.inner.lock().expect("no poison").through(of)
    }

    pub(crate) fn put(&self, row: Row) {
        self.rows.put(row);
    }

    pub(crate) fn row_of(&self, wanted: impl Fn(&Row) -> bool) -> Option<Row> {
        self.rows.all().into_iter().find(wanted)
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.inner.lock().expect("no poison").events.clone()
    }

    /// From now on nobody who holds a lease can renew it.
    pub(crate) fn cut_holders_off(&self) {
        let mut inner = self.inner.lock().expect("no poison");
        let holders: Vec<_> = inner.leases.values().filter_map(|(holder, _)| *holder).collect();
        inner.cut_off.extend(holders);
    }
}

/// One service's view of it.
pub(crate) struct Shelf {
    pub(crate) kept: Arc<Kept>,
    pub(crate) shared: bool,
    /// Its name for logs.
    pub(crate) name: String,
}

impl Shelf {
    fn rows(&self) -> View {
        View(Arc::clone(&self.kept.rows))
    }

    fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, StoreError>,
    ) -> Answer<Result<T, StoreError>> {
        let mut inner = self.kept.inner.lock().expect("no poison");
        let done = if inner.down { Err(is_down()) } else { work(&mut inner) };
        Box::pin(async move { done })
    }
}

fn is_down() -> StoreError {
    StoreError::Unavailable("down".to_owned())
}

impl Inner {
    fn through(&self, of: &Outlet) -> u64 {
        let of_all = Outlet { sink: of.sink.clone(), scope: None };
        [of, &of_all].into_iter().filter_map(|of| self.cursors.get(of)).copied().max().unwrap_or(0)
    }

    fn waiting(&self, scope: Option<Scope>, after: u64) -> Vec<Waiting> {
        let all = (1..).zip(&self.events).map(|(position, event)| Waiting { position, event: event.clone() });
        let all = all.filter(|w| !self.removed.contains(&w.position));
        all.filter(|w| w.position > after && scope.is_none_or(|scope| scope == Scope::of(&w.event))).collect()
    }
}

impl Store for Shelf {
    fn name(&self) -> &str {
        &self.name
    }

    fn query(&self, queries: Vec<Query>) -> Answer<Result<Vec<Found>, StoreError>> {
        {
            let mut inner = self.kept.inner.lock().expect("no poison");
            if inner.down {
                return Box::pin(async { Err(is_down()) });
            }
            if queries.iter().any(|query| matches!(query, Query::CountMintedBefore(..))) {
                inner.down = std::mem::take(&mut inner.goes_down);
            }
        }
        if let [Query::Sites] = queries.as_slice() {
            let sites = self.kept.rows.all().into_iter();
            let sites = sites.filter_map(|row| if let Row::Site(site) = row { Some(site) } else { None });
            let found = vec![Found::Sites(sites.collect())];
            return Box::pin(async move { Ok(found) });
        }
        self.rows().query(queries)
    }

    fn apply(&self, changes: Changes) -> Answer<Result<Applied, StoreError>> {
        let (kept, rows) = (Arc::clone(&self.kept), self.rows());
        Box::pin(async move {
            let _open = kept.gate.read().await;
            {
                let mut inner = kept.inner.lock().expect("no poison");
                if inner.down {
                    return Err(is_down());
                }
                if inner.events.iter().any(|event| event.id.0 == changes.id) {
                    inner.replays += 1;
                    return Ok(Applied::Done);
                }
                inner.events.extend(changes.events.iter().cloned());
            }
            rows.apply(changes).await
        })
    }

    fn outbox_take(
        &self,
        of: &Outlet,
        after: Option<u64>,
        limit: u32,
    ) -> Answer<Result<Vec<Waiting>, StoreError>> {
        self.with(|inner| {
            let mut waiting = inner.waiting(of.scope, after.unwrap_or_else(|| inner.through(of)));
            waiting.truncate(limit as usize);
            Ok(waiting)
        })
    }

    fn events_after(&self, position: u64, _limit: u32) -> Answer<Result<Vec<Waiting>, StoreError>> {
        self.with(|inner| Ok(inner.waiting(None, position)))
    }

    fn outbox_ack(&self, of: &Outlet, through: u64, dead: Vec<DeadLetter>) -> Answer<Result<(), StoreError>> {
        self.with(|inner| {
            if inner.stuck.as_deref() == Some(&of.sink) {
                return Err(is_down());
            }
            inner.acks += 1;
            let cursor = inner.cursors.entry(of.clone()).or_default();
            *cursor = through.max(*cursor);
            let key = |letter: &DeadLetter| (of.sink.clone(), letter.position);
            inner.letters.extend(dead.into_iter().map(|letter| (key(&letter), letter)));
            Ok(())
        })
    }

    fn outbox_status(&self, sink: &str, scope: Scope) -> Answer<Result<OutboxStatus, StoreError>> {
        let of = Outlet { sink: sink.to_owned(), scope: Some(scope) };
        self.with(|inner| {
            let waiting = inner.waiting(Some(scope), inner.through(&of));
            let dead = inner.letters.values().filter(|letter| Scope::of(&letter.event) == scope).count();
            Ok(OutboxStatus {
                through: inner.through(&of),
                waiting: waiting.len() as u64,
                oldest: waiting.first().map(|first| first.event.time),
                dead: dead as u64,
            })
        })
    }

    fn dead_letters(
        &self,
        of: &Outlet,
        after: u64,
        limit: u32,
    ) -> Answer<Result<Vec<DeadLetter>, StoreError>> {
        self.with(|inner| {
            let of_scope = inner
                .letters
                .iter()
                .filter(|((sink, _), _)| *sink == of.sink)
                .map(|(_, letter)| letter)
                .filter(|letter| of.scope.is_none_or(|scope| scope == Scope::of(&letter.event)));
            Ok(of_scope.filter(|letter| letter.position > after).take(limit as usize).cloned().collect())
        })
    }

    fn dead_letters_forget(&self, sink: &str, positions: Vec<u64>) -> Answer<Result<u64, StoreError>> {
        self.with(|inner| {
            let before = inner.letters.len();
            inner.letters.retain(|(of, position), _| of != sink || !positions.contains(position));
            Ok((before - inner.letters.len()) as u64)
        })
    }

    fn events_remove(&self, scope: Scope, through: u64, limit: u32) -> Answer<Result<u64, StoreError>> {
        self.with(|inner| {
            let oldest = inner.waiting(Some(scope), 0).into_iter().map(|w| w.position);
            let gone: Vec<_> = oldest.take_while(|at| *at <= through).take(limit as usize).collect();
            inner.removed.extend(&gone);
            Ok(gone.len() as u64)
        })
    }

    fn outbox_lease(
        &self,
        holder: Uuid,
        claims: Vec<LeaseClaim>,
        release: Vec<String>,
    ) -> Answer<Result<Vec<LeaseSeen>, StoreError>> {
        self.with(|inner| {
            if inner.cut_off.contains(&holder) {
                return Err(StoreError::Unavailable("cut off".to_owned()));
            }
            let mut now = Vec::new();
            for claim in claims {
                let (held, beat) = inner.leases.entry(claim.name).or_default();
                let seen = held.map(|holder| LeaseSeen { holder, beat: *beat });
                if seen.is_none_or(|seen| seen.holder == holder || claim.seen == Some(seen)) {
                    (*held, *beat) = (Some(holder), *beat + 1);
                }
                now.push(LeaseSeen { holder: held.unwrap_or(holder), beat: *beat });
            }
            for name in release {
                if let Some((held, beat)) = inner.leases.get_mut(&name)
                    && *held == Some(holder)
                {
                    (*held, *beat) = (None, *beat + 1);
                }
            }
            Ok(now)
        })
    }

    fn digests(&self, site: Option<SiteLuid>) -> Answer<Result<Option<Vec<DigestGroup>>, StoreError>> {
        let digest = |row| match row {
            Row::Password(password) if site.is_none() => Some(password.digest),
            Row::Token(token) if site == Some(token.site) => Some(token.digest),
            _ => None,
        };
        let digests = self.kept.rows.all().into_iter().filter_map(digest);
        let sample = |digest: PhcDigest| digest.parts().map(|parts| parts.params.to_owned());
        let groups = digests.filter_map(sample).map(|sample| DigestGroup { sample, count: 1 });
        let groups = Some(groups.collect());
        Box::pin(async move { Ok(groups) })
    }

    fn is_shared(&self) -> bool {
        self.shared
    }

    fn health(&self) -> Answer<Result<(), StoreError>> {
        self.rows().health()
    }

    fn schema(&self) -> Answer<Result<SchemaStatus, StoreError>> {
        self.rows().schema()
    }

    fn backup(&self, path: &str) -> Answer<Result<(), StoreError>> {
        self.rows().backup(path)
    }

    fn stop(&self) -> Answer<Result<(), StoreError>> {
        self.rows().stop()
    }
}

impl StoreOpener for Shelf {
    fn open(&self, _store: &str, _site: Option<SiteLuid>) -> Answer<Result<Arc<dyn Store>, StoreError>> {
        let view: Arc<dyn Store> =
            Arc::new(Self { kept: Arc::clone(&self.kept), shared: self.shared, name: self.name.clone() });
        Box::pin(async move { Ok(view) })
    }
}
