//! `patd reload` and SIGHUP: the config file is read again and put in force while requests run.
//!
//! In order: what can be refused without touching anything (the file, settings that need a restart, pins, new instances and
//! their self-tests, stored digests that new hashers could not check); exclusive instances, which can be refused and are
//! started again then; shared ones; the service's part.
//! Any refusal undoes what was done before it, last first, so that a refused reload leaves everything as it was.

mod report;
mod restart;
mod undo;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patd_config::Config;
use patd_plugin_host::adapt::PluginHasher;
use patd_plugin_host::{HasherSlot, InstancePlan, LoadError, ServiceSlot, Slot, Unit};
use patd_service::ports::{HasherPlace, Store as _};
use patd_service::reconfigure::NewConfig;
use serde_json::Value;

use crate::failure::Failure;
use crate::plugins::{Inventory, Wanted, told};
use crate::stores::Opened;
use crate::wiring::{Running, site_plans, slot_times};

use report::{Action, Report};
use undo::{Pending, Undo};

/// How long a sink may take to say whether it is well. One that cannot deliver gets a fresh instance: it may have given up
/// for good, as a webhook's does when its receiver answered 410.
const HEALTH: Duration = Duration::from_secs(2);

/// Reads the file again and puts it in force; one reload at a time, a second waits. Runs to its end even if nobody waits
/// for the answer.
pub(crate) async fn reload(running: &Arc<Running>, path: &Path) -> Result<Value, Failure> {
    let (running, path) = (Arc::clone(running), path.to_owned());
    let task = tokio::spawn(async move {
        let outcome = carry_out(&running, &path).await;
        let label = match &outcome {
            Ok(report) if report.is_unchanged() => "unchanged",
            Ok(_) => "reloaded",
            Err(_) => "refused",
        };
        metrics::counter!("patd_reloads_total", "result" => label).increment(1);
        match &outcome {
            Ok(report) => tracing::info!(config = %path.display(), %report, "{label}"),
            Err(error) => {
                tracing::error!(config = %path.display(), %error, "the reload is refused; what was in force goes on")
            }
        }
        let report = outcome.map(|report| report.to_json(&path));
        // Blocks for a moment.
        drop(tokio::task::spawn_blocking(patd_plugin_host::memory::give_back));
        report
    });
    // What a panic says stays in the panic: nobody knows what is in it.
    task.await.map_err(|_| Failure::Refused("the reload did not finish: it panicked".to_owned()))?
}

async fn carry_out(running: &Arc<Running>, path: &Path) -> Result<Report, Failure> {
    let mut in_force = running.config.lock().await;
    let config = Config::load(path)?;
    restart::refuse(&in_force, &config)?;
    let wanted = Wanted::of(&config, &running.data_dir, config.plugins.start_timeout.duration()).await?;

    let mut undo = Undo::default();
    let mut report = Report::default();
    match put_in_place(running, &config, wanted, &mut undo, &mut report).await {
        Ok(inventory) => {
            running.inventory.store(Arc::new(inventory));
            // Of those that were added, too.
            report.generations(&running.plugins());
            undo.keep();
            *in_force = config;
            running.service.note_replaced(report.replaced()).await;
            Ok(report)
        }
        Err(failure) => Err(match undo.back().await {
            None => failure,
            Some(also) => Failure::Refused(format!("{failure} Going back was not complete: {also}")),
        }),
    }
}

async fn put_in_place(
    running: &Running,
    config: &Config,
    wanted: Wanted,
    undo: &mut Undo,
    report: &mut Report,
) -> Result<Inventory, Failure> {
    let times = slot_times(config);
    let before = running.inventory.load_full();
    let mut after = Inventory::default();
    for plan in wanted.hashers {
        let known = before.hashers.iter().find(|slot| slot.name() == plan.name);
        let slot = match known {
            Some(slot) => {
                prepare(slot, config, plan, false, undo, report).await?;
                Arc::clone(slot)
            }
            None => {
                let told = told(config, &plan, Failure::Refused);
                let slot = HasherSlot::open(plan, times).await.map_err(told)?;
                undo.opened_hasher(Arc::clone(&slot));
                report.note(&slot.plan(), Action::Added, None);
                slot
            }
        };
        after.hashers.push(slot);
    }
    for (plan, settings) in wanted.sinks {
        let known = before.sinks.iter().find(|(slot, _)| slot.name() == plan.name);
        let slot = match known {
            Some((slot, old)) => {
                let sick = slot.is_sick(HEALTH).await;
                if !prepare(slot, config, plan, sick, undo, report).await?
                    && (&old.types, old.deadline) != (&settings.types, settings.deadline)
                {
                    report.note(&slot.plan(), Action::Settings, None);
                }
                Arc::clone(slot)
            }
            None => {
                let told = told(config, &plan, Failure::Refused);
                let slot = ServiceSlot::open(plan, times).await.map_err(told)?;
                undo.opened_service(Arc::clone(&slot));
                report.note(&slot.plan(), Action::Added, None);
                slot
            }
        };
        after.sinks.push((slot, settings));
    }
    let patience = config.plugins.start_timeout.duration();
    let mut moved = Vec::new();
    for opened in running.stores.opened() {
        // A store that leaves the config is refused where a site still needs it, and closed where none does.
        let Some(section) = wanted.sections.get(&opened.section) else { continue };
        let plan = running
            .stores
            .plan(&opened.section, section, opened.site, patience)
            .map_err(|e| Failure::Refused(format!("[stores.{}]: {e}", opened.section)))?;
        if plan.name != opened.slot.name() {
            return Err(other_place(&opened, "one that is named otherwise"));
        }
        if plan.settings != opened.slot.plan().settings {
            moved.push(opened.clone());
        }
        prepare(&opened.slot, config, plan, false, undo, report).await?;
    }
    gone(&before, &after, report);
    let (abandoned, plans) = (config.plugins.abandoned_digests.clone(), site_plans(config)?);
    // Before anything is switched: a hasher that drops a scheme in use must not serve for a single request.
    let judged = running.service.judge_hashers(future_hashers(&after, undo), abandoned.clone(), &plans).await;
    judged.map_err(|e| Failure::Refused(e.to_string()))?;

    undo.switch_exclusive().await.map_err(refused)?;
    undo.switch_shared().await.map_err(refused)?;
    for opened in moved {
        let now = opened.store.schema().await.map_err(|e| Failure::Refused(e.to_string()))?.location;
        if let Some(at) = opened.location.as_ref().filter(|at| **at != now) {
            return Err(other_place(&opened, &format!("{now} instead of {at}")));
        }
    }
    undo.sections(&running.stores, wanted.sections, times, patience);
    let new = NewConfig {
        hashers: after.hasher_places(),
        abandoned,
        password_hasher: config.defaults.password_hasher.to_string(),
        sinks: after.sink_ports(),
        sites: plans,
    };
    report.sites = running.service.reconfigure(new).await.map_err(|e| Failure::Refused(e.to_string()))?;
    report.generations(&running.plugins());
    after.hashers.iter().for_each(|slot| slot.retime(times, patience));
    after.sinks.iter().for_each(|(slot, _)| slot.retime(times, patience));
    running.stores.opened().iter().for_each(|opened| opened.slot.retime(times, patience));
    // What is not used any more; the service stops sinks and stores itself.
    for slot in &before.hashers {
        if !after.hashers.iter().any(|kept| Arc::ptr_eq(kept, slot)) {
            let (slot, patience) = (Arc::clone(slot), times.drain * 2);
            tokio::spawn(async move { slot.stop(patience).await });
        }
    }
    Ok(after)
}

/// Makes an instance of `plan` for a slot, unless the one in service is just that and not `sick`; whether it did.
async fn prepare<U: Unit>(
    slot: &Arc<Slot<U>>,
    config: &Config,
    plan: InstancePlan,
    sick: bool,
    undo: &mut Undo,
    report: &mut Report,
) -> Result<bool, Failure>
where
    Pending: From<patd_plugin_host::Prepared<U>>,
{
    let old = slot.plan();
    if old.same(&plan) && !sick {
        report.note(&old, Action::Unchanged, None);
        return Ok(false);
    }
    report.note(&plan, Action::Replaced, Some(&old));
    let told = told(config, &plan, Failure::Refused);
    undo.prepared(slot.prepare(plan).await.map_err(told)?);
    Ok(true)
}

/// The hashers as they will be: those that are prepared in place of those that serve.
fn future_hashers(after: &Inventory, undo: &Undo) -> Vec<Arc<dyn HasherPlace>> {
    let prepared = undo.prepared_hashers();
    let place = |slot: &Arc<HasherSlot>| -> Arc<dyn HasherPlace> {
        match prepared.iter().find(|prepared| prepared.name() == slot.name()) {
            Some(prepared) => Arc::new(prepared.clone()),
            None => Arc::new(PluginHasher::new(Arc::clone(slot))),
        }
    };
    after.hashers.iter().map(place).collect()
}

/// Notes the hashers and sinks that are gone.
fn gone(before: &Inventory, after: &Inventory, report: &mut Report) {
    for slot in &before.hashers {
        if !after.hashers.iter().any(|kept| kept.name() == slot.name()) {
            report.note(&slot.plan(), Action::Removed, None);
        }
    }
    for (slot, _) in &before.sinks {
        if !after.sinks.iter().any(|(kept, _)| kept.name() == slot.name()) {
            report.note(&slot.plan(), Action::Removed, None);
        }
    }
}

fn other_place(opened: &Opened, found: &str) -> Failure {
    Failure::Refused(format!(
        "[stores.{}]: expected the store that is open, found {found}: its rows are not there. Copy the store and restart, \
         or take the change back.",
        opened.section
    ))
}

fn refused(error: LoadError) -> Failure {
    Failure::Refused(error.to_string())
}
