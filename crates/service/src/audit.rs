//! What `patd audit verify` asks: every event of the stores, and how far each sink has come. Reads only; it moves no
//! cursor and delivers nothing.

use std::collections::HashSet;
use std::sync::Arc;

use patd_core::id::SiteLuid;

use crate::error::{Error, Result};
use crate::ports::{AuditSink, Store, Waiting};
use crate::service::Service;

/// Which events a sink should have.
#[derive(Clone, Debug)]
pub struct SinkProgress {
    /// The sink's name in the config.
    pub sink: String,
    /// The sites whose events it gets, besides those of no site.
    pub sites: Vec<SiteLuid>,
    /// Its stores: the name, and the position of the first event that still waits, where one does.
    pub stores: Vec<(String, Option<u64>)>,
}

/// A sink with what the pump brings to it.
pub(crate) struct Feed {
    pub(crate) sink: Arc<dyn AuditSink>,
    pub(crate) sites: HashSet<SiteLuid>,
    /// The directory and the stores of the sites, each once.
    pub(crate) stores: Vec<Arc<dyn Store>>,
}

impl Service {
    pub(crate) fn feeds(&self) -> Vec<Feed> {
        let served = self.world.sites.load_full();
        let feed = |sink: &Arc<dyn AuditSink>| {
            let sites: HashSet<SiteLuid> = served
                .iter()
                .filter(|s| s.sinks.iter().any(|name| name == sink.name()))
                .map(|s| s.row.load().luid)
                .collect();
            // Several sites may share one store; its events come once.
            let mut seen = HashSet::new();
            let stores = std::iter::once(&self.world.directory)
                .chain(served.iter().filter(|s| sites.contains(&s.row.load().luid)).map(|s| &s.store))
                .filter(|store| seen.insert(store.name().to_owned()))
                .map(Arc::clone)
                .collect();
            Feed { sink: Arc::clone(sink), sites, stores }
        };
        self.sinks.load().iter().map(feed).collect()
    }

    /// How far each sink has come in each of its stores.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn operator_sinks(&self) -> Result<Vec<SinkProgress>> {
        let mut all = Vec::new();
        for feed in self.feeds() {
            let mut stores = Vec::new();
            for store in &feed.stores {
                let first = store.outbox_take(feed.sink.name(), 1).await?;
                stores.push((store.name().to_owned(), first.first().map(|waiting| waiting.position)));
            }
            let sites = feed.sites.into_iter().collect();
            all.push(SinkProgress { sink: feed.sink.name().to_owned(), sites, stores });
        }
        Ok(all)
    }

    /// Events of a store after a position, in order, at most `limit`; none when there are no more.
    ///
    /// # Errors
    /// `NotFound` (store), `Unavailable`.
    pub async fn operator_events(&self, store: &str, after: u64, limit: u32) -> Result<Vec<Waiting>> {
        let stores = self.world.stores();
        let store = stores.iter().find(|s| s.name() == store).ok_or(Error::NotFound("store"))?;
        Ok(store.events_after(after, limit).await?)
    }
}
