//! The bounded pool for hashes: slow ones run off the async threads, at most as many at once as there are cores.
//!
//! Compares digests in constant time; a hasher never sees a stored digest and never gives a verdict (R9).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as B64;
use patd_core::secret::PhcDigest;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ports::{HashError, Hasher, Random};

/// Shortest digest that counts as one.
const MIN_DIGEST: usize = 16;

/// The configured hashers, by name and by scheme.
pub struct Hashers {
    by_name: HashMap<String, Arc<dyn Hasher>>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
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
    /// `at_once` hashes run, `queue` more may wait; beyond that callers get `Unavailable`.
    #[must_use]
    pub fn new(hashers: Vec<Arc<dyn Hasher>>, at_once: usize, queue: usize) -> Self {
        Self {
            by_name: hashers.into_iter().map(|h| (h.name().to_owned(), h)).collect(),
            running: Arc::new(Semaphore::new(at_once.max(1))),
            waiting: Arc::new(Semaphore::new(at_once.max(1) + queue)),
        }
    }

    fn named(&self, name: &str) -> Result<Arc<dyn Hasher>> {
        self.by_name
            .get(name)
            .cloned()
            .ok_or_else(|| Error::Unavailable { cause: format!("no hasher is named `{name}`") })
    }

    /// Runs one hash on the pool. Dropping the caller does not stop it: its permit goes with it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> std::result::Result<T, HashError> + Send + 'static,
    ) -> Result<T> {
        let unavailable = |cause: String| Error::Unavailable { cause };
        let queued = Arc::clone(&self.waiting)
            .try_acquire_owned()
            .map_err(|_| unavailable("the queue for hashes is full".to_owned()))?;
        let running = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| unavailable("the hash pool is closed".to_owned()))?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((running, queued));
            result
        })
        .await;
        match done {
            Ok(result) => result.map_err(|e| unavailable(e.to_string())),
            Err(e) => Err(unavailable(format!("a hash did not finish: {e}"))),
        }
    }

    /// A new digest of `secret` under the hasher named `hasher`.
    pub(crate) async fn create(
        &self,
        random: &dyn Random,
        hasher: &str,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<PhcDigest> {
        let hasher = self.named(hasher)?;
        let mut salt = [0; 16];
        random.fill(&mut salt);
        self.run(move || {
            let params = hasher.new_params(&salt)?;
            let digest = Zeroizing::new(hasher.derive(&secret, &params)?);
            if digest.len() < MIN_DIGEST {
                return Err(HashError::Failed(format!("a digest of {} bytes", digest.len())));
            }
            Ok(PhcDigest(format!("{params}${}", B64.encode(&*digest))))
        })
        .await
    }

    /// Compares `secret` with a stored digest, under whichever hasher knows its scheme; `default` decides
    /// whether the digest is stale.
    pub(crate) async fn verify(
        &self,
        default: &str,
        stored: &PhcDigest,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<Verdict> {
        let default = self.named(default)?;
        let bad = |what: &str| Error::Unavailable { cause: format!("a stored digest {what}") };
        let (params, expected) = stored.0.rsplit_once('$').ok_or_else(|| bad("is not in PHC form"))?;
        let expected = B64.decode(expected).map_err(|_| bad("is not base64"))?;
        let scheme = params.split('$').nth(1).unwrap_or_default().to_owned();
        let knows = |h: &Arc<dyn Hasher>| h.schemes().contains(&scheme);
        let hasher = if knows(&default) {
            Arc::clone(&default)
        } else {
            self.by_name
                .values()
                .find(|h| knows(h))
                .cloned()
                .ok_or_else(|| bad("has a scheme that no hasher knows"))?
        };
        let params = params.to_owned();
        self.run(move || {
            let digest = Zeroizing::new(hasher.derive(&secret, &params)?);
            let same = digest.len() >= MIN_DIGEST
                && digest.len() == expected.len()
                && bool::from(digest.as_slice().ct_eq(&expected));
            if !same {
                return Ok(Verdict::Wrong);
            }
            let stale = hasher.name() != default.name() && !knows_scheme(&*default, &scheme)
                || default.needs_rehash(&params).unwrap_or(false);
            Ok(if stale { Verdict::RightButStale } else { Verdict::Right })
        })
        .await
    }
}

fn knows_scheme(hasher: &dyn Hasher, scheme: &str) -> bool {
    hasher.schemes().iter().any(|s| s == scheme)
}
