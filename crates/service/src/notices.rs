//! Tells people that tokens of theirs are revoked, where the revocation itself does not know whose they were: a site's
//! `not_before` rises in one write, whatever the number of tokens.
//!
//! The event of it is read from the directory's outbox like a sink reads; then the site's tokens are looked through in their
//! store, and each owner of one that died gets one notice there. Each site is dealt with by itself, so that a store that is
//! down keeps nobody else waiting (R8). A notice's id follows from site, event and owner, so that nobody is told twice,
//! however often it is begun anew. How far a site is stands in a cursor of its own; the one over all sites only says where
//! a start begins to read.
//! Must never revoke anything, and never keep an event from retention longer than its site needs it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patd_core::changes::Changes;
use patd_core::event::EventType;
use patd_core::id::{EventId, SiteLuid, TokenId, UserLuid};
use patd_core::record::Token;
use patd_core::rules::stamp::Stamp;
use uuid::Uuid;

use crate::error::Result;
use crate::follow::{Follower, follow};
use crate::ports::{Outlet, Query, Scope, Waiting};
use crate::service::{Service, following_event_id};
use crate::world::SiteRuntime;

/// The cursor in the directory: of each site, and of all.
const CURSOR: &str = "@notices";
/// Tokens read at once.
const PAGE: u32 = 500;
/// After a failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Revocations whose owners are not all told, by site and in order. A site has a task exactly as long as it is in here.
#[derive(Default)]
pub(crate) struct Untold(Mutex<HashMap<SiteLuid, VecDeque<Arc<Waiting>>>>);

impl Untold {
    /// Whether a task is to be begun for the site.
    fn add(&self, site: SiteLuid, revocation: Waiting) -> bool {
        let mut all = self.0.lock();
        let begin = !all.contains_key(&site);
        all.entry(site).or_default().push_back(Arc::new(revocation));
        begin
    }

    /// The site's first; the site is forgotten, and its task is to end, when there is none.
    fn first(&self, site: SiteLuid) -> Option<Arc<Waiting>> {
        let mut all = self.0.lock();
        let first = all.get(&site)?.front().cloned();
        if first.is_none() {
            all.remove(&site);
        }
        first
    }

    /// The site's first is done.
    fn done(&self, site: SiteLuid) {
        if let Some(of_site) = self.0.lock().get_mut(&site) {
            of_site.pop_front();
        }
    }

    /// Up to where nothing waits.
    fn nothing_through(&self, taken: u64) -> u64 {
        let all = self.0.lock();
        let first = all.values().filter_map(|of_site| of_site.front()).map(|first| first.position).min();
        first.map_or(taken, |first| first.saturating_sub(1).min(taken))
    }
}

/// What reads the directory.
struct Notices(Arc<Service>);

impl Follower for Notices {
    const CURSOR: &'static str = CURSOR;
    const WAITS: &'static str = "notices of revoked tokens";
    // It only spares a start some reading.
    const ACK_EVERY: Duration = Duration::from_secs(60);

    async fn take(&self, events: &[Waiting]) -> Result<()> {
        let revocations = events.iter().filter(|w| w.event.kind == EventType::SiteRevokedBefore);
        for (site, revocation) in revocations.filter_map(|w| Some((w.event.site?, w.clone()))) {
            if self.0.untold.add(site, revocation) {
                let service = Arc::clone(&self.0);
                self.0.tasks.spawn(async move { service.tell_owners_at(site).await });
            }
        }
        Ok(())
    }

    fn done(&self, taken: u64) -> u64 {
        self.0.untold.nothing_through(taken)
    }
}

impl Service {
    pub(crate) fn start_notices(self: &Arc<Self>) {
        let notices = Notices(Arc::clone(self));
        self.tasks.spawn(async move {
            let service = &notices.0;
            follow(&service.world, &*service.world.directory, &service.stopping, &notices).await;
        });
    }

    /// Up to where nobody has to be told any more of what the directory says of a site.
    pub(crate) async fn told_through(&self, site: SiteLuid) -> Result<u64> {
        Ok(self.world.directory.outbox_status(CURSOR, Scope::Site(site)).await?.through)
    }

    /// Tells the owners of one site until nothing of it waits. What a stop leaves is told after the next start.
    async fn tell_owners_at(&self, site: SiteLuid) {
        let mut pause = FIRST_PAUSE;
        let mut told = HashSet::new();
        while let Some(revocation) = self.untold.first(site) {
            match self.tell_owners(site, &revocation, &mut told).await {
                Ok(()) => {
                    self.untold.done(site);
                    told.clear();
                    pause = FIRST_PAUSE;
                }
                Err(error) => {
                    tracing::warn!(%site, ?error, "owners of revoked tokens are told later");
                    let waited = self.stopping.run_until_cancelled(tokio::time::sleep(pause)).await;
                    if waited.is_none() {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Tells every owner of one revocation; `told` are those whom an earlier try has told.
    async fn tell_owners(
        &self,
        site: SiteLuid,
        revocation: &Waiting,
        told: &mut HashSet<UserLuid>,
    ) -> Result<()> {
        let Waiting { position, event } = revocation;
        // One that is not served has nobody who could look into its tokens.
        let Some(runtime) = self.world.site(site) else { return Ok(()) };
        let row = runtime.row.load_full();
        let Some(stamp) = Stamp::of(event, &row) else { return Ok(()) };
        if self.told_through(site).await? >= *position {
            return Ok(());
        }
        let minted = stamp.minted();
        let mut after = Some((minted.end, TokenId(Uuid::nil())));
        while after.is_some() {
            let query =
                Query::Tokens { site, owner: None, ended_since: Some(stamp.at()), after, limit: PAGE };
            let tokens = self.tokens_found(&*runtime.store, query).await?;
            let further =
                tokens.last().filter(|last| tokens.len() >= PAGE as usize && last.created_at >= minted.start);
            after = further.map(|last| (last.created_at, last.id));
            for token in &tokens {
                self.tell_owner(&runtime, &stamp, event.id, token, told).await?;
            }
        }
        let cursor = Outlet { sink: CURSOR.to_owned(), scope: Some(Scope::Site(site)) };
        Ok(self.world.directory.outbox_ack(&cursor, *position, Vec::new()).await?)
    }

    /// Tells the owner of a token, if it died of that revocation and the owner is not told yet.
    async fn tell_owner(
        &self,
        runtime: &SiteRuntime,
        stamp: &Stamp<'_>,
        of: EventId,
        token: &Token,
        told: &mut HashSet<UserLuid>,
    ) -> Result<()> {
        if !stamp.concerns(token.owner) || told.contains(&token.owner) {
            return Ok(());
        }
        let person = self.world.facts.user(&*self.world.directory, token.owner).await?;
        let member = self.membership_row(token.site, token.owner).await?;
        let (Some(person), Some(member)) = (person, member) else { return Ok(()) };
        if !stamp.killed(token, &person.load(), &member) {
            return Ok(());
        }
        let notice = stamp.notice(token.owner, notice_id(token.site, of, token.owner));
        let changes =
            Changes { id: notice.id.0, expect: Vec::new(), write: Vec::new(), events: vec![notice] };
        if let Err(conflict) = self.world.commit_always(&runtime.store, changes, ()).await? {
            tracing::warn!(?conflict, "a site's store refuses a notice");
        }
        told.insert(token.owner);
        Ok(())
    }
}

/// The id of the notice to an owner: the same however often it is written, with the time of the revocation's.
fn notice_id(site: SiteLuid, event: EventId, owner: UserLuid) -> EventId {
    let source = [b"patd notice ".as_slice(), site.0.as_bytes(), event.0.as_bytes(), owner.0.as_bytes()];
    following_event_id(event, &source.concat())
}
