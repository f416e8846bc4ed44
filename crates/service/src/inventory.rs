//! How many tokens a site has and how many come near an end: as metrics every hour, and once a week as a notice to the
//! site's admins. Never looks at a token by itself.

use std::collections::HashMap;

use parking_lot::Mutex;
use patd_core::event::{Actor, Origin};
use patd_core::id::{EventId, SiteLuid};
use patd_core::rules::Context;
use patd_core::rules::notice::{self, ABSOLUTE_DAYS, Inventory, UNUSED_DAYS};
use patd_core::time::{Span, Timestamp};

use crate::error::Result;
use crate::facts::nonsense;
use crate::ports::{Found, Query};
use crate::service::{Service, derived_event_id};
use crate::world::SiteRuntime;

/// Between two counts.
const EVERY: Span = Span::minutes(60);
const WEEK: Span = Span::days(7);
/// From 1970-01-01, a Thursday, to the Monday after.
const FIRST_MONDAY: Span = Span::days(4);

/// How long the notice of a week must be in the store, so that another start in that week knows that its admins were told.
pub(crate) const TOLD_FOR: Span = Span::days(8);

/// When each site was counted last.
#[derive(Default)]
pub(crate) struct Inventories(Mutex<HashMap<SiteLuid, Timestamp>>);

impl Service {
    /// Counts the tokens of a site if an hour has passed, and tells its admins if a week has begun since the site is there.
    pub(crate) async fn take_inventory(&self, site: &SiteRuntime) -> Result<()> {
        let (now, row) = (self.now(), site.row.load_full());
        let last = self.inventories.0.lock().get(&row.luid).copied();
        if last.is_some_and(|last| now < last.plus(EVERY)) {
            return Ok(());
        }
        let counts = self.count_tokens(site, row.luid, now).await?;
        for (state, count) in
            [("open", counts.tokens), ("expiring", counts.expiring), ("unused", counts.unused)]
        {
            metrics::gauge!("patd_tokens", "site" => row.key.clone(), "state" => state).set(f64::from(count));
        }
        let week = week_of(now);
        if row.created_at < week && last.is_none_or(|last| last < week) {
            let changes = {
                let mut id = || notice_id(row.luid, week);
                let (actor, origin) = (Actor::System, Origin::default());
                notice::inventory(&mut Context { now, actor, origin, event_id: &mut id }, row.luid, counts)
            };
            // There before: another start, or another daemon, has told of this week. The store keeps the first one.
            let _told = self.world.commit(&site.store, changes, ()).await?;
        }
        self.inventories.0.lock().insert(row.luid, now);
        Ok(())
    }

    async fn count_tokens(&self, site: &SiteRuntime, luid: SiteLuid, now: Timestamp) -> Result<Inventory> {
        let soon = Span::days(i64::from(ABSOLUTE_DAYS[0]));
        let queries = vec![
            Query::CountMintedBefore(luid, now.plus(Span(1))),
            Query::CountStale {
                site: luid,
                expires_before: now.plus(soon),
                used_before: now.minus(Span::days(UNUSED_DAYS)),
            },
        ];
        let found = site.store.query(queries).await?;
        let [Found::Counts(tokens, _), Found::Counts(expiring, unused)] = found[..] else {
            return Err(nonsense(&*site.store));
        };
        let small = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Inventory { tokens: small(tokens), expiring: small(expiring), unused: small(unused) })
    }
}

/// The Monday, 00:00 UTC, of the week that a time lies in.
fn week_of(time: Timestamp) -> Timestamp {
    let weeks = (time.0 - FIRST_MONDAY.0).div_euclid(WEEK.0);
    Timestamp(weeks * WEEK.0 + FIRST_MONDAY.0)
}

/// The id of a week's notice: the same whoever asks and whenever.
fn notice_id(site: SiteLuid, week: Timestamp) -> EventId {
    let source = [b"patd inventory ".as_slice(), site.0.as_bytes(), &week.0.to_be_bytes()].concat();
    derived_event_id(u64::try_from(week.0 / 1_000).unwrap_or(0), &source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday_and_has_one_notice_per_site() {
        let monday = Timestamp(1_763_942_400_000_000); // 2025-11-24T00:00:00Z
        assert_eq!(week_of(monday), monday);
        assert_eq!(week_of(monday.plus(WEEK).minus(Span(1))), monday);
        assert_eq!(week_of(monday.minus(Span(1))), monday.minus(WEEK));
        let site = |n| SiteLuid(uuid::Uuid::from_u128(n));
        assert_eq!(notice_id(site(1), monday), notice_id(site(1), monday));
        assert_ne!(notice_id(site(1), monday), notice_id(site(2), monday));
        assert_ne!(notice_id(site(1), monday), notice_id(site(1), monday.plus(WEEK)));
    }
}
