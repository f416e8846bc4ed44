//! Digests on their way into a store, and a reload that takes hashers away meanwhile. What is stored is counted before hashers
//! go; a digest that was made before that and is committed after it would be in no count, and nothing could check it.
//!
//! So a change that brings a digest is *kept* in mind until its outcome is known. While hashers are judged, what they could not
//! check is refused, and the count waits until no such change is under way any more. Must never hold up a change whose digest
//! the new hashers can check.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patd_core::changes::{Changes, Row, Write};
use patd_core::secret::PhcDigest;
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::hash_pool::{Checks, Hashers};
use crate::schemes::Made;
use crate::start::StartError;

/// How long a reload waits for such a change.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is kept in mind.
#[derive(Default)]
pub(crate) struct Keeping {
    state: Mutex<State>,
    /// Rung when a change is not under way any more.
    bell: Notify,
}

#[derive(Default)]
struct State {
    /// Counts how often the hashers in question became others.
    turn: u64,
    /// Those that are judged.
    next: Option<Arc<Hashers>>,
    /// What those in use can check, as far as it was seen in this turn.
    good: HashSet<Made>,
    /// Parameters of one of them, and how many changes.
    under_way: HashMap<Made, (String, usize)>,
}

/// A change that brings digests, until dropped.
#[must_use]
pub(crate) struct Kept {
    keeping: Arc<Keeping>,
    made: Vec<Made>,
}

/// Hashers that are judged, until dropped: by then they are in use, or are not to be.
#[must_use]
pub(crate) struct Judging {
    keeping: Arc<Keeping>,
    next: Arc<Hashers>,
}

impl Keeping {
    /// The turn, for [`Self::made`].
    pub(crate) fn turn(&self) -> u64 {
        self.state.lock().turn
    }

    /// A digest was made by a hasher of this turn.
    pub(crate) fn made(&self, turn: u64, made: Made) {
        let mut state = self.state.lock();
        if state.turn == turn && state.next.is_none() {
            state.good.insert(made);
        }
    }

    fn change_turn(&self, next: Option<Arc<Hashers>>) {
        let mut state = self.state.lock();
        state.turn += 1;
        state.next = next;
        state.good.clear();
    }

    /// Notes a change, if its digests were seen to be good, `seen` in this turn or before; or else the turn in which to look,
    /// and at which hashers.
    fn enter(
        self: &Arc<Self>,
        new: &BTreeMap<Made, String>,
        seen: Option<u64>,
    ) -> std::result::Result<Kept, (u64, Option<Arc<Hashers>>)> {
        let mut state = self.state.lock();
        let good = state.next.is_none() && new.keys().all(|made| state.good.contains(made));
        if !good && seen != Some(state.turn) {
            return Err((state.turn, state.next.clone()));
        }
        if state.next.is_none() {
            state.good.extend(new.keys().cloned());
        }
        for (made, sample) in new {
            state.under_way.entry(made.clone()).or_insert_with(|| (sample.clone(), 0)).1 += 1;
        }
        Ok(Kept { keeping: Arc::clone(self), made: new.keys().cloned().collect() })
    }

    fn under_way(&self) -> Vec<(Made, String)> {
        let state = self.state.lock();
        state.under_way.iter().map(|(made, (sample, _))| (made.clone(), sample.clone())).collect()
    }
}

impl Hashers {
    /// Keeps a change in mind until its outcome is known; none where it brings no digest.
    ///
    /// # Errors
    /// `Unavailable` when the hasher of a digest has gone since, or is about to go.
    pub(crate) async fn keep(&self, changes: &Changes) -> Result<Option<Kept>> {
        let new = digests(changes);
        if new.is_empty() {
            return Ok(None);
        }
        let mut seen = None;
        loop {
            let (turn, next) = match self.keeping.enter(&new, seen) {
                Ok(kept) => return Ok(Some(kept)),
                Err(look) => look,
            };
            let hashers = next.as_deref().unwrap_or(self);
            for (made, sample) in &new {
                if matches!(hashers.checks(made, sample).await, Checks::No) {
                    let cause = format!("the hashers are being replaced, and no new one can check {made}");
                    return Err(Error::Unavailable { cause });
                }
            }
            seen = Some(turn);
        }
    }

    /// From now on no change begins that brings a digest which `next` cannot check.
    pub(crate) fn judging(&self, next: Arc<Hashers>) -> Judging {
        self.keeping.change_turn(Some(Arc::clone(&next)));
        Judging { keeping: Arc::clone(&self.keeping), next }
    }
}

impl Judging {
    /// Waits until no such change is under way any more either: then a count misses none.
    ///
    /// # Errors
    /// One does not end.
    pub(crate) async fn settled(&self) -> std::result::Result<(), StartError> {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut heard = std::pin::pin!(self.keeping.bell.notified());
            heard.as_mut().enable();
            let Some(made) = self.in_the_way().await else { return Ok(()) };
            if tokio::time::timeout_at(end, heard).await.is_err() {
                return Err(StartError::Failed(format!(
                    "no entry of [hashers] can check {made}, and a change that stores such a digest does not end; see to the \
                     store that does not answer, then try again"
                )));
            }
        }
    }

    async fn in_the_way(&self) -> Option<Made> {
        for (made, sample) in self.keeping.under_way() {
            if matches!(self.next.checks(&made, &sample).await, Checks::No) {
                return Some(made);
            }
        }
        None
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        self.keeping.change_turn(None);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut state = self.keeping.state.lock();
        for made in &self.made {
            if let Some((_, changes)) = state.under_way.get_mut(made) {
                *changes -= 1;
                if *changes == 0 {
                    state.under_way.remove(made);
                }
            }
        }
        drop(state);
        self.keeping.bell.notify_waiters();
    }
}

/// What the digests of a change that were in no store before were made with, each with its parameters.
fn digests(changes: &Changes) -> BTreeMap<Made, String> {
    let new = |write: &Write| -> Option<PhcDigest> {
        match write {
            // An update of a token leaves its digest as it is.
            Write::Insert(Row::Token(token)) => Some(token.digest.clone()),
            Write::Insert(Row::Password(password)) | Write::Update(Row::Password(password)) => {
                Some(password.digest.clone())
            }
            Write::RehashToken(_, _, new) | Write::RehashPassword(_, _, new) => Some(new.clone()),
            _ => None,
        }
    };
    let new = changes.write.iter().filter_map(new);
    new.filter_map(|digest| digest.parts().map(|parts| (Made::of(parts.params), parts.params.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use patd_core::id::TokenId;
    use uuid::Uuid;
    use zeroize::Zeroizing;

    use super::*;
    use crate::ports::{CurrentHasher, HashError, Hasher, HasherPlace, Random};

    /// Takes parameters of its own scheme alone.
    struct Named(Vec<String>);

    impl Hasher for Named {
        fn name(&self) -> &str {
            &self.0[0]
        }

        fn schemes(&self) -> &[String] {
            &self.0
        }

        fn new_params(&self, _: &[u8]) -> std::result::Result<String, HashError> {
            Ok(format!("${}$salt", self.0[0]))
        }

        fn derive(&self, _: &[u8], _: &str) -> std::result::Result<Vec<u8>, HashError> {
            Ok(vec![7; 32])
        }

        fn needs_rehash(&self, _: &str) -> std::result::Result<bool, HashError> {
            Ok(false)
        }
    }

    impl HasherPlace for Named {
        fn name(&self) -> &str {
            &self.0[0]
        }

        fn current(&self) -> std::result::Result<CurrentHasher, HashError> {
            Ok(CurrentHasher { generation: 1, hasher: Arc::new(Self(self.0.clone())) })
        }

        fn unready(&self) -> Option<String> {
            None
        }
    }

    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0);
        }
    }

    fn places(names: &[&str]) -> Vec<Arc<dyn HasherPlace>> {
        let place = |name: &&str| -> Arc<dyn HasherPlace> { Arc::new(Named(vec![(*name).to_owned()])) };
        names.iter().map(place).collect()
    }

    fn of(names: &[&str]) -> Hashers {
        Hashers::of(places(names), 1, 0)
    }

    async fn made(hashers: &Hashers, name: &str) -> Changes {
        let digest = hashers.create(&Zeros, name, Zeroizing::default()).await.expect("a digest");
        let write = vec![Write::RehashToken(TokenId(Uuid::nil()), digest.clone(), digest)];
        Changes { id: Uuid::nil(), expect: Vec::new(), write, events: Vec::new() }
    }

    #[tokio::test]
    async fn a_digest_whose_hasher_went_before_it_was_committed_is_refused() {
        let hashers = of(&["old"]);
        let change = made(&hashers, "old").await;
        drop(hashers.keep(&change).await.expect("kept"));
        let judging = hashers.judging(Arc::new(of(&["new"])));
        judging.settled().await.expect("nothing is under way");
        hashers.set(places(&["new"]));
        drop(judging);
        assert!(matches!(hashers.keep(&change).await, Err(Error::Unavailable { .. })));
        let change = made(&hashers, "new").await;
        assert!(hashers.keep(&change).await.expect("kept").is_some());
    }

    #[tokio::test]
    async fn while_hashers_are_judged_only_what_they_cannot_check_is_refused() {
        let hashers = of(&["old", "stays"]);
        let (old, stays) = (made(&hashers, "old").await, made(&hashers, "stays").await);
        let judging = hashers.judging(Arc::new(of(&["stays"])));
        let kept = hashers.keep(&stays).await.expect("kept");
        judging.settled().await.expect("what is under way can be checked");
        assert!(matches!(hashers.keep(&old).await, Err(Error::Unavailable { .. })));
        // Made meanwhile, it is not taken for good either.
        let old = made(&hashers, "old").await;
        assert!(matches!(hashers.keep(&old).await, Err(Error::Unavailable { .. })));
        drop((judging, kept));
        drop(hashers.keep(&old).await.expect("the old ones stay"));
        assert!(hashers.keeping.under_way().is_empty());
    }
}
