//! What `patd audit dead-letters` does: lists the events that a sink would never take, delivers them again, or gives them up.
//!
//! A replay delivers apart from what waits: in order of position, in the lane's turn, before or after newer events as it
//! comes. It never moves a cursor, and a letter is forgotten only after the sink has taken it.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ports::{AuditSink, DeadLetter, Outlet, Scope, SinkError, Store};
use crate::service::Service;

/// Letters read, delivered or forgotten at once.
const PAGE: u32 = 256;

/// A dead letter and where it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The store's name.
    pub store: String,
    /// The letter.
    pub letter: DeadLetter,
}

/// What came of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters that the sink has taken now.
    pub delivered: u64,
    /// Letters that it rejected again; they stay.
    pub rejected: u64,
    /// Why the replay ended before the last letter, if it did.
    pub failed: Option<String>,
}

impl Service {
    /// A sink's dead letters, of one site or of all, by store and position.
    ///
    /// # Errors
    /// `NotFound` (sink, site), `Unavailable`.
    pub async fn operator_dead_letters(&self, sink: &str, site: Option<&str>) -> Result<Vec<Kept>> {
        let outlet = self.outlet(sink, site)?;
        let mut all = Vec::new();
        for store in self.world.stores() {
            let mut after = 0;
            loop {
                let page = store.dead_letters(&outlet, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.position;
                all.extend(page.into_iter().map(|letter| Kept { store: store.name().to_owned(), letter }));
            }
        }
        // A sink that is configured no more may still have letters.
        if all.is_empty() && self.sink(sink).is_none() {
            return Err(Error::NotFound("sink"));
        }
        Ok(all)
    }

    /// Forgets a sink's dead letters, of one site or of all; how many there were.
    ///
    /// # Errors
    /// `NotFound` (sink, site), `Unavailable`.
    pub async fn operator_drop_dead_letters(&self, sink: &str, site: Option<&str>) -> Result<u64> {
        let letters = self.operator_dead_letters(sink, site).await?;
        let mut dropped = 0;
        for store in self.world.stores() {
            let of_store = letters.iter().filter(|kept| kept.store == store.name());
            let positions: Vec<_> = of_store.map(|kept| kept.letter.position).collect();
            for some in positions.chunks(PAGE as usize) {
                dropped += store.dead_letters_forget(sink, some.to_vec()).await?;
            }
        }
        self.recount_sink(sink).await;
        tracing::warn!(sink, dropped, "the operator gave dead letters up");
        Ok(dropped)
    }

    /// Delivers a sink's dead letters again, of one site or of all.
    ///
    /// # Errors
    /// `NotFound` (sink, site), `Unavailable`. What the sink says is part of the answer.
    pub async fn operator_replay_dead_letters(&self, sink: &str, site: Option<&str>) -> Result<Replayed> {
        let letters = self.operator_dead_letters(sink, site).await?;
        let sink = self.sink(sink).ok_or(Error::NotFound("sink"))?;
        let mut done = Replayed::default();
        for store in self.world.stores() {
            let of_store: Vec<_> =
                letters.iter().filter(|kept| kept.store == store.name()).map(|kept| &kept.letter).collect();
            // One after the other within a site; runs of one site go together.
            for run in of_store.chunk_by(|a, b| a.event.site == b.event.site) {
                for some in run.chunks(PAGE as usize) {
                    self.replay(&*sink, &*store, some, &mut done).await?;
                    if done.failed.is_some() {
                        self.recount_sink(sink.name()).await;
                        return Ok(done);
                    }
                }
            }
        }
        self.recount_sink(sink.name()).await;
        Ok(done)
    }

    /// Delivers letters of one scope; in halves where the sink rejects them as a whole.
    async fn replay(
        &self,
        sink: &dyn AuditSink,
        store: &dyn Store,
        letters: &[&DeadLetter],
        done: &mut Replayed,
    ) -> Result<()> {
        let Some(first) = letters.first() else { return Ok(()) };
        let lanes = self.world.outbox.0.load();
        let lane = lanes.find(sink.name(), store.name(), Scope::of(&first.event)).map(Arc::clone);
        let mut parts = vec![letters];
        while let Some(part) = parts.pop() {
            let turn = match &lane {
                Some(lane) => Some(lane.turn.lock().await),
                None => None,
            };
            let delivered = self.bring(sink, part.iter().map(|letter| &letter.event)).await;
            drop(turn);
            match delivered {
                Ok(answer) => {
                    let rejected =
                        |letter: &DeadLetter| answer.rejected.contains(&letter.event.id.to_string());
                    let (taken, left) = part.split_at(answer.through.min(part.len()));
                    let gone: Vec<_> = taken
                        .iter()
                        .filter(|letter| !rejected(letter))
                        .map(|letter| letter.position)
                        .collect();
                    done.rejected += (taken.len() - gone.len()) as u64;
                    done.delivered += gone.len() as u64;
                    store.dead_letters_forget(sink.name(), gone).await?;
                    if !left.is_empty() {
                        parts.push(left);
                    }
                }
                Err(SinkError::Rejected(_)) if part.len() > 1 => {
                    let (before, after) = part.split_at(part.len() / 2);
                    parts.extend([after, before]);
                }
                Err(SinkError::Rejected(_)) => done.rejected += 1,
                Err(e @ SinkError::Unavailable(_)) => {
                    done.failed = Some(e.to_string());
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn sink(&self, name: &str) -> Option<Arc<dyn AuditSink>> {
        self.sinks.load().iter().find(|sink| sink.name() == name).cloned()
    }

    fn outlet(&self, sink: &str, site: Option<&str>) -> Result<Outlet> {
        let scope = site.map(|site| self.scope(site)).transpose()?;
        Ok(Outlet { sink: sink.to_owned(), scope })
    }

    /// A site by its key in the config, content URL or LUID; `directory` for what is of no site.
    fn scope(&self, site: &str) -> Result<Scope> {
        let sites = self.world.sites.load();
        let found = sites.find(site).or_else(|| sites.iter().find(|one| one.row.load().key == site));
        match found {
            Some(found) => Ok(Scope::Site(found.row.load().luid)),
            None if site == "directory" => Ok(Scope::Directory),
            None => Err(Error::NotFound("site")),
        }
    }

    async fn recount_sink(&self, sink: &str) {
        let lanes = self.world.outbox.0.load_full();
        for lane in lanes.iter().filter(|lane| lane.key.sink == sink) {
            self.recount(lane).await;
        }
    }
}
