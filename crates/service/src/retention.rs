//! Retention: removes old events from the stores, where the config says how long they are kept.
//!
//! In two steps, so that the trail can be verified at each moment: first the sealer signs where the chain begins from now on
//! (see [`crate::seal::retention`]), then the events before that go, some at a time. It must never remove what a sink still
//! waits for, what people are still to be told of, what a dead letter refers to or what is not as it was sealed, and no
//! request waits for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patd_core::event::{Event, EventType};
use patd_core::time::{Span, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cloud_event::event_json;
use crate::error::Result;
use crate::ports::{Outlet, Scope, Store, Waiting};
use crate::seal::canonical::hash;
use crate::seal::checkpoint::{Chain, Checkpoint, Leaf};
use crate::seal::keys::Keys;
use crate::seal::retention::{Found, Oldest, Seen};
use crate::service::Service;
use crate::{inventory, relay};

/// Reads past every cursor; no sink of the config can have this name.
const READER: &str = "@retention";
/// Between two rounds: a tenth of what is kept, within these.
const ROUND: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// Events read at once.
const PAGE: u32 = 500;
/// Events of one chain read before some go.
const MOST: usize = 65_536;
/// Events removed in one write, and the pause after it: a few milliseconds of the writer's time, ten times a second.
const BATCH: u32 = 250;
const PAUSE: Duration = Duration::from_millis(100);
/// How long a beginning may take to be signed before another round asks again.
const SIGNED_WITHIN: Duration = Duration::from_secs(30);

/// What the sealers are asked for and have signed, by store and chain.
#[derive(Default)]
pub(crate) struct Beginnings {
    wanted: Mutex<HashMap<String, BTreeMap<Chain, u64>>>,
    signed: Mutex<HashMap<String, BTreeMap<Chain, u64>>>,
    bell: Notify,
}

impl Beginnings {
    /// Asks the sealer of a store to sign where a chain begins.
    fn want(&self, store: &str, chain: Chain, begins: u64) {
        self.wanted.lock().entry(store.to_owned()).or_default().insert(chain, begins);
    }

    /// What is to be signed next in a store; asked for once.
    pub(crate) fn take_wanted(&self, store: &str) -> BTreeMap<Chain, u64> {
        self.wanted.lock().remove(store).unwrap_or_default()
    }

    /// What the newest checkpoints of a store say, which are committed and noted.
    pub(crate) fn signed(&self, store: &str, chains: BTreeMap<Chain, u64>) {
        self.signed.lock().insert(store.to_owned(), chains);
        self.bell.notify_waiters();
    }

    /// Where a chain begins; nothing before its sealer has read it.
    fn of(&self, store: &str, chain: Chain) -> Option<u64> {
        self.signed.lock().get(store)?.get(&chain).copied()
    }
}

/// Which events may go.
#[derive(Clone, Copy, Debug)]
struct Terms {
    now: Timestamp,
    keep: Span,
    /// Every sink has the events up to here.
    delivered: u64,
    /// Nobody has to be told any more of the revocations up to here.
    told: u64,
    /// The first event that a dead letter refers to.
    letter: Option<u64>,
}

impl Terms {
    fn let_go(&self, position: u64, event: &Event) -> bool {
        // Its id tells that the admins were told in its week, and so must outlive it.
        let keep = match event.kind {
            EventType::NoticeInventory => self.keep.max(inventory::TOLD_FOR),
            _ => self.keep,
        };
        let told = event.kind != EventType::SiteRevokedBefore || position <= self.told;
        event.time < self.now.minus(keep) && told && self.nobody_needs(position)
    }

    /// Whether no sink and no dead letter needs the events up to a position.
    fn nobody_needs(&self, through: u64) -> bool {
        through <= self.delivered && self.letter.is_none_or(|letter| through < letter)
    }
}

impl Service {
    /// Removes events that are older than this from now on. Nothing goes where nothing is sealed.
    pub fn keep_events_for(self: &Arc<Self>, keep: Span) {
        let service = Arc::clone(self);
        let tenth = Duration::from_micros(u64::try_from(keep.0 / 10).unwrap_or(0));
        let pause = tenth.clamp(*ROUND.start(), *ROUND.end());
        self.tasks.spawn(async move {
            let stop = service.stopping.clone();
            // Whatever it is at, it can be stopped: each write is whole by itself.
            let rounds = async {
                loop {
                    tokio::time::sleep(pause).await;
                    service.let_old_events_go(keep).await;
                }
            };
            stop.run_until_cancelled(rounds).await;
        });
    }

    async fn let_old_events_go(&self, keep: Span) {
        let sites: Vec<_> = self.world.sites.load().iter().cloned().collect();
        for (at, store) in self.world.stores().into_iter().enumerate() {
            // Events of a site that left the config stay until it is back: its sinks may have to get them.
            let here = sites.iter().filter(|site| at == 0 || site.store.name() == store.name());
            let of_sites = here.map(|site| Some(site.row.load().luid));
            for site in std::iter::once(None).chain(of_sites) {
                let chain = Chain { directory: at == 0, site };
                if let Err(e) = self.shorten(&*store, chain, keep).await {
                    tracing::warn!(store = store.name(), %chain, error = ?e, "old events stay for now");
                }
            }
        }
    }

    /// Removes what a chain's newest checkpoint has let go, and has what may go besides let go, until that is little.
    async fn shorten(&self, store: &dyn Store, chain: Chain, keep: Span) -> Result<()> {
        loop {
            let Some(signer) = self.signer() else { return Ok(()) };
            let Some(signed) = self.sealers.beginnings.of(store.name(), chain) else { return Ok(()) };
            let terms = self.terms(store, chain, keep).await?;
            let (found, whole) = look(store, chain, signed, &terms, signer.keys()).await?;
            if let Some(checkpoint) = found.damaged {
                tracing::error!(store = store.name(), %chain, checkpoint, "old events are not as they were sealed, so they and \
                    all later ones stay; `patd audit verify` names the first");
            }
            // Said before; a sink may have been added since.
            if let Some(through) = found.gone.filter(|through| terms.nobody_needs(*through)) {
                remove(store, chain, through).await?;
            }
            let Some(begins) = found.begins else { return Ok(()) };
            self.sealers.beginnings.want(store.name(), chain, begins);
            self.world.bell.notify_waiters();
            // What goes then is little, and goes in the next round: nobody waits for each chain's checkpoint in turn.
            if whole || !self.is_signed(store, chain, begins).await {
                return Ok(());
            }
        }
    }

    async fn terms(&self, store: &dyn Store, chain: Chain, keep: Span) -> Result<Terms> {
        let scope = Scope::from(chain.site);
        let mut delivered = u64::MAX;
        for feed in self.feeds() {
            let here = |(of, scopes): &(Arc<dyn Store>, Vec<Scope>)| {
                of.name() == store.name() && scopes.contains(&scope)
            };
            if feed.stores.iter().any(here) {
                delivered = delivered.min(store.outbox_status(feed.sink.name(), scope).await?.through);
            }
        }
        if !chain.directory {
            delivered = delivered.min(store.outbox_status(relay::CURSOR, scope).await?.through);
        }
        let told = match chain.site.filter(|_| chain.directory) {
            Some(site) => self.told_through(site).await?,
            None => u64::MAX,
        };
        let mut letter = None;
        for sink in self.sinks.load_full().iter() {
            let outlet = Outlet { sink: sink.name().to_owned(), scope: Some(scope) };
            let first = store.dead_letters(&outlet, 0, 1).await?.first().map(|letter| letter.position);
            letter = letter.into_iter().chain(first).min();
        }
        Ok(Terms { now: self.now(), keep, delivered, told, letter })
    }

    /// Whether the sealer signs in time where a chain begins.
    async fn is_signed(&self, store: &dyn Store, chain: Chain, begins: u64) -> bool {
        let beginnings = &self.sealers.beginnings;
        let until = Instant::now() + SIGNED_WITHIN;
        loop {
            let rung = beginnings.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if beginnings.of(store.name(), chain).is_some_and(|signed| signed >= begins) {
                return true;
            }
            if tokio::time::timeout_at(until, rung).await.is_err() {
                return false;
            }
        }
    }
}

/// Reads a chain from its oldest event on, as far as it may matter; whether that was all of what may go.
async fn look(
    store: &dyn Store,
    chain: Chain,
    signed: u64,
    terms: &Terms,
    keys: &Keys,
) -> Result<(Found, bool)> {
    let scope = Scope::from(chain.site);
    let outlet = Outlet { sink: READER.to_owned(), scope: Some(scope) };
    let (mut oldest, mut after, mut count) = (Oldest::new(signed), 0, 0);
    while count < MOST {
        let page = store.outbox_take(&outlet, Some(after), PAGE).await?;
        for Waiting { position, event } in &page {
            let json = event_json(event);
            let checkpoint = Checkpoint::genuine(&json, keys).filter(|read| read.content.chain == chain);
            let seen = Seen {
                position: *position,
                leaf: Leaf { id: event.id.0, hash: hash(&json) },
                checkpoint: checkpoint.as_ref(),
                may_go: terms.let_go(*position, event),
            };
            if !oldest.read(&seen) {
                return Ok((oldest.found(), true));
            }
            after = *position;
        }
        if page.len() < PAGE as usize {
            return Ok((oldest.found(), true));
        }
        count += page.len();
        tokio::task::yield_now().await;
    }
    Ok((oldest.found(), false))
}

/// Removes a chain's events up to a position, some at a time.
async fn remove(store: &dyn Store, chain: Chain, through: u64) -> Result<()> {
    let scope = Scope::from(chain.site);
    let mut all = 0;
    loop {
        let removed = store.events_remove(scope, through, BATCH).await?;
        all += removed;
        metrics::counter!("patd_events_removed_total", "store" => store.name().to_owned()).increment(removed);
        if removed < u64::from(BATCH) {
            tracing::info!(store = store.name(), %chain, removed = all, "old events were removed");
            return Ok(());
        }
        // So that what requests write comes between.
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use patd_core::id::EventId;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

    fn event(kind: EventType, age: Span) -> Event {
        Event::new(EventId(Uuid::from_u128(1)), NOW.minus(age), kind, None)
    }

    proptest! {
        #[test]
        fn only_what_is_old_and_delivered_and_before_every_dead_letter_may_go(
            position in 1_u64..20, delivered in 0_u64..20, letter in prop::option::of(1_u64..20), age in 0_i64..40,
        ) {
            let terms = Terms { now: NOW, keep: Span::days(20), delivered, told: 0, letter };
            let may_go = terms.let_go(position, &event(EventType::TokenMinted, Span::days(age)));
            let before_letters = letter.is_none_or(|letter| position < letter);
            prop_assert_eq!(may_go, age > 20 && position <= delivered && before_letters);
        }
    }

    #[test]
    fn a_revocation_stays_until_its_owners_are_told() {
        let old = event(EventType::SiteRevokedBefore, Span::days(40));
        for (told, may_go) in [(6, false), (7, true), (8, true)] {
            let terms = Terms { now: NOW, keep: Span::days(20), delivered: u64::MAX, told, letter: None };
            assert_eq!(terms.let_go(7, &old), may_go, "told through {told}");
        }
    }

    #[test]
    fn the_notice_of_a_week_outlives_the_week() {
        let terms = Terms { now: NOW, keep: Span::minutes(1), delivered: u64::MAX, told: 0, letter: None };
        for (days, may_go) in [(1, false), (7, false), (9, true)] {
            let of_week = event(EventType::NoticeInventory, Span::days(days));
            assert_eq!(terms.let_go(1, &of_week), may_go, "{days} days");
            assert!(terms.let_go(1, &event(EventType::TokenMinted, Span::days(days))));
        }
    }
}
