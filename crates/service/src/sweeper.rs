//! The sweeper: writes down what time has ended, and the minute's failed sign-ins; forgets old rows.
//!
//! Only tidies up: that something is dead is decided where it is used, never by the sweeper having been there.

use std::sync::Arc;
use std::time::Duration;

use patd_core::changes::Changes;
use patd_core::event::Actor;
use patd_core::rules::sweep;
use patd_core::time::Span;

use crate::error::Result;
use crate::facts::{ask, nonsense};
use crate::ports::{Found, Query, Store};
use crate::service::Service;
use crate::view::From;
use crate::world::SiteRuntime;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(60);
/// Rows in one change.
const BATCH: u32 = 500;
/// Changes to one site in one round: the other sites are to have theirs.
const BATCHES: u32 = 20;
/// How long an expired session's row is kept, so that its holder can be told.
const KEEP: Span = Span::days(1);

impl Service {
    pub(crate) fn start_sweeper(self: &Arc<Self>) {
        let service = Arc::clone(self);
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = service.stopping.cancelled() => return,
                    () = tokio::time::sleep(ROUND) => {}
                }
                service.flush_failures().await;
                service.world.live.sweep(service.now());
                let sites: Vec<_> = service.world.sites.load().iter().cloned().collect();
                for site in sites {
                    if let Err(e) = service.do_what_is_due(&site).await {
                        tracing::warn!(error = ?e, "tokens that time asks something of could not be dealt with");
                    }
                    if let Err(e) = service.take_inventory(&site).await {
                        tracing::warn!(error = ?e, "a site's tokens could not be counted");
                    }
                }
                for store in service.world.stores() {
                    if let Err(e) = service.forget_sessions(&store).await {
                        tracing::warn!(store = store.name(), error = ?e, "old sessions could not be forgotten");
                    }
                }
            }
        });
    }

    /// Ends tokens of a site that are past one of R4's clocks and tells the owners of those that come near, each with its
    /// event.
    async fn do_what_is_due(&self, site: &SiteRuntime) -> Result<()> {
        // Tokens of people who are not there stay as they are, and come first each time.
        let mut stuck = 0;
        for _ in 0..BATCHES {
            let (row, limit) = (site.row.load_full(), BATCH + stuck);
            let query = Query::DueTokens { site: row.luid, now: self.now(), limit };
            let tokens = self.tokens_found(&*site.store, query).await?;
            let is_all = tokens.len() < limit as usize;
            let mut judged = Vec::new();
            stuck = 0;
            // A store that answers with others' is not believed (R8).
            for token in tokens.into_iter().filter(|t| t.site == row.luid) {
                let owner = self.world.facts.user(&*self.world.directory, token.owner).await?;
                let member = self.membership_row(row.luid, token.owner).await?;
                match (owner, member) {
                    (Some(owner), Some(member)) => judged.push((token, owner.load_full(), member)),
                    _ => stuck += 1,
                }
            }
            let tokens: Vec<_> = judged.iter().map(|(token, ..)| token.clone()).collect();
            let sessions = self.sessions_of(&*site.store, &tokens).await?;
            let all: Vec<_> = judged.iter().map(|(token, owner, member)| (token, &**owner, member)).collect();
            let changes = self
                .decide(Actor::System, &From::default(), |cx| sweep::what_is_due(cx, &row, &all, &sessions));
            let done = self.sweep(&site.store, changes).await?;
            if is_all || !(done || judged.is_empty()) {
                break;
            }
        }
        Ok(())
    }

    /// Deletes session rows that ended long ago.
    async fn forget_sessions(&self, store: &Arc<dyn Store>) -> Result<()> {
        let query = Query::PastSessions { before: self.now().minus(KEEP), limit: BATCH };
        let Found::Sessions(sessions) = ask(&**store, query).await? else { return Err(nonsense(&**store)) };
        let changes =
            self.decide(Actor::System, &From::default(), |cx| sweep::forget_sessions(cx, &sessions));
        self.sweep(store, changes).await.map(drop)
    }

    /// Whether something was written.
    async fn sweep(&self, store: &Arc<dyn Store>, changes: Changes) -> Result<bool> {
        // A conflict means that somebody was quicker; the next round looks again.
        Ok(!changes.is_empty() && self.world.commit(store, changes, ()).await?.is_ok())
    }
}
