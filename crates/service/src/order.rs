//! The order of commits: a number for each event, given before its change goes to its store, and what is still under way.
//!
//! A site's events lie in two stores, whose positions say nothing about each other. The numbers do: they rise over all
//! stores, a change that begins after another was answered has the higher ones, and a replay keeps them. Once no change
//! with a number up to *n* is under way, what the stores show up to *n* is all there will ever be: [`Order::settled`]. So
//! the events of a site have one order that is the same at every reading, after a restart too.
//!
//! It orders the commits of one daemon. It must never wait for anything: it is on the path of every change.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use patd_core::changes::Changes;
use patd_core::id::SiteLuid;
use tokio::sync::Notify;

/// The order; shared with the changes under way.
#[derive(Default)]
pub(crate) struct Order(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last: u64,
    sites: HashMap<SiteLuid, SiteOrder>,
}

#[derive(Default)]
struct SiteOrder {
    /// No event of this site has a higher number.
    last: u64,
    /// The first number of each change under way that has events of this site.
    under_way: BTreeSet<u64>,
    /// Rung when one of them is not under way any more.
    bell: Arc<Notify>,
}

/// A change under way, until dropped.
#[must_use]
pub(crate) struct UnderWay {
    order: Arc<Order>,
    marks: Vec<(SiteLuid, u64)>,
}

impl Order {
    /// Goes on after a number that a store has.
    pub(crate) fn go_on_after(&self, seq: u64) {
        let mut inner = self.0.lock();
        inner.last = inner.last.max(seq);
        // Whose events the store has, nobody says.
        let last = inner.last;
        inner.sites.values_mut().for_each(|site| site.last = last);
    }

    /// Numbers the events of a change: microseconds like their times, but never twice the same and never backwards.
    pub(crate) fn begin(self: &Arc<Self>, changes: &mut Changes) -> UnderWay {
        let mut marks = Vec::new();
        let mut inner = self.0.lock();
        for event in &mut changes.events {
            let time = u64::try_from(event.time.0).unwrap_or(0);
            event.seq = time.max(inner.last.saturating_add(1));
            inner.last = event.seq;
            let Some(site) = event.site else { continue };
            let of_site = inner.sites.entry(site).or_default();
            of_site.last = event.seq;
            if marks.iter().all(|(marked, _)| *marked != site) {
                of_site.under_way.insert(event.seq);
                marks.push((site, event.seq));
            }
        }
        drop(inner);
        UnderWay { order: Arc::clone(self), marks }
    }

    /// Up to which number everything of a site is in its stores or will never be.
    pub(crate) fn settled(&self, site: SiteLuid) -> u64 {
        let inner = self.0.lock();
        let first = inner.sites.get(&site).and_then(|site| site.under_way.first().copied());
        first.map_or(inner.last, |first| first - 1)
    }

    /// Up to which number a site's events may be read now, if it may have any above `at` up to there.
    pub(crate) fn news(&self, site: SiteLuid, at: u64) -> Option<u64> {
        let inner = self.0.lock();
        let of_site = inner.sites.get(&site)?;
        let settled = of_site.under_way.first().map_or(inner.last, |first| first - 1);
        (of_site.last > at && settled > at).then_some(settled)
    }

    /// Rung each time that [`Self::settled`] may have moved because of the site's own events.
    pub(crate) fn bell(&self, site: SiteLuid) -> Arc<Notify> {
        let mut inner = self.0.lock();
        let last = inner.last;
        let of_site = inner.sites.entry(site).or_insert_with(|| SiteOrder { last, ..SiteOrder::default() });
        Arc::clone(&of_site.bell)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut inner = self.order.0.lock();
        for (site, seq) in &self.marks {
            if let Some(site) = inner.sites.get_mut(site) {
                site.under_way.remove(seq);
                site.bell.notify_waiters();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use patd_core::event::{Event, EventType};
    use patd_core::id::EventId;
    use patd_core::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    const SITE: SiteLuid = SiteLuid(Uuid::from_u128(1));
    const OTHER: SiteLuid = SiteLuid(Uuid::from_u128(2));

    fn change(sites: &[SiteLuid], time: i64) -> Changes {
        let event = |site: &SiteLuid| {
            Event::new(EventId(Uuid::nil()), Timestamp(time), EventType::TokenMinted, Some(*site))
        };
        let events = sites.iter().map(event).collect();
        Changes { id: Uuid::nil(), expect: Vec::new(), write: Vec::new(), events }
    }

    fn numbers(change: &Changes) -> Vec<u64> {
        change.events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn numbers_rise_whatever_the_times_say() {
        let order = Arc::new(Order::default());
        order.go_on_after(50);
        let (mut late, mut early) = (change(&[SITE, SITE], 100), change(&[SITE], 7));
        drop((order.begin(&mut late), order.begin(&mut early)));
        assert_eq!((numbers(&late), numbers(&early)), (vec![100, 101], vec![102]));
        order.go_on_after(50);
        let mut next = change(&[SITE], 8);
        drop(order.begin(&mut next));
        assert_eq!(numbers(&next), [103]);
    }

    #[test]
    fn nothing_is_settled_beyond_the_first_change_of_the_site_that_is_under_way() {
        let order = Arc::new(Order::default());
        let first = order.begin(&mut change(&[SITE, SITE], 10));
        let second = order.begin(&mut change(&[SITE], 20));
        let others = order.begin(&mut change(&[OTHER], 30));
        assert_eq!((order.settled(SITE), order.settled(OTHER)), (9, 29));
        assert_eq!((order.news(SITE, 9), order.news(SITE, 8), order.news(OTHER, 29)), (None, Some(9), None));
        drop(second);
        assert_eq!(order.settled(SITE), 9);
        drop(first);
        assert_eq!((order.settled(SITE), order.settled(OTHER)), (30, 29));
        assert_eq!(
            (order.news(SITE, 9), order.news(SITE, 20)),
            (Some(30), None),
            "only OTHER has one above 20"
        );
        drop(others);
        assert_eq!(order.settled(OTHER), 30);
    }

    #[test]
    fn what_a_store_had_before_is_news_to_whoever_goes_on_from_further_back() {
        let order = Arc::new(Order::default());
        order.go_on_after(50);
        let _bell = order.bell(SITE);
        assert_eq!((order.news(SITE, 40), order.news(SITE, 50)), (Some(50), None));
        order.go_on_after(60);
        assert_eq!(order.news(SITE, 50), Some(60));
    }

    #[tokio::test]
    async fn the_bell_rings_when_a_change_of_the_site_is_done_with() {
        let order = Arc::new(Order::default());
        let bell = order.bell(SITE);
        let mut rung = std::pin::pin!(bell.notified());
        rung.as_mut().enable();
        drop(order.begin(&mut change(&[OTHER], 1)));
        assert!(futures_util::FutureExt::now_or_never(rung.as_mut()).is_none());
        drop(order.begin(&mut change(&[SITE], 2)));
        rung.await;
    }
}
