//! `patd store copy`: a whole store into another one of the config, while no daemon runs.
//!
//! Must never leave a target that looks whole and is not: the target keeps nothing before it has counted everything, and
//! what it kept is read back and compared. Must never change the source.

use std::path::Path;
use std::time::{Duration, Instant};

use patd_config::{Config, DIRECTORY_STORE, Store as StoreConfig};
use patd_core::id::SiteLuid;
use patd_core::record::{Site, SiteState};
use patd_plugin_host::adapt::{PluginStore, StoreRole};
use patd_plugin_host::{Images, Kind, ServiceHandle};
use patd_proto::rows::Session;
use patd_proto::store::{Piece, Row, Tally};
use patd_service::ports::{Found, Query, Store as _, StoreError};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Context;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::{output, plugins, serve, stores};

/// Pieces asked for at once.
const PAGE: u32 = 1000;
/// How long a store may take for an ordinary request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(2);

/// Which store is copied.
pub(super) enum What {
    /// That of a site, by key, content URL or LUID.
    Site(String),
    /// That of sites and people.
    Directory,
}

pub(super) fn run(context: &Context, what: &What, to: &str) -> Result<(), Failure> {
    let config = context.config()?;
    let data_dir = DataDir::lock(&config.server.data_dir)?.ok_or_else(|| {
        Failure::Refused(format!(
            "a daemon uses {}: stop it first, a store that changes cannot be copied whole",
            config.server.data_dir.display()
        ))
    })?;
    let report = serve::runtime()?.block_on(copy(&config, &data_dir, what, to))?;
    context.print(&report);
    Ok(())
}

/// A store of the config, for one site or for the directory.
struct Place<'a> {
    name: &'a str,
    store: &'a StoreConfig,
    settings: Value,
    role: StoreRole,
}

impl<'a> Place<'a> {
    fn find(
        config: &'a Config,
        data_dir: &Path,
        name: &str,
        site: Option<SiteLuid>,
    ) -> Result<Self, Failure> {
        let (name, store) = config.stores.get_key_value(name).ok_or_else(|| {
            let known: Vec<_> = config.stores.keys().map(ToString::to_string).collect();
            Failure::Refused(format!(
                "no store of the config is named `{name}`; there are: {}",
                known.join(", ")
            ))
        })?;
        if site.is_none() && store.config.mentions("luid") {
            return Err(Failure::Refused(format!(
                "[stores.{name}] is for sites, its config mentions {{luid}}: the directory needs a store without"
            )));
        }
        let settings = stores::settings(&store.config, data_dir, site)
            .map_err(|e| Failure::Refused(format!("[stores.{name}]: {e}")))?;
        let role = if site.is_some() { StoreRole::Site } else { StoreRole::Directory };
        Ok(Self { name, store, settings, role })
    }

    async fn open(&self, config: &Config, data_dir: &Path) -> Result<PluginStore, Failure> {
        let cannot = |e: patd_plugin_host::LoadError| Failure::Start(format!("store `{}`: {e}", self.name));
        let spec =
            plugins::spec(config, &data_dir.join("run"), &self.store.plugin, self.store.sha256.as_ref());
        let image = Images.load(&spec).map_err(cannot)?;
        let handle = ServiceHandle::create(&image, Kind::Store, self.name, &self.settings).map_err(cannot)?;
        PluginStore::start(handle, self.role, TIMEOUT).await.map_err(cannot)
    }

    fn is(&self, other: &Self) -> bool {
        self.store.plugin == other.store.plugin && self.settings == other.settings
    }
}

async fn copy(config: &Config, data_dir: &DataDir, what: &What, to: &str) -> Result<Value, Failure> {
    let data_dir = data_dir.path();
    let site = match what {
        What::Site(site) => Some(find_site(config, data_dir, site).await?),
        What::Directory => None,
    };
    let from = match &site {
        Some((_, store)) => store.as_str(),
        None => DIRECTORY_STORE,
    };
    let luid = site.as_ref().map(|(site, _)| site.luid);
    let (source, target) =
        (Place::find(config, data_dir, from, luid)?, Place::find(config, data_dir, to, luid)?);
    if source.is(&target) {
        return Err(Failure::Refused(format!("`{to}` is where it already is")));
    }
    // A target for one site must not get rows of another, which would live on there unseen.
    let only = luid.filter(|_| target.store.config.mentions("luid"));
    let from_store = source.open(config, data_dir).await?;
    let copied = match target.open(config, data_dir).await {
        Ok(to_store) => {
            let copied = transfer(&from_store, &to_store, only).await;
            stop(&to_store).await;
            copied
        }
        Err(e) => Err(e),
    };
    stop(&from_store).await;
    let rows = copied?;
    let next = match &site {
        Some((site, _)) => format!(
            "set store = \"{to}\" in [sites.{}] and start the daemon; `{from}` is as it was: never go back to it once the \
             copy is in use, ended tokens and sessions would live again",
            site.key
        ),
        None => format!(
            "give [stores.{DIRECTORY_STORE}] the plugin and config of [stores.{to}] and start the daemon; the old \
             directory is as it was: never go back to it once the copy is in use"
        ),
    };
    Ok(json!({
        "site": site.as_ref().map(|(site, _)| &site.key), "from": from, "to": to, "rows": rows.total(), "verified": true,
        "counts": rows, "next": next,
    }))
}

/// The site's row, and the name of its store.
async fn find_site(config: &Config, data_dir: &Path, wanted: &str) -> Result<(Site, String), Failure> {
    let directory = Place::find(config, data_dir, DIRECTORY_STORE, None)?.open(config, data_dir).await?;
    let found = directory.query(vec![Query::Sites]).await;
    stop(&directory).await;
    let sites = match found.map_err(|e| failed("the directory", &e))?.pop() {
        Some(Found::Sites(sites)) => sites,
        _ => return Err(Failure::Start("the directory answered something else than sites".to_owned())),
    };
    let site = sites
        .into_iter()
        .filter(|site| site.state != SiteState::Deleted)
        .find(|site| {
            site.key == wanted
                || site.content_url.as_str().eq_ignore_ascii_case(wanted)
                || site.luid.to_string() == wanted
        })
        .ok_or_else(|| {
            Failure::Refused(format!("no site `{wanted}` in the directory; `patd site list` shows them"))
        })?;
    let plan = config.resolved_sites().into_iter().find(|plan| *plan.key == *site.key).ok_or_else(|| {
        Failure::Refused(format!(
            "site `{wanted}` has left the config, which names its store: put it back first"
        ))
    })?;
    Ok((site, plan.store.to_string()))
}

async fn transfer(from: &PluginStore, to: &PluginStore, only: Option<SiteLuid>) -> Result<Tally, Failure> {
    let (mut seen, mut digest, mut after) = (Tally::default(), Sha256::new(), None);
    let mut progress = Progress::new();
    let has = loop {
        let page = from.export(after, PAGE).await.map_err(|e| failed("the store cannot be read", &e))?;
        for piece in &page.pieces {
            if let Some(site) = only {
                must_be_of(site, piece)?;
            }
            seen.add(piece);
            note(&mut digest, piece)?;
        }
        to.import(page.pieces, None).await.map_err(|e| failed("nothing was copied", &e))?;
        progress.tell("copied", seen.total());
        match (page.next, page.has) {
            (Some(next), _) => after = Some(next),
            (None, Some(has)) => break has,
            (None, None) => return Err(Failure::Start("the store did not say how much it has".to_owned())),
        }
    };
    if has != seen {
        return Err(Failure::Start(format!(
            "nothing was copied: the store says that it has {has:?} and gave {seen:?}"
        )));
    }
    to.import(Vec::new(), Some(has)).await.map_err(|e| match e {
        StoreError::Unknown => Failure::Start(
            "the store to copy into did not answer in time: whether it has the copy is unknown; empty it and try again"
                .to_owned(),
        ),
        other => failed("nothing was copied", &other),
    })?;
    verify(to, has, digest, &mut progress).await?;
    Ok(has)
}

/// Reads the copy back: the same pieces in the same order.
async fn verify(
    to: &PluginStore,
    has: Tally,
    digest: Sha256,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let (mut seen, mut again, mut after) = (Tally::default(), Sha256::new(), None);
    loop {
        let page = to.export(after, PAGE).await.map_err(|e| failed("the copy cannot be read back", &e))?;
        for piece in &page.pieces {
            seen.add(piece);
            note(&mut again, piece)?;
        }
        progress.tell("verified", seen.total());
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if seen == has && again.finalize() == digest.finalize() {
        return Ok(());
    }
    Err(Failure::Start(format!(
        "the copy differs from the store: it reads back {seen:?}, which should be {has:?} with the same content; do not \
         use it"
    )))
}

fn note(digest: &mut Sha256, piece: &Piece) -> Result<(), Failure> {
    let text = serde_json::to_vec(piece).map_err(|e| Failure::Start(format!("a row has no JSON: {e}")))?;
    digest.update(&text);
    digest.update(b"\n");
    Ok(())
}

fn must_be_of(site: SiteLuid, piece: &Piece) -> Result<(), Failure> {
    let ours = match piece {
        Piece::Row(Row::Token(token)) => token.site == site.0,
        Piece::Row(Row::Session(Session { token: Some(token), .. })) => token.home == site.0,
        Piece::Row(_) => false,
        Piece::Event(_) | Piece::Cursor { .. } | Piece::DeadLetter { .. } => true,
    };
    if ours {
        return Ok(());
    }
    Err(Failure::Refused(
        "nothing was copied: the store has rows of other sites too, and the store to copy into is for one site only; copy \
         into one whose config does not mention {luid}, and switch all these sites together"
            .to_owned(),
    ))
}

fn failed(what: &str, error: &StoreError) -> Failure {
    match error {
        // The store's own words: `refused: the store to copy into is not empty`.
        StoreError::Failed(why) => Failure::Refused(format!("{what}: {why}")),
        other => Failure::Start(format!("{what}: {other}")),
    }
}

async fn stop(store: &PluginStore) {
    if let Err(e) = store.stop().await {
        tracing::warn!(store = store.name(), error = %e, "a store did not stop cleanly");
    }
}

/// Tells people how far it is, on standard error and only now and then.
struct Progress {
    told: Instant,
}

impl Progress {
    #[expect(clippy::disallowed_methods, reason = "how often to tell, nothing that is kept")]
    fn new() -> Self {
        Self { told: Instant::now() }
    }

    #[expect(clippy::disallowed_methods, reason = "how often to tell, nothing that is kept")]
    fn tell(&mut self, done: &str, rows: u64) {
        if self.told.elapsed() >= TELL {
            output::progress(&format!("{rows} rows {done}"));
            self.told = Instant::now();
        }
    }
}
