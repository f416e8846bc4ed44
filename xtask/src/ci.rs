//! `cargo xtask ci`: what continuous integration runs, by its own script, so that there is one truth.

use crate::command::{of_cargo, run as run_command};
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Runs the task.
pub(crate) fn run() -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let mut script = of_cargo(workspace.root.join(".ci/run"));
    run_command(script.current_dir(&workspace.root))
}
