//! Running other programs: whole command lines in error messages, nothing through a shell.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

use crate::failure::{Context, Failure};

/// The Cargo that started this task, so that a toolchain chosen with `+name` stays chosen.
///
/// `cargo run` describes this crate to us in variables. They must not reach the next Cargo: build scripts (ring's, for
/// one) watch them, and everything above would be built again at each change between `cargo` and `cargo xtask`.
pub(crate) fn cargo() -> Command {
    of_cargo(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// A program that runs Cargo in its turn.
pub(crate) fn of_cargo(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let of_this_crate = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if name.to_str().is_some_and(|name| of_this_crate.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// The command line as a person would type it (arguments are never secret here).
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs to the end with inherited output.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let line = shown(command);
    let status = command.stdin(Stdio::null()).status().context(format_args!("cannot run `{line}`"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}` ended with {status}"))) }
}

/// Runs to the end without output and says whether it succeeded; a program that does not exist has not.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
