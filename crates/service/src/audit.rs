//! What `patd audit verify` asks: every event of the stores, and how far each sink has come. Reads only; it moves no
//! cursor and delivers nothing.

use std::collections::HashMap;
use std::sync::Arc;

use patd_core::event::EventType;
use patd_core::id::SiteLuid;

use crate::error::{Error, Result};
use crate::ports::{AuditSink, Outlet, Scope, Store, Waiting};
use crate::service::Service;

/// Which events a sink should have.
#[derive(Clone, Debug)]
pub struct SinkProgress {
    /// The sink's name in the config.
    pub sink: String,
    /// The sites whose events it gets.
    pub sites: Vec<SiteLuid>,
    /// The types of those events.
    pub types: Vec<&'static str>,
    /// The types of the events of no site that it gets.
    pub types_of_no_site: Vec<&'static str>,
    /// How far it has come.
    pub lanes: Vec<LaneProgress>,
}

/// How far a sink has come in a store with the events of a site, or with those of none.
#[derive(Clone, Debug)]
pub struct LaneProgress {
    /// The store's name.
    pub store: String,
    /// Which events.
    pub scope: Scope,
    /// Position of the first event that still waits, where one does.
    pub waiting_from: Option<u64>,
}

/// A sink with what the pump brings to it.
pub(crate) struct Feed {
    pub(crate) sink: Arc<dyn AuditSink>,
    /// With their content URLs.
    pub(crate) sites: HashMap<SiteLuid, String>,
    /// The directory and the stores of the sites, each once, and which of its events.
    pub(crate) stores: Vec<(Arc<dyn Store>, Vec<Scope>)>,
}

impl Service {
    pub(crate) fn feeds(&self) -> Vec<Feed> {
        let served = self.world.sites.load_full();
        let feed = |sink: &Arc<dyn AuditSink>| {
            let terms = sink.terms();
            let mut sites = HashMap::new();
            let mut stores: Vec<(Arc<dyn Store>, Vec<Scope>)> =
                vec![(Arc::clone(&self.world.directory), vec![Scope::Directory])];
            for site in served.iter().filter(|site| site.sinks.iter().any(|name| name == sink.name())) {
                let row = site.row.load();
                if !terms.takes_site(&row.key) {
                    continue;
                }
                sites.insert(row.luid, row.content_url.as_str().to_owned());
                // Events of a site lie in the directory, too. Several sites may share one store.
                stores[0].1.push(Scope::Site(row.luid));
                if site.store.name() == self.world.directory.name() {
                    continue;
                }
                match stores.iter_mut().find(|(store, _)| store.name() == site.store.name()) {
                    Some((_, scopes)) => scopes.push(Scope::Site(row.luid)),
                    None => {
                        stores.push((Arc::clone(&site.store), vec![Scope::Directory, Scope::Site(row.luid)]))
                    }
                }
            }
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
            let sink = feed.sink.name().to_owned();
            let mut lanes = Vec::new();
            for (store, scopes) in &feed.stores {
                for scope in scopes {
                    let outlet = Outlet { sink: sink.clone(), scope: Some(*scope) };
                    let first = store.outbox_take(&outlet, None, 1).await?;
                    lanes.push(LaneProgress {
                        store: store.name().to_owned(),
                        scope: *scope,
                        waiting_from: first.first().map(|waiting| waiting.position),
                    });
                }
            }
            let terms = feed.sink.terms();
            let types = |wanted: &dyn Fn(EventType) -> bool| {
                EventType::ALL.into_iter().filter(|kind| wanted(*kind)).map(EventType::as_str).collect()
            };
            let of_no_site = types(&|kind| terms.take_of_no_site(kind));
            let types = types(&|kind| terms.take(kind));
            let sites = feed.sites.into_keys().collect();
            all.push(SinkProgress { sink, sites, types, types_of_no_site: of_no_site, lanes });
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
