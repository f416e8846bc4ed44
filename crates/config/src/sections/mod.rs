//! One module per section of the file. Each holds the section's types, its defaults and its own check.

pub(crate) mod audit;
pub(crate) mod defaults;
pub(crate) mod hashers;
pub(crate) mod leaks;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod plugins;
pub(crate) mod server;
pub(crate) mod sinks;
pub(crate) mod sites;
pub(crate) mod stores;
