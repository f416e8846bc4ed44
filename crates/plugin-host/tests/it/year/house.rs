//! A service on the real store in lives that follow each other, with a clock, timers and a sink that the test holds.
//!
//! Time that timers see stands still but for [`Life::sweep`], and a store that works is never overtaken by it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use patd_core::event::Event;
use patd_core::id::SiteLuid;
use patd_core::time::{Span, Timestamp};
use patd_plugin_host::adapt::{PluginStore, StoreRole};
use patd_plugin_host::{Image, Kind, ServiceHandle};
use patd_service::hash_pool::Hashers;
use patd_service::limits::Attempts;
use patd_service::ports::*;
use patd_service::service::{Service, SiteRef};
use patd_service::start::{Parts, SitePlan};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::watched::{Watch, Watched};
use crate::memory::{self, Counter, PlainHasher};
use crate::world::World;

/// For one request; by the test's timers, which stand still meanwhile.
const LONG: Duration = Duration::from_secs(30);
/// The sweeper's round, and the millisecond up to which timers are late.
const ROUND: Duration = Duration::from_millis(60_001);

/// The sites' keys in the config.
pub(crate) const SITES: [&str; 2] = ["acme", "globex"];

/// What outlives each service: files, the clock, and what the sink got.
pub(crate) struct House {
    folder: tempfile::TempDir,
    image: Arc<Image>,
    clock: Arc<Hand>,
    random: Arc<Counter>,
    heard: Arc<Mutex<HashSet<String>>>,
}

/// A clock that stands where it was put.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

impl House {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a scratch folder"),
            image: World::new().load("store-sql").expect("loads"),
            clock: Arc::new(Hand(AtomicI64::new(now.0))),
            random: Arc::default(),
            heard: Arc::default(),
        }
    }

    /// Moves the clock.
    pub(crate) fn at(&self, now: Timestamp) {
        self.clock.0.store(now.0, Ordering::Relaxed);
    }

    /// Ids of the events that the sink has got.
    pub(crate) fn heard(&self) -> HashSet<String> {
        self.heard.lock().expect("no poison").clone()
    }

    /// Starts a service on what is there.
    pub(crate) fn live(&self) -> Life {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("runs");
        // Paused timers jump as soon as nobody has anything to do, and what a plug-in does is not seen: but not as long as
        // something blocks.
        let (hold, held) = channel::<()>();
        runtime.spawn_blocking(move || held.recv());
        let watch = Arc::<Watch>::default();
        let opener = Opener {
            folder: self.folder.path().to_owned(),
            image: Arc::clone(&self.image),
            watch: Arc::clone(&watch),
            opened: Arc::default(),
        };
        let opened = Arc::clone(&opener.opened);
        let service = runtime.block_on(async {
            let service = Service::start(self.parts(opener)).await.expect("the service starts");
            // What it began has set its timers by then.
            watch.quiet(0).await;
            service
        });
        Life { runtime: Some(runtime), hold: Some(hold), service, watch, opened }
    }

    fn parts(&self, opener: Opener) -> Parts {
        let attempts = Attempts { free: 1_000_000, first_delay: Span::days(1), max_delay: Span::days(1) };
        Parts {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            random: Arc::clone(&self.random) as Arc<dyn Random>,
            hashers: Hashers::new(vec![Arc::new(PlainHasher::new())], 2, 100_000),
            sinks: vec![Arc::new(Ear(Arc::clone(&self.heard)))],
            ..memory::parts(Arc::new(opener), SITES.map(plan).to_vec(), attempts)
        }
    }
}

fn plan(key: &str) -> SitePlan {
    let mut plan = SitePlan { sinks: vec!["ear".to_owned()], ..memory::plan(key, "sites") };
    plan.policy.tokens_per_user = 104;
    plan
}

/// A service that runs.
pub(crate) struct Life {
    runtime: Option<Runtime>,
    hold: Option<Sender<()>>,
    pub(crate) service: Arc<Service>,
    watch: Arc<Watch>,
    opened: Arc<Mutex<Vec<Arc<PluginStore>>>>,
}

impl Life {
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it lives").block_on(work)
    }

    pub(crate) fn luid(&self, site: &str) -> SiteLuid {
        self.service.site(&SiteRef(site)).expect("is served")
    }

    /// Lets the sweeper do all that the clock asks for.
    pub(crate) fn sweep(&self) {
        self.run(async {
            loop {
                let swept = self.watch.swept.load(Ordering::Relaxed);
                self.watch.full.store(false, Ordering::Relaxed);
                tokio::time::advance(ROUND).await;
                // Its round ends with the sessions of the directory and of each site.
                self.watch.quiet(swept + 1 + SITES.len()).await;
                if !self.watch.full.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
    }

    /// Has the sweeper begin, and ends it all in the middle of the given call of a store, as `kill -9` would.
    pub(crate) fn crash(self, call: usize) {
        self.watch.fuse.store(call.max(1), Ordering::Relaxed);
        self.run(async {
            let swept = self.watch.swept.load(Ordering::Relaxed);
            tokio::time::advance(ROUND).await;
            tokio::select! {
                () = self.watch.blown.notified() => {}
                () = self.watch.quiet(swept + 1 + SITES.len()) => {}
            }
        });
        self.end();
    }

    /// Stops it as an operator would; every event of its stores, in order.
    pub(crate) fn stop(self) -> Vec<Event> {
        let mut events = Vec::new();
        self.run(async {
            for store in self.stores() {
                let mut after = 0;
                loop {
                    let page = store.events_after(after, 1000).await.expect("a page");
                    let Some(last) = page.last() else { break };
                    after = last.position;
                    events.extend(page.into_iter().map(|waiting| waiting.event));
                }
            }
            self.service.stop(LONG).await;
        });
        self.end();
        events
    }

    fn stores(&self) -> Vec<Arc<PluginStore>> {
        self.opened.lock().expect("no poison").clone()
    }

    /// Ends whatever runs and lets go of the files.
    fn end(mut self) {
        drop(self.hold.take());
        drop(self.runtime.take());
        let after = Builder::new_current_thread().enable_all().build().expect("runs");
        after.block_on(async {
            for store in self.stores() {
                // One that is stopped already says so.
                let _ = store.stop().await;
            }
        });
    }
}

struct Opener {
    folder: PathBuf,
    image: Arc<Image>,
    watch: Arc<Watch>,
    opened: Arc<Mutex<Vec<Arc<PluginStore>>>>,
}

async fn open(
    image: &Arc<Image>,
    folder: &Path,
    name: &str,
    role: StoreRole,
) -> Result<PluginStore, StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Failed(error.to_string());
    let config = json!({ "url": format!("sqlite://{}/{name}.db", folder.display()), "readers": 1 });
    let handle = ServiceHandle::create(image, Kind::Store, name, &config).map_err(|e| failed(&e))?;
    PluginStore::start(handle, role, LONG).await.map_err(|e| failed(&e))
}

impl StoreOpener for Opener {
    fn open(&self, store: &str, site: Option<SiteLuid>) -> Answer<Result<Arc<dyn Store>, StoreError>> {
        let (name, role) = match site {
            Some(luid) => (format!("{store}-{luid}"), StoreRole::Site),
            None => (store.to_owned(), StoreRole::Directory),
        };
        let (folder, image) = (self.folder.clone(), Arc::clone(&self.image));
        let (watch, opened) = (Arc::clone(&self.watch), Arc::clone(&self.opened));
        Box::pin(async move {
            let inner = Arc::new(open(&image, &folder, &name, role).await?);
            opened.lock().expect("no poison").push(Arc::clone(&inner));
            Ok(Arc::new(Watched { inner, watch }) as Arc<dyn Store>)
        })
    }
}

/// A sink that keeps the ids of what it got.
struct Ear(Arc<Mutex<HashSet<String>>>);

impl AuditSink for Ear {
    fn name(&self) -> &str {
        "ear"
    }

    fn terms(&self) -> Arc<Terms> {
        let types = ["patd.notice.token_expires", "patd.token.expired"].map(str::to_owned).to_vec();
        Arc::new(Terms { types, ..Terms::default() })
    }

    fn deliver(&self, events: Vec<Value>) -> Answer<Result<Delivered, SinkError>> {
        let ids = events.iter().map(|event| event["id"].as_str().unwrap_or_default().to_owned());
        self.0.lock().expect("no poison").extend(ids);
        Box::pin(std::future::ready(Ok(Delivered { through: events.len(), rejected: Vec::new() })))
    }

    fn stop(&self) -> Answer<Result<(), SinkError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
