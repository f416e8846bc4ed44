//! The bounded pool for hashes: slow ones run off the async threads, of each hasher at most as many at once as there are
//! cores. Each generation of a hasher has a pool of its own, so that one that hangs holds up neither others (R8) nor its
//! successor.
//!
//! Compares digests in constant time; a hasher never sees a stored digest and never gives a verdict (R9).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use patd_core::secret::PhcDigest;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keeping::Keeping;
use crate::ports::{CurrentHasher, HashError, Hasher, HasherPlace, Random};
use crate::schemes::Made;

/// Shortest digest that counts as one.
const MIN_DIGEST: usize = 16;
/// How long one derivation may take when a config is looked at.
const ONE_DERIVE: Duration = Duration::from_secs(30);

/// The configured hashers, by name and by scheme.
pub struct Hashers {
    by_name: ArcSwap<HashMap<String, Arc<Lane>>>,
    /// What the operator has given up: digests that nothing can check are refused, not told as a failure.
    abandoned: ArcSwap<Vec<String>>,
    /// Digests on their way into a store.
    pub(crate) keeping: Arc<Keeping>,
    at_once: usize,
    queue: usize,
}

/// Whether digests can be checked.
pub(crate) enum Checks {
    /// They can, or the operator has given them up.
    Yes,
    /// No hasher takes their parameters.
    No,
    /// A hasher that may be theirs does not answer, with its reason.
    Unknown(String),
}

/// A hasher with its pool.
struct Lane {
    place: Arc<dyn HasherPlace>,
    pool: Mutex<(u64, Pool)>,
}

/// How many may run and wait.
#[derive(Clone)]
struct Pool {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// A generation of a hasher with its pool.
#[derive(Clone)]
struct Held {
    hasher: Arc<dyn Hasher>,
    pool: Pool,
}

/// A hasher that is never replaced.
struct Fixed(Arc<dyn Hasher>);

impl HasherPlace for Fixed {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn current(&self) -> std::result::Result<CurrentHasher, HashError> {
        Ok(CurrentHasher { generation: 1, hasher: Arc::clone(&self.0) })
    }

    fn unready(&self) -> Option<String> {
        None
    }
}

/// What a comparison found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Not the secret.
    Wrong,
    /// The secret; the stored digest is as the default hasher would make it.
    Right,
    /// The secret, but the stored digest should be replaced under the default hasher.
    RightButStale,
}

impl Hashers {
    /// `at_once` hashes of each run, `queue` more may wait; beyond that callers get `Unavailable`.
    #[must_use]
    pub fn new(hashers: Vec<Arc<dyn Hasher>>, at_once: usize, queue: usize) -> Self {
        let fixed = |hasher| -> Arc<dyn HasherPlace> { Arc::new(Fixed(hasher)) };
        Self::of(hashers.into_iter().map(fixed).collect(), at_once, queue)
    }

    /// As [`Self::new`], of hashers that may be replaced.
    #[must_use]
    pub fn of(places: Vec<Arc<dyn HasherPlace>>, at_once: usize, queue: usize) -> Self {
        let hashers = Self {
            by_name: ArcSwap::default(),
            abandoned: ArcSwap::default(),
            keeping: Arc::default(),
            at_once: at_once.max(1),
            queue,
        };
        hashers.set(places);
        hashers
    }

    /// Gives digests up: each by its scheme, or by `scheme kid=…` for one key.
    #[must_use]
    pub fn abandoning(self, abandoned: Vec<String>) -> Self {
        self.abandon(abandoned);
        self
    }

    pub(crate) fn abandon(&self, abandoned: Vec<String>) {
        self.abandoned.store(Arc::new(abandoned));
    }

    /// These hashers instead, with the limits of those in use; nothing is put in their place.
    pub(crate) fn instead(&self, places: Vec<Arc<dyn HasherPlace>>, abandoned: Vec<String>) -> Self {
        Self::of(places, self.at_once, self.queue).abandoning(abandoned)
    }

    /// Whether digests made with these parameters can be checked: a digest of nothing is derived, as a check would do it.
    pub(crate) async fn checks(&self, made: &Made, sample: &str) -> Checks {
        if made.is_among(&self.abandoned.load()) {
            return Checks::Yes;
        }
        let mut unknown = None;
        for lane in self.by_name.load_full().values() {
            let held = match self.hold(lane) {
                Ok(held) => held,
                Err(error) => {
                    unknown = Some(error.to_string());
                    continue;
                }
            };
            if !knows_scheme(&*held.hasher, &made.scheme) {
                continue;
            }
            let params = sample.to_owned();
            let derived = self.run(held, move |hasher| match hasher.derive(&[], &params) {
                Ok(digest) => Ok(Zeroizing::new(digest).len() >= MIN_DIGEST),
                Err(HashError::Params(_)) => Ok(false),
                Err(error) => Err(error),
            });
            match tokio::time::timeout(ONE_DERIVE, derived).await {
                Ok(Ok(true)) => return Checks::Yes,
                Ok(Ok(false)) => {}
                Ok(Err(Error::Unavailable { cause })) => unknown = Some(cause),
                Ok(Err(error)) => unknown = Some(error.to_string()),
                Err(_) => unknown = Some("a hasher does not answer".to_owned()),
            }
        }
        unknown.map_or(Checks::No, Checks::Unknown)
    }

    /// Takes these in the place of those before; work under way goes on with what it holds.
    pub(crate) fn set(&self, places: Vec<Arc<dyn HasherPlace>>) {
        let old = self.by_name.load_full();
        let lane = |place: Arc<dyn HasherPlace>| {
            let known = old.get(place.name()).filter(|lane| Arc::ptr_eq(&lane.place, &place));
            let lane = known.map(Arc::clone);
            let lane = lane.unwrap_or_else(|| {
                Arc::new(Lane { place: Arc::clone(&place), pool: Mutex::new((0, self.fresh_pool())) })
            });
            (place.name().to_owned(), lane)
        };
        self.by_name.store(Arc::new(places.into_iter().map(lane).collect()));
    }

    fn fresh_pool(&self) -> Pool {
        Pool {
            running: Arc::new(Semaphore::new(self.at_once)),
            waiting: Arc::new(Semaphore::new(self.at_once + self.queue)),
        }
    }

    /// Why the hasher of this name refuses everything at the moment, if it does.
    pub(crate) fn unready(&self, name: &str) -> Option<String> {
        match self.by_name.load().get(name) {
            Some(lane) => lane.place.unready(),
            None => Some(format!("no hasher is named `{name}`")),
        }
    }

    fn hold(&self, lane: &Lane) -> std::result::Result<Held, HashError> {
        let CurrentHasher { generation, hasher } = lane.place.current()?;
        let mut pool = lane.pool.lock();
        if pool.0 != generation {
            *pool = (generation, self.fresh_pool());
        }
        Ok(Held { hasher, pool: pool.1.clone() })
    }

    fn named(&self, name: &str) -> Result<Held> {
        let lanes = self.by_name.load();
        let lane = lanes
            .get(name)
            .ok_or_else(|| Error::Unavailable { cause: format!("no hasher is named `{name}`") })?;
        self.hold(lane).map_err(|e| Error::Unavailable { cause: e.to_string() })
    }

    /// The hashers that know a scheme, but for one.
    fn others_knowing(&self, scheme: &str, but: &str) -> Vec<Held> {
        let lanes = self.by_name.load();
        // By name, so that every sign-in meets them in the same order.
        let mut names: Vec<_> = lanes.keys().filter(|name| *name != but).collect();
        names.sort_unstable();
        names
            .into_iter()
            .filter_map(|name| self.hold(lanes.get(name)?).ok())
            .filter(|held| knows_scheme(&*held.hasher, scheme))
            .collect()
    }

    /// Runs one hash on the hasher's pool. Dropping the caller does not stop it: its permit goes with it.
    async fn run<T: Send + 'static>(
        &self,
        held: Held,
        work: impl FnOnce(&dyn Hasher) -> std::result::Result<T, HashError> + Send + 'static,
    ) -> Result<T> {
        let Held { hasher, pool } = held;
        let unavailable = |cause: String| Error::Unavailable { cause };
        let queued = pool
            .waiting
            .try_acquire_owned()
            .map_err(|_| unavailable("the queue for hashes is full".to_owned()))?;
        let running = pool
            .running
            .acquire_owned()
            .await
            .map_err(|_| unavailable("the hash pool is closed".to_owned()))?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&*hasher);
            drop((running, queued));
            result
        })
        .await;
        match done {
            Ok(result) => result.map_err(|e| unavailable(e.to_string())),
            // The text of a panic may quote what was hashed.
            Err(_) => Err(unavailable("a hash panicked or was given up".to_owned())),
        }
    }

    /// A new digest of `secret` under the hasher named `hasher`.
    pub(crate) async fn create(
        &self,
        random: &dyn Random,
        hasher: &str,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<PhcDigest> {
        let turn = self.keeping.turn();
        let held = self.named(hasher)?;
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let (made, digest) = self
            .run(held, move |hasher| {
                let params = hasher.new_params(&salt)?;
                let digest = Zeroizing::new(hasher.derive(&secret, &params)?);
                if digest.len() < MIN_DIGEST {
                    return Err(HashError::Failed(format!("a digest of {} bytes", digest.len())));
                }
                Ok((Made::of(&params), PhcDigest::of(&params, &digest)))
            })
            .await?;
        self.keeping.made(turn, made);
        Ok(digest)
    }

    /// Compares `secret` with a stored digest, under whichever hasher takes its parameters, the default first: two hashers of
    /// one scheme may have different keys. `default` decides whether the digest is stale.
    pub(crate) async fn verify(
        &self,
        default: &str,
        stored: &PhcDigest,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<Verdict> {
        let bad = |what: &str| Error::Unavailable { cause: format!("a stored digest {what}") };
        let parts = stored.parts().ok_or_else(|| bad("is not in PHC form"))?;
        let (params, expected) = (parts.params, Arc::<[u8]>::from(parts.hash));
        let made = Made::of(params);
        let (usual, params) = (self.named(default)?, Arc::<str>::from(params));
        if knows_scheme(&*usual.hasher, &made.scheme)
            && let Some(verdict) =
                self.compare(usual.clone(), &usual, &made, &params, &expected, &secret).await?
        {
            return Ok(verdict);
        }
        for held in self.others_knowing(&made.scheme, default) {
            if let Some(verdict) = self.compare(held, &usual, &made, &params, &expected, &secret).await? {
                return Ok(verdict);
            }
        }
        if !made.is_among(&self.abandoned.load()) {
            return Err(bad("has parameters that no hasher takes"));
        }
        // As much work as for a digest that can be checked.
        self.run(usual, move |hasher| {
            let params = hasher.new_params(&[0; 16])?;
            drop(Zeroizing::new(hasher.derive(&secret, &params)?));
            Ok(Verdict::Wrong)
        })
        .await
    }

    /// `None` when the hasher does not take the parameters.
    async fn compare(
        &self,
        held: Held,
        usual: &Held,
        made: &Made,
        params: &Arc<str>,
        expected: &Arc<[u8]>,
        secret: &Zeroizing<Vec<u8>>,
    ) -> Result<Option<Verdict>> {
        let usual = Arc::clone(&usual.hasher);
        let (scheme, params) = (made.scheme.clone(), Arc::clone(params));
        let (expected, secret) = (Arc::clone(expected), secret.clone());
        self.run(held, move |hasher| {
            let digest = match hasher.derive(&secret, &params) {
                Ok(digest) => Zeroizing::new(digest),
                Err(HashError::Params(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            let same = digest.len() >= MIN_DIGEST
                && digest.len() == expected.len()
                && bool::from(digest.as_slice().ct_eq(&expected));
            if !same {
                return Ok(Some(Verdict::Wrong));
            }
            let stale = !knows_scheme(&*usual, &scheme)
                || match usual.needs_rehash(&params) {
                    Ok(stale) => stale,
                    Err(error) => matches!(error, HashError::Params(_)),
                };
            Ok(Some(if stale { Verdict::RightButStale } else { Verdict::Right }))
        })
        .await
    }
}

fn knows_scheme(hasher: &dyn Hasher, scheme: &str) -> bool {
    hasher.schemes().iter().any(|s| s == scheme)
}

#[cfg(test)]
mod tests;
