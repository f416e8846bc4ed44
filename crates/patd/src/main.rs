//! The daemon `patd` and the tools of whoever runs it: command line, wiring, signals.
//!
//! Decides nothing: a command becomes an [`operate::Operation`], a request goes to patd-http.
#![forbid(unsafe_code)]

mod commands;
mod connection;
mod control;
mod data_dir;
mod digests;
mod facts;
mod failure;
mod log;
mod look;
mod operate;
mod output;
mod plugins;
mod reload;
mod seal_files;
mod serve;
mod stores;
mod system;
mod wiring;

use std::process::ExitCode;

fn main() -> ExitCode {
    patd_plugin_host::memory::share_heaps();
    patd_plugin_host::trial::by(commands::trial);
    let (cli, config_named) = commands::parse();
    match commands::run(cli, config_named) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
