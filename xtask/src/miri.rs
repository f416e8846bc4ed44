//! `cargo xtask miri`: the plug-in boundary under Miri, with a plug-in linked statically, since Miri cannot `dlopen`.
//!
//! Not part of `cargo xtask test`: Miri comes with the nightly compiler only, which a change must not depend on.

use std::process::Command;

use crate::command::{of_cargo, run as run_command, succeeds};
use crate::failure::{Context, Failure};
use crate::out;
use crate::workspace::Workspace;

/// The compiler that finds more, and that no build depends on.
pub(crate) const TOOLCHAIN: &str = "nightly";

/// Clocks and the number of cores are the machine's. What a plug-in leaves behind on purpose (tables that live for ever,
/// the payload of a panic) is no leak.
const FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-strict-provenance";

/// Runs the task.
pub(crate) fn run() -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    if !succeeds(nightly().args(["miri", "--version"])) {
        out::step("installing Miri with the nightly compiler");
        let mut rustup = Command::new("rustup");
        rustup.args(["toolchain", "install", TOOLCHAIN, "--profile", "minimal"]);
        run_command(rustup.args(["--component", "miri", "--component", "rust-src"]))
            .context("Miri is missing and could not be installed")?;
    }
    out::step("cargo miri test: the boundary");
    let mut miri = nightly();
    miri.current_dir(&workspace.root).env("MIRIFLAGS", FLAGS);
    // Of its own: another compiler, and other flags, than everything else.
    miri.env("CARGO_TARGET_DIR", workspace.target.join("miri"));
    run_command(miri.args(["miri", "test", "--package", "patd-abi", "--package", "patd-sdk", "--tests"]))
}

/// Cargo of the other toolchain, found through rustup.
pub(crate) fn nightly() -> Command {
    let mut command = of_cargo("cargo");
    command.env("RUSTUP_TOOLCHAIN", TOOLCHAIN).env_remove("RUSTC").env_remove("RUSTDOC");
    command
}
