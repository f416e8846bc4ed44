//! A private daemon with real plug-ins, in a folder of its own, and sample accounts made the way people make them.
//!
//! `cargo xtask test` says by `PATD_TEST_*` variables where the binaries are. A daemon ends with its value. Never
//! writes behind a daemon's back.

mod daemon;
mod sample;

pub(crate) use daemon::{Daemon, client, path_of};
pub(crate) use sample::{Facts, interactive, sample};
