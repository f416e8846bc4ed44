//! A private daemon with real plug-ins, in a folder of its own, and sample accounts made the way people make them.
//!
//! `cargo xtask test` says by `PATD_TEST_*` variables where the binaries are. A daemon ends with its value. Never
//! writes behind a daemon's back.

mod actors;
mod daemon;
mod sample;
mod wire;

pub(crate) use actors::{Answer, Kind, PASSWORD, Person, Stage, Token};
pub(crate) use daemon::{Daemon, client, path_of};
pub(crate) use sample::{Facts, interactive, sample, totp_code, totp_code_in};
pub(crate) use wire::{Reply, Wire};

/// Prints a figure; libtest shows it with `--nocapture`.
#[expect(clippy::print_stderr, reason = "figures are for people")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
