//! Bringing an environment up: build, config, daemon, bootstrap, `env.json`.

use super::config::{self, Ports};
use super::daemon::{self, Process};
use super::folder::write_private;
use super::plan::Plan;
use super::state::{Bin, Daemon, State};
use super::{Folder, bootstrap, catchers};
use crate::failure::Failure;
use crate::workspace::{Profile, Workspace};
use crate::{build, out};

/// A running environment.
pub(crate) struct Up {
    pub(crate) state: State,
    pub(crate) process: Process,
    /// Whether this call started the daemon.
    pub(crate) started: bool,
}

/// Starts what does not run and adds what is missing. On failure, what this call started is stopped again.
pub(crate) fn up(
    workspace: &Workspace,
    profile: Profile,
    folder: &Folder,
    plan: &Plan,
) -> Result<Up, Failure> {
    let plugins = build::daemon(workspace, profile)?;
    let before = folder.load_state()?;
    let caught = before.as_ref().and_then(|state| state.catchers.as_ref());
    if let (Some(process), Some(mut state)) = (folder.process().filter(Process::is_alive), before.clone()) {
        if let Some(caught) = caught {
            // They may have been killed; the daemon knows them by their ports.
            catchers::start(folder, Some(caught))?;
        }
        if state.bin.patd != workspace.bin(profile, "patd") {
            out::warn("the running patd is of another build profile; `env down` first to change it");
        }
        bootstrap::run(folder, plan, &mut state)?;
        return Ok(Up { state, process, started: false });
    }

    let ports = Ports::choose(
        before.as_ref().and_then(|state| Ports::from_urls(&state.base_url, &state.management_url)),
    )?;
    let plugin_dir = workspace.plugin_dir(profile);
    let catchers = plan.catchers.then(|| catchers::start(folder, caught)).transpose()?;
    let text = config::text(plan, ports, &folder.data_dir(), &plugin_dir, &plugins, catchers.as_ref())?;
    write_private(&folder.config(), text.as_bytes())?;

    let bin = Bin { patd: workspace.bin(profile, "patd"), patctl: workspace.bin(profile, "patctl") };
    out::step("starting patd");
    let process = daemon::start(&bin.patd, folder)?;
    folder.save_process(&process)?;
    let mut state = State {
        base_url: format!("http://{}", ports.service),
        management_url: format!("http://{}", ports.management),
        store: "sqlite".to_owned(),
        daemons: Vec::new(),
        config: folder.config(),
        data_dir: folder.data_dir(),
        bin,
        plugin_dir,
        sites: before.as_ref().map(|state| state.sites.clone()).unwrap_or_default(),
        users: before.as_ref().map(|state| state.users.clone()).unwrap_or_default(),
        tokens: before.map(|state| state.tokens).unwrap_or_default(),
        catchers,
    };
    state.daemons.push(Daemon {
        base_url: state.base_url.clone(),
        management_url: state.management_url.clone(),
        pid: process.pid,
        log: folder.log(),
        config: folder.config(),
        data_dir: folder.data_dir(),
    });
    let ready = daemon::wait_until_ready(&process, &state.management_url, folder)
        .and_then(|()| bootstrap::run(folder, plan, &mut state));
    if let Err(failure) = ready {
        process.stop()?;
        catchers::stop(folder)?;
        folder.forget_process()?;
        return Err(failure);
    }
    Ok(Up { state, process, started: true })
}
