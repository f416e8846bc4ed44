//! The sealer: writes checkpoints of the audit trail (see [`crate::seal`]), at most one commit per second and store.
//!
//! It reads each store's events like a sink and hands checkpoints to the store as events like any other, so every sink,
//! listing and export has them in order. A request never waits for it. What it knows moves on by reading only, so it
//! needs no lock: the id of a checkpoint follows from its number, and a store keeps an id once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use patd_core::changes::Changes;
use patd_core::event::{Detail, Event, EventType};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cloud_event::event_json;
use crate::error::{Error, Result};
use crate::ports::{Store, Waiting};
use crate::retention::Beginnings;
use crate::seal::canonical::hash;
use crate::seal::chain::{Chains, Notes, Read};
use crate::seal::checkpoint::{self, Chain, Checkpoint, Leaf};
use crate::seal::keys::{Keys, KeysError, SigningKey};
use crate::service::Service;

/// From the first event that waits to its checkpoint, so that both lie within a second.
const SEAL_AFTER: Duration = Duration::from_millis(750);
/// How long the sealer waits for the bell before it looks anyway, and after a failure.
const IDLE: Duration = Duration::from_secs(5);
/// Events read at once.
const PAGE: u32 = 1000;
/// Checkpoints in one commit: some hundred KiB.
const MAX_CHECKPOINTS: usize = 16;

/// Keeps, apart from the stores, how far their chains are. Called on threads that may block.
pub trait SealNotes: Send + Sync {
    /// What was kept for a store.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, store: &str) -> std::io::Result<Option<String>>;
    /// Keeps it in place of what was kept before, durably.
    ///
    /// # Errors
    /// When it cannot be written; what was kept before is still there.
    fn keep(&self, store: &str, text: &str) -> std::io::Result<()>;
}

/// What signs, and what the signatures are checked by.
pub struct Signer {
    /// The newest key.
    key: SigningKey,
    /// All public keys.
    keys: Keys,
}

impl Signer {
    /// A signer.
    ///
    /// # Errors
    /// [`KeysError::NotOurs`] when the key is not the newest of the list.
    pub fn new(key: SigningKey, keys: Keys) -> std::result::Result<Self, KeysError> {
        keys.must_end_with(&key)?;
        Ok(Self { key, keys })
    }

    /// The key that signs.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The public keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// The sealers that run, by store.
#[derive(Default)]
pub(crate) struct Sealers {
    of: OnceLock<(ArcSwap<Signer>, Arc<dyn SealNotes>)>,
    running: Mutex<HashMap<String, (CancellationToken, JoinHandle<()>)>>,
    pub(crate) beginnings: Beginnings,
}

impl Service {
    /// Starts to seal. Until then, and without it, events wait to be sealed.
    pub fn start_sealing(self: &Arc<Self>, signer: Signer, notes: Arc<dyn SealNotes>) {
        if self.sealers.of.set((ArcSwap::from_pointee(signer), notes)).is_ok() {
            drop(self.sync_sealers());
        }
    }

    /// The next checkpoints are signed by another key, to which the one before has handed over. False when nothing is sealed
    /// here.
    pub fn seal_with(&self, signer: Signer) -> bool {
        let sealing = self.sealers.of.get();
        sealing.map(|(in_force, _)| in_force.store(Arc::new(signer))).is_some()
    }

    /// What seals now; `None` when nothing is sealed here.
    #[must_use]
    pub fn signer(&self) -> Option<Arc<Signer>> {
        self.sealers.of.get().map(|(signer, _)| signer.load_full())
    }

    /// Starts a sealer for each store that has none, and ends those of stores that are gone. Answers those that end: each
    /// seals once more.
    pub(crate) fn sync_sealers(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        if self.sealers.of.get().is_none() {
            return Vec::new();
        }
        let mut running = self.sealers.running.lock();
        let mut wanted = HashSet::new();
        for (at, store) in self.world.stores().into_iter().enumerate() {
            wanted.insert(store.name().to_owned());
            if running.contains_key(store.name()) {
                continue;
            }
            let (stop, name) = (CancellationToken::new(), store.name().to_owned());
            let (service, stopped) = (Arc::clone(self), stop.clone());
            // The directory comes first.
            let ended = self.tasks.spawn(async move { service.seal_store(&store, at == 0, &stopped).await });
            running.insert(name, (stop, ended));
        }
        let gone = running.extract_if(|name, _| !wanted.contains(name));
        gone.map(|(_, (stop, ended))| {
            stop.cancel();
            ended
        })
        .collect()
    }

    /// Seals what there is and ends: before the pumps make their last pass.
    pub(crate) async fn stop_sealing(&self) {
        let ending: Vec<_> = self.sealers.running.lock().drain().map(|(_, sealer)| sealer).collect();
        ending.iter().for_each(|(stop, _)| stop.cancel());
        for (_, ended) in ending {
            // One that panicked has ended as well.
            let _ended = ended.await;
        }
    }

    async fn seal_store(self: &Arc<Self>, store: &Arc<dyn Store>, directory: bool, stop: &CancellationToken) {
        let mut sealer = None;
        loop {
            let rung = self.world.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let last = stop.is_cancelled();
            let sealed = match &mut sealer {
                Some(sealer) => self.seal_once(sealer, store).await,
                None => match self.start_store(store, directory).await {
                    Ok(started) => self.seal_once(sealer.insert(started), store).await,
                    Err(e) => Err(e),
                },
            };
            let mut failed = false;
            if let Err(e) = sealed {
                failed = true;
                metrics::counter!("patd_seal_failures_total", "store" => store.name().to_owned())
                    .increment(1);
                tracing::warn!(store = store.name(), error = ?e, "events wait for their checkpoint");
                // What the store has decides.
                sealer = None;
            }
            if last {
                return;
            }
            let until = Instant::now() + IDLE;
            tokio::select! {
                () = stop.cancelled() => continue,
                () = tokio::time::sleep_until(until) => continue,
                () = rung, if !failed => {}
            }
            // Whatever else comes in the meantime is sealed with it.
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(SEAL_AFTER) => {}
            }
        }
    }

    async fn start_store(&self, store: &Arc<dyn Store>, directory: bool) -> Result<Sealer> {
        let text = self.notes(store, |notes, name| notes.read(name)).await?;
        let notes: Notes = match text.as_deref().map(serde_json::from_str).transpose() {
            Ok(notes) => notes.unwrap_or_default(),
            Err(error) => {
                tracing::error!(store = store.name(), %error, "the notes on the audit trail cannot be read; all of it is \
                    read instead, and a cut at its end would not be seen");
                Notes::default()
            }
        };
        // Notes are good as long as the store still has the event at which they were taken.
        let mut chains = None;
        if let Some((position, id)) = notes.read() {
            let there = store.events_after(position.saturating_sub(1), 1).await?;
            let same = there.first().is_some_and(|w| w.position == position && w.event.id.0 == id);
            chains = Chains::resume(&notes).filter(|_| same);
        }
        let mut sealer = Sealer { chains: chains.unwrap_or_default(), directory, noted: notes.clone() };
        self.read_store(&mut sealer, store).await?;
        for chain in sealer.chains.keep_gaps(&notes.heads()) {
            tracing::error!(store = store.name(), %chain, "the audit trail ends before its newest checkpoint: events were \
                cut off, or the store was put back; `patd audit verify` names the place");
        }
        Ok(sealer)
    }

    /// Reads what is new, seals what waits, and notes how far it is.
    async fn seal_once(self: &Arc<Self>, sealer: &mut Sealer, store: &Arc<dyn Store>) -> Result<()> {
        self.read_store(sealer, store).await?;
        for (chain, begins) in self.sealers.beginnings.take_wanted(store.name()) {
            sealer.chains.let_go(chain, begins);
        }
        while sealer.chains.is_waiting() {
            let before = sealer.chains.heads();
            let events = self.checkpoints(sealer);
            let Some(first) = events.first() else { break };
            let changes = Changes { id: first.id.0, expect: Vec::new(), write: Vec::new(), events };
            if let Err(conflict) = self.world.commit(store, changes, ()).await? {
                tracing::warn!(store = store.name(), ?conflict, "a checkpoint was there already");
            }
            self.read_store(sealer, store).await?;
            if sealer.chains.heads() == before {
                let cause = "a checkpoint that was committed does not come back".to_owned();
                return Err(Error::Unavailable { cause });
            }
        }
        let notes = sealer.chains.notes();
        if notes.heads() != sealer.noted.heads() {
            let text = serde_json::to_string(&notes).unwrap_or_default();
            self.notes(store, move |kept, name| kept.keep(name, &text)).await?;
            sealer.noted = notes;
        }
        // Known to be durable, with its note: what was let go may be removed.
        self.sealers.beginnings.signed(store.name(), sealer.chains.beginnings());
        Ok(())
    }

    async fn read_store(&self, sealer: &mut Sealer, store: &Arc<dyn Store>) -> Result<()> {
        let Some(signer) = self.signer() else { return Ok(()) };
        loop {
            let page = store.events_after(sealer.chains.position(), PAGE).await?;
            let more = page.len() >= PAGE as usize;
            for event in &page {
                for id in sealer.take(event, &signer.keys) {
                    tracing::error!(store = store.name(), %id, "an event was put into the trail behind the sealer's back");
                }
            }
            if !more {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    /// What is to be written now, signed.
    fn checkpoints(&self, sealer: &Sealer) -> Vec<Event> {
        let Some(signer) = self.signer() else { return Vec::new() };
        let mut newest: HashMap<Chain, _> = HashMap::new();
        let drafts = sealer.chains.next(MAX_CHECKPOINTS).into_iter().take(MAX_CHECKPOINTS);
        drafts
            .map(|draft| {
                let (chain, seq) = (draft.chain, draft.seq);
                let previous = newest.get(&chain).copied().or_else(|| sealer.chains.newest(chain));
                let id = checkpoint::id(signer.keys.anchor(), chain, seq);
                let mut event = Event::new(id, self.now(), EventType::AuditCheckpoint, chain.site);
                let text = checkpoint::sign(&draft.after(previous), &event_json(&event), &signer.key);
                newest.insert(chain, checkpoint::hash_of(&text));
                event.detail = Some(Box::new(Detail { seal: Some(text), ..Detail::default() }));
                event
            })
            .collect()
    }

    async fn notes<T: Send + 'static>(
        &self,
        store: &Arc<dyn Store>,
        work: impl FnOnce(&dyn SealNotes, &str) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let unavailable = |cause: String| Error::Unavailable { cause };
        let Some((_, notes)) = self.sealers.of.get() else {
            return Err(unavailable("nothing is sealed here".to_owned()));
        };
        let (notes, name) = (Arc::clone(notes), store.name().to_owned());
        tokio::task::spawn_blocking(move || work(&*notes, &name))
            .await
            .map_err(|e| unavailable(e.to_string()))?
            .map_err(|e| unavailable(format!("the notes on the audit trail: {e}")))
    }
}

/// What the sealer of one store knows.
struct Sealer {
    chains: Chains,
    directory: bool,
    noted: Notes,
}

impl Sealer {
    fn take(&mut self, waiting: &Waiting, keys: &Keys) -> Vec<uuid::Uuid> {
        let event = event_json(&waiting.event);
        let checkpoint = Checkpoint::text(&event).and_then(Checkpoint::parse);
        self.chains.read(&Read {
            position: waiting.position,
            chain: Chain { directory: self.directory, site: waiting.event.site },
            leaf: Leaf { id: waiting.event.id.0, hash: hash(&event) },
            checkpoint: checkpoint.as_ref().filter(|checkpoint| checkpoint.signed_by(keys).is_some()),
        })
    }
}
