//! `patctl`: tokens, people and events of a patd site from the command line.
//!
//! Speaks HTTP and nothing else: it knows the API as any other client does, and shares no code with the daemon. It must
//! never put a secret on a command line, on standard error or into a file other than its own session file (mode 0600).
//!
//! Start reading at [`cli`]; each command lies in a file of its own under [`commands`].

#![forbid(unsafe_code)]

mod api;
mod cli;
mod commands;
mod failure;
mod output;
mod problem;
mod secret;
mod session_file;
#[cfg(test)]
mod test_server;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let format = cli.common.output;
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to be done if standard error is closed too; the exit code still tells.
            let _ = output::show_failure(&mut anstream::stderr().lock(), format, &failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
