//! The conformance kit: whether a plug-in keeps the promises of the ABI, case by case. `patd plugin check` runs it, and so do
//! the tests of every plug-in that patd ships.
//!
//! Each case runs in a child process of the same binary with a time limit, so a plug-in that crashes, hangs or changes the
//! process spoils its own case only. A case must never judge by another case, and the kit never judges by what a plug-in
//! says of itself where it can look. Outcomes: passed, failed, crashed, skipped (with its reason), warning.
//!
//! 1. [`Arguments::run`] copies the file, asks a child which kinds it offers, and runs the [`cases`] one by one.
//! 2. A child opens the copy through `patd_plugin_host::probe`, which calls the plug-in raw and judges nothing.
//! 3. [`Report`] is what comes out: lines for people, or the JSON of `--output json`.
#![forbid(unsafe_code)]

mod arguments;
mod case;
mod child;
mod elf;
mod print;
mod report;
mod subject;
mod suite;
mod system;

pub use arguments::{Arguments, Error, Format};
pub use case::{Case, cases};
pub use report::{CaseReport, Outcome, PluginReport, Report, Summary};
