//! The audit events of a site for its admins: as pages, newest first, and as a live stream in the order of commits.
//!
//! Both read the site's store and the directory's, where events lie with what they tell of. It must never show an event of
//! another site.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use patd_core::event::{Event, EventType, Severity};
use patd_core::id::{EventId, SessionId, SiteLuid, TokenId, UserLuid};
use patd_core::time::Timestamp;
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::facts::{ask, nonsense};
use crate::paging;
use crate::ports::{EventFilter, Found, Query, Store};
use crate::service::{Service, require_admin};
use crate::view::{Caller, Page, PageRequest};

/// Events that a stream reads at once.
const BATCH: u32 = 256;

/// Which events an admin asks for; all of them where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Types, or starts of types with `*` at the end; any of them.
    pub types: Vec<String>,
    /// At least this severity.
    pub severity: Option<Severity>,
    /// Concerning this person.
    pub user: Option<UserLuid>,
    /// Concerning this token.
    pub token: Option<TokenId>,
    /// Concerning this session.
    pub session: Option<SessionId>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

impl Wanted {
    /// What a store is asked for.
    fn filter(&self) -> Result<EventFilter> {
        let bad = |field, reason: &str| Error::BadValue { field, reason: reason.to_owned() };
        let known = |pattern: &String| EventType::ALL.iter().any(|kind| kind.matches(pattern));
        if !self.types.iter().all(known) {
            return Err(bad(
                "type",
                "is no event type and no start of one with `*` at the end; see docs/events.md",
            ));
        }
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(bad("until", "is not later than `since`"));
        }
        let named = |kind: &EventType| self.types.is_empty() || self.types.iter().any(|p| kind.matches(p));
        let severe = |kind: &EventType| self.severity.is_none_or(|least| kind.severity() >= least);
        let types: Vec<_> = EventType::ALL.into_iter().filter(|kind| named(kind) && severe(kind)).collect();
        Ok(EventFilter {
            // All of them is no condition; none at all is one that no event meets.
            types: (types.len() < EventType::ALL.len()).then_some(types),
            user: self.user,
            token: self.token,
            session: self.session,
            since: self.since,
            until: self.until,
        })
    }
}

/// The streams that are open, so that their number has a bound.
#[derive(Default)]
pub(crate) struct Streams(Mutex<HashMap<SiteLuid, u32>>);

/// A place among the open streams, until dropped.
struct Seat {
    service: Arc<Service>,
    site: SiteLuid,
}

impl Seat {
    fn take(service: &Arc<Service>, site: SiteLuid) -> Result<Self> {
        let limits = service.limits.policy();
        let mut open = service.streams.0.lock();
        if open.values().sum::<u32>() >= limits.event_streams {
            return Err(Error::TooManyStreams { of: "this daemon", limit: limits.event_streams });
        }
        let here = open.entry(site).or_default();
        if *here >= limits.event_streams_per_site {
            return Err(Error::TooManyStreams { of: "this site", limit: limits.event_streams_per_site });
        }
        *here += 1;
        Ok(Self { service: Arc::clone(service), site })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.service.streams.0.lock();
        if let Some(here) = open.get_mut(&self.site) {
            *here -= 1;
            if *here == 0 {
                open.remove(&self.site);
            }
        }
    }
}

/// A live stream of a site's events. It keeps nothing but its place: what a slow reader has not taken stays in the stores.
pub struct EventStream {
    seat: Seat,
    filter: EventFilter,
    /// Everything up to this number was given out.
    at: u64,
    bell: Arc<Notify>,
}

impl EventStream {
    /// What has come since, oldest first, at most a few hundred; nothing where there is nothing.
    ///
    /// # Errors
    /// `NotFound` when the site is gone, `Unavailable`.
    pub async fn take(&mut self) -> Result<Vec<Event>> {
        let Seat { service, site } = &self.seat;
        let Some(through) = service.world.order.news(*site, self.at) else { return Ok(Vec::new()) };
        let runtime = service.served(*site)?;
        let mut events = Vec::new();
        // Beyond the last event of a full answer the store may have more, which come before the other store's.
        let mut complete = through;
        for store in service.event_stores(&runtime.store) {
            let (filter, limit) = (self.filter.clone(), BATCH);
            let query = Query::EventsInOrder { site: *site, filter, after: self.at, through, limit };
            let found = found_events(&*store, query).await?;
            if found.len() >= BATCH as usize {
                complete = complete.min(found.last().map_or(through, |event| event.seq));
            }
            events.extend(found);
        }
        events.retain(|event| event.seq <= complete);
        events.sort_unstable_by_key(|event| event.seq);
        self.at = complete;
        Ok(events)
    }

    /// Waits until there may be something to take.
    pub async fn news(&self) {
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if self.seat.service.world.order.news(self.seat.site, self.at).is_some() {
                return;
            }
            rung.await;
        }
    }
}

impl Service {
    /// A page of the site's events, newest first: its own and those of the directory, merged by time and id.
    ///
    /// # Errors
    /// `NotPermitted`, `BadRequest` (cursor), `BadValue`, `Unavailable`.
    pub async fn events(
        &self,
        caller: &Caller,
        site: SiteLuid,
        wanted: &Wanted,
        page: PageRequest,
    ) -> Result<Page<Event>> {
        require_admin(caller, site)?;
        let filter = wanted.filter()?;
        let runtime = self.served(site)?;
        let after = paging::row(page.cursor.as_deref())?.map(|(time, id)| (time, EventId(id)));
        let limit = page.limit + 1;
        let mut events = Vec::new();
        for store in self.event_stores(&runtime.store) {
            let query = Query::Events { site, filter: filter.clone(), after, limit };
            events.extend(found_events(&*store, query).await?);
        }
        events.sort_by_key(|event| Reverse((event.time, event.id)));
        events.truncate(limit as usize);
        Ok(paging::page(events, page.limit, |event| paging::after_row(event.time, event.id.0), |event| event))
    }

    /// A live stream of the site's events: those after `resume`, or from now on. Each comes once, in the order of commits.
    /// Whoever serves it asks again, before it gives anything out, whether the caller still may.
    ///
    /// # Errors
    /// `NotPermitted`, `BadValue`, `UnknownEvent`, `TooManyStreams`, `Unavailable`.
    pub async fn event_stream(
        self: &Arc<Self>,
        caller: &Caller,
        site: SiteLuid,
        wanted: &Wanted,
        resume: Option<EventId>,
    ) -> Result<EventStream> {
        require_admin(caller, site)?;
        let filter = wanted.filter()?;
        let runtime = self.served(site)?;
        let seat = Seat::take(self, site)?;
        let bell = self.world.order.bell(site);
        let at = match resume {
            None => self.world.order.settled(site),
            Some(id) => self.number_of(id, site, &runtime.store).await?.ok_or(Error::UnknownEvent)?,
        };
        Ok(EventStream { seat, filter, at, bell })
    }

    /// The number of an event of this site.
    async fn number_of(&self, id: EventId, site: SiteLuid, store: &Arc<dyn Store>) -> Result<Option<u64>> {
        for store in self.event_stores(store) {
            let found = found_events(&*store, Query::Event(id)).await?;
            if let Some(event) = found.into_iter().find(|event| event.site == Some(site)) {
                return Ok(Some(event.seq));
            }
        }
        Ok(None)
    }

    /// Where a site's events lie, each store once.
    fn event_stores(&self, site: &Arc<dyn Store>) -> Vec<Arc<dyn Store>> {
        let directory = Arc::clone(&self.world.directory);
        if directory.name() == site.name() { vec![directory] } else { vec![Arc::clone(site), directory] }
    }
}

async fn found_events(store: &dyn Store, query: Query) -> Result<Vec<Event>> {
    match ask(store, query).await? {
        Found::Events(events) => Ok(events),
        _ => Err(nonsense(store)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(wanted: &Wanted) -> Option<Vec<EventType>> {
        wanted.filter().expect("a filter").types
    }

    fn named(patterns: &[&str]) -> Wanted {
        Wanted { types: patterns.iter().map(|p| (*p).to_owned()).collect(), ..Wanted::default() }
    }

    #[test]
    fn nothing_asked_for_is_no_condition() {
        assert_eq!(Wanted::default().filter().expect("a filter"), EventFilter::default());
        assert_eq!(types(&named(&["patd.*"])), None);
    }

    #[test]
    fn patterns_and_severity_both_have_to_hold() {
        let both = named(&["patd.token.minted", "patd.notice.*"]);
        let found = types(&both).expect("a condition");
        assert!(found.contains(&EventType::TokenMinted) && found.contains(&EventType::NoticeInventory));
        assert!(!found.contains(&EventType::TokenRevoked));
        let severe = Wanted { severity: Some(Severity::High), ..both };
        assert_eq!(types(&severe), Some(vec![EventType::NoticeTokenLeaked]));
        let none = Wanted { severity: Some(Severity::Critical), ..named(&["patd.token.*"]) };
        assert_eq!(types(&none), Some(Vec::new()), "nothing, not everything");
    }

    #[test]
    fn a_pattern_that_names_nothing_and_a_time_that_is_empty_are_refused() {
        for pattern in ["", "patd.tokens.*", "patd.token", "*.minted", "patd.token.**"] {
            assert!(
                matches!(named(&[pattern]).filter(), Err(Error::BadValue { field: "type", .. })),
                "{pattern}"
            );
        }
        let at = Some(Timestamp(5));
        let empty = Wanted { since: at, until: at, ..Wanted::default() };
        assert!(matches!(empty.filter(), Err(Error::BadValue { field: "until", .. })));
    }
}
