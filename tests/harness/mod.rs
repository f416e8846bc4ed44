//! A private daemon with real plug-ins, in a folder of its own, and sample accounts made the way people make them.
//!
//! `cargo xtask test` says by `PATD_TEST_*` variables where the binaries are. A daemon ends with its value. Never
//! writes behind a daemon's back.

mod actors;
mod daemon;
mod sample;
mod wire;

use std::time::Duration;

pub(crate) use actors::{Answer, Kind, PASSWORD, Person, Stage, Token};
pub(crate) use daemon::{Daemon, client, path_of};
pub(crate) use sample::{Facts, interactive, sample, totp_code, totp_code_in};
pub(crate) use wire::{Reply, Wire};

/// Prints a figure; libtest shows it with `--nocapture`.
#[expect(clippy::print_stderr, reason = "figures are for people")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Looks until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    found(what, async || holds().await.then_some(())).await;
}

/// Looks until there is something; what it is.
pub(crate) async fn found<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let seen = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(60), seen).await;
    seen.unwrap_or_else(|_| panic!("not in time: {what}"))
}
