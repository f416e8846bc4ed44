//! Building what an environment runs: the daemon, its client and the plug-ins, in one call of Cargo.

use crate::command::{cargo, run};
use crate::failure::Failure;
use crate::out;
use crate::plugins::{self, Plugin};
use crate::workspace::{Profile, Workspace};

/// Builds everything that a running patd needs and lays the plug-ins in place.
pub(crate) fn daemon(workspace: &Workspace, profile: Profile) -> Result<Vec<Plugin>, Failure> {
    let sources = plugins::sources(workspace)?;
    out::step(format_args!("building patd, patctl and {} plug-ins ({})", sources.len(), profile.folder()));
    let mut build = cargo();
    build.current_dir(&workspace.root).args(["build", "--package", "patd", "--package", "patctl"]);
    build.args(profile.arguments());
    build.args(plugins::packages(&sources));
    run(&mut build)?;
    plugins::install(workspace, profile)
}
