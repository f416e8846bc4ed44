//! Failed sign-ins, counted per minute by account or token id, address and reason (R7): a stranger cannot buy one
//! disk write per attempt.

use std::collections::HashMap;

use parking_lot::Mutex;
use patd_core::changes::Changes;
use patd_core::event::{Actor, Event, EventType, Origin};
use patd_core::id::{SiteLuid, TokenId, UserLuid};

use crate::service::Service;

/// More different failures than this in a minute share one event per site.
const MAX_KEYS: usize = 4096;

/// What a failure is counted by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Failure {
    /// Where the sign-in was tried.
    pub(crate) site: SiteLuid,
    /// The account, where the name is one of a known person.
    pub(crate) user: Option<UserLuid>,
    /// The token, where its id is known.
    pub(crate) token: Option<TokenId>,
    /// The client's address.
    pub(crate) address: String,
    /// Why, as the problem's name.
    pub(crate) reason: &'static str,
}

/// The counts since the last flush.
#[derive(Default)]
pub(crate) struct Failures {
    counts: Mutex<HashMap<Failure, u32>>,
}

impl Failures {
    /// Counts one.
    pub(crate) fn count(&self, failure: Failure) {
        let mut counts = self.counts.lock();
        let key = if counts.len() < MAX_KEYS || counts.contains_key(&failure) {
            failure
        } else {
            Failure { user: None, token: None, address: String::new(), ..failure }
        };
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(1);
    }
}

impl Service {
    /// Writes the counts as events, one change per site.
    pub(crate) async fn flush_failures(&self) {
        let counts = std::mem::take(&mut *self.failures.counts.lock());
        let mut by_site: HashMap<SiteLuid, Vec<(Failure, u32)>> = HashMap::new();
        for (failure, count) in counts {
            by_site.entry(failure.site).or_default().push((failure, count));
        }
        for (site, failures) in by_site {
            let Some(runtime) = self.world.site(site) else { continue };
            let now = self.now();
            let events: Vec<_> = failures
                .into_iter()
                .map(|(failure, count)| Event {
                    actor: Actor::Anonymous,
                    user: failure.user,
                    token: failure.token,
                    origin: Origin { address: failure.address, user_agent: String::new() },
                    reason: failure.reason.to_owned(),
                    count,
                    ..Event::new(self.fresh_event_id(), now, EventType::SigninFailed, Some(site))
                })
                .collect();
            let Some(first) = events.first() else { continue };
            let changes = Changes { id: first.id.0, expect: Vec::new(), write: Vec::new(), events };
            if let Err(e) = self.world.commit(&runtime.store, changes, ()).await {
                tracing::warn!(error = ?e, "failed sign-ins of the last minute could not be recorded");
            }
        }
    }
}
