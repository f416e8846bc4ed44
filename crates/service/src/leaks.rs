//! Reports of leaked secrets: a real token is revoked, its owner told. Nobody learns from the answer which were real.
//!
//! The report is taken and answered first, and looked into afterwards, one token at a time: neither the answer nor its time
//! depends on what the report holds. A secret is never kept longer than that, nor written anywhere.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use patd_core::event::Actor;
use patd_core::rules::revoke;
use patd_core::secret::PlainText;
use patd_core::token_text::TokenText;
use zeroize::Zeroizing;

use crate::decide::{TRIES, contended};
use crate::error::{Error, Result};
use crate::facts::{ask, nonsense};
use crate::hash_pool::Verdict;
use crate::ports::{Found, Query};
use crate::service::Service;
use crate::view::From;

/// Secrets that may wait to be looked into; reports beyond are refused until there is room.
const MAX_WAITING: usize = 20_000;
/// When secrets are looked into again whose site could not be asked.
const AGAIN: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];
/// The longest place that is kept, in characters.
const FOUND_AT_MAX: usize = 300;

/// One leaked secret.
#[derive(Debug)]
pub struct Leak {
    /// The text that was found.
    pub text: PlainText,
    /// Where, as a trustworthy reporter tells it.
    pub found_at: Option<String>,
}

/// The reports that are looked into.
#[derive(Default)]
pub(crate) struct Leaks {
    waiting: AtomicUsize,
    turn: tokio::sync::Mutex<()>,
}

/// Secrets that wait, until dropped.
struct Waiting(Arc<Service>, usize);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.leaks.waiting.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl Service {
    /// Counts a report of somebody who did not prove to be trustworthy.
    ///
    /// # Errors
    /// `TooManyAttempts` when the address has made too many within an hour.
    pub fn count_leak_report(&self, from: &From) -> Result<()> {
        self.limits.report(&from.address, self.now())
    }

    /// Takes a report. What is in it is looked into after the answer; a stop of the daemon waits for that.
    ///
    /// # Errors
    /// `Unavailable` when too much waits already.
    pub fn report_leaks(self: &Arc<Self>, leaks: Vec<Leak>) -> Result<()> {
        let count = leaks.len();
        let before = self.leaks.waiting.fetch_add(count, Ordering::Relaxed);
        let waiting = Waiting(Arc::clone(self), count);
        if before.saturating_add(count) > MAX_WAITING {
            return Err(Error::Unavailable {
                cause: "too many reported secrets wait to be looked into".to_owned(),
            });
        }
        self.tasks.spawn(async move {
            let service = &waiting.0;
            let mut left = service.look_into_all(leaks).await;
            for pause in AGAIN {
                if left.is_empty() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = service.stopping.cancelled() => {}
                }
                left = service.look_into_all(left).await;
            }
            if !left.is_empty() {
                tracing::error!(
                    left = left.len(),
                    "reported secrets could not be looked into: real ones among them live on"
                );
            }
        });
        Ok(())
    }

    /// Looks into reported secrets; gives back those whose site could not be asked.
    async fn look_into_all(&self, leaks: Vec<Leak>) -> Vec<Leak> {
        // One report at a time: a flood of them must not crowd out sign-ins.
        let _turn = self.leaks.turn.lock().await;
        let (mut left, mut failing) = (Vec::new(), HashSet::new());
        for leak in leaks {
            let Ok(text) = TokenText::parse(leak.text.expose().trim()) else { continue };
            if failing.contains(&text.home) {
                left.push(leak);
            } else if let Err(error) = self.look_into(&text, leak.found_at.as_deref()).await {
                tracing::warn!(?error, "a reported secret cannot be looked into now");
                // A store that hangs would be waited for once per secret.
                failing.insert(text.home);
                left.push(leak);
            }
        }
        left
    }

    /// Revokes the token of a leaked secret, if it is one and lives.
    async fn look_into(&self, text: &TokenText, found_at: Option<&str>) -> Result<()> {
        let Some(home) = self.world.sites.load().by_home(text.home).cloned() else { return Ok(()) };
        let found_at = found_at.and_then(place);
        for _ in 0..TRIES {
            let found = ask(&*home.store, Query::TokenAndSession(text.id)).await?;
            let Found::TokensAndSessions(rows) = found else { return Err(nonsense(&*home.store)) };
            let Some((token, session)) = rows.into_iter().next() else { return Ok(()) };
            let row = home.row.load_full();
            if token.site != row.luid || self.dead(&row, &token, self.now()).await?.0.is_some() {
                return Ok(());
            }
            let secret = Zeroizing::new(text.secret.expose().to_vec());
            if self.world.hashers.verify(&home.token_hasher, &token.digest, secret).await? == Verdict::Wrong {
                return Ok(());
            }
            let changes = self.decide(Actor::System, &From::default(), |cx| {
                revoke::revoke_leaked(cx, &token, session.as_ref(), found_at.clone())
            });
            if changes.is_empty() {
                return Ok(());
            }
            if self.world.commit_always(&home.store, changes, ()).await?.is_ok() {
                tracing::warn!(token = %token.id, site = %row.luid, "a token was revoked: its secret was reported as leaked");
                metrics::counter!("patd_tokens_leaked_total").increment(1);
                return Ok(());
            }
        }
        Err(contended())
    }
}

/// The place as it may be kept: an address of the web, bounded, without control characters and without a secret in it.
fn place(text: &str) -> Option<String> {
    let web = text.starts_with("https://") || text.starts_with("http://");
    let fits =
        text.chars().count() <= FOUND_AT_MAX && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    (web && fits && !text.contains("patd_")).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bounded_address_that_holds_no_secret() {
        assert_eq!(
            place("https://github.com/a/b/commit/c").as_deref(),
            Some("https://github.com/a/b/commit/c")
        );
        for bad in [
            "",
            "javascript:alert(1)",
            "ftp://x",
            "https://x/ y",
            "https://x/\n",
            "https://x/?t=patd_1_",
            &format!("https://x/{}", "y".repeat(300)),
        ] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
