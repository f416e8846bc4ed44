//! Black-box tests: one binary that drives the real daemon with real plug-ins over HTTP. `cargo xtask test` runs it.

mod authorization;
mod canary;
mod commands;
mod crash;
mod harness;
mod hashers;
mod hostile;
mod hostile_plugins;
mod leaks;
mod live;
mod outbox;
mod people;
mod race;
mod reload;
mod seal;
mod sinks;
mod tableau_clients;
mod tableau_wire;
