//! Whether the hashers of a config file can check what is stored, for commands that put nothing in force.
//!
//! Must never change a store, nor ask more of a running daemon than a count.

use std::path::Path;

use patd_config::Config;
use patd_plugin_host::{HasherSlot, InstancePlan};
use patd_service::hash_pool::Hashers;
use patd_service::schemes::{Judgement, judge};
use tokio::runtime::Runtime;

use crate::control;
use crate::data_dir::{DataDir, Held, control_socket};
use crate::facts::Counted;
use crate::failure::Failure;
use crate::look::Look;
use crate::operate::Operation;
use crate::plugins::{Inventory, Wanted, told};
use crate::wiring::slot_times;

/// Counts what is stored: in the daemon where one runs, or else in its stores.
pub(crate) fn count(config: &Config, wanted: &Wanted, runtime: &Runtime) -> Result<Counted, Failure> {
    let path = &config.server.data_dir;
    let counted = match DataDir::look(path)? {
        Held::New => return Ok(Counted::default()),
        Held::Daemon => match control::send(&control_socket(path), &Operation::Digests) {
            Ok(value) => match serde_json::from_value(value) {
                Ok(counted) => with_new_sites(counted, config),
                Err(e) => not_said(path, &e.to_string()),
            },
            Err(e) => not_said(path, &e.to_string()),
        },
        Held::Here(data_dir) => runtime.block_on(async {
            let look = Look::open(config, wanted.sections.clone(), data_dir.path()).await;
            let counted = Counted::at(&look).await;
            look.close().await;
            counted
        }),
    };
    Ok(counted.within(config))
}

/// Notes the sites that the daemon does not serve: it has not opened their stores.
pub(crate) fn with_new_sites(mut counted: Counted, config: &Config) -> Counted {
    let new = config.sites.keys().filter(|key| !counted.sites.iter().any(|known| **key == **known));
    let note =
        |key| format!("tokens of site `{key}`: the daemon does not serve it yet; the reload looks at them");
    let notes: Vec<_> = new.map(note).collect();
    counted.not_counted.extend(notes);
    counted
}

fn not_said(path: &Path, why: &str) -> Counted {
    let why = format!("stored digests: {} is in use, and its user does not say: {why}", path.display());
    Counted { not_counted: vec![why], ..Counted::default() }
}

/// Makes the config's hashers, holds the digests against them, and lets them go.
pub(crate) async fn hold(
    config: &Config,
    plans: Vec<InstancePlan>,
    counted: &Counted,
) -> Result<Judgement, Failure> {
    if counted.digests.is_empty() {
        return Ok(Judgement::default());
    }
    let times = slot_times(config);
    let mut inventory = Inventory::default();
    for plan in plans {
        let told = told(config, &plan, Failure::Start);
        let slot = HasherSlot::open(plan, times).await.map_err(told)?;
        inventory.hashers.push(slot);
    }
    let hashers =
        Hashers::of(inventory.hasher_places(), 1, 0).abandoning(config.plugins.abandoned_digests.clone());
    let shares: Vec<_> = counted.digests.iter().map(crate::facts::Digests::share).collect();
    let judgement = judge(&hashers, &shares).await;
    for slot in &inventory.hashers {
        slot.stop(times.drain).await;
    }
    Ok(judgement)
}
