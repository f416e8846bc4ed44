//! The command line: one module per group of commands.

mod audit;
mod audit_files;
mod audit_seal;
mod config;
mod copy;
mod dead_letters;
mod describe;
mod doctor;
mod plugin;
mod reload;
mod site;
mod store;
mod token;
mod user;
mod verify;

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use patd_config::Config;
use serde_json::Value;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::operate::Operation;
use crate::output::{self, Format};
use crate::serve;

/// Personal access tokens for any number of web sites, as Tableau Cloud has them.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 refused, 2 wrong usage or config, 3 the daemon or the system failed.\n\n\
                  Example:\n  patd --config /etc/patd/patd.toml serve"
)]
pub(crate) struct Cli {
    /// The config file.
    #[arg(long, env = "PATD_CONFIG", default_value = "/etc/patd/patd.toml", global = true)]
    config: PathBuf,
    /// How answers are printed.
    #[arg(long, value_enum, default_value = "text", global = true)]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon in the foreground.
    #[command(after_help = "Example:\n  patd --config /etc/patd/patd.toml serve")]
    Serve,
    /// Look at the config file.
    #[command(subcommand)]
    Config(config::Command),
    /// Stores: schema status, migration, backup, copy into another store.
    #[command(subcommand)]
    Store(store::Command),
    /// Sites: list, credential for introspection, delete.
    #[command(subcommand)]
    Site(site::Command),
    /// People: invite, recover, disable, enable.
    #[command(subcommand)]
    User(user::Command),
    /// The audit trail: verify, rotate-key, dead letters.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Plug-ins: list, pin, check.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Make the running daemon read its config file again: new builds of plug-ins, sites, policies. A reload that is
    /// refused changes nothing.
    #[command(
        after_help = "Example:\n  patd reload --output json\n\nExit code 1 when the reload is refused; what was in force goes on."
    )]
    Reload,
    /// Read a token secret from standard input and say whose it is and whether it lives; for a secret found somewhere.
    #[command(
        after_help = "Example:\n  patd verify < found-secret.txt\n\nExit code 1 when it is no live token."
    )]
    Verify,
    /// Look at a token secret without asking anybody.
    #[command(subcommand)]
    Token(token::Command),
    /// Look at the data folder, secrets, disk, plug-ins, clock, stores, sinks and stored digests; each line is ok, warn or FAIL
    /// with what to do. Changes nothing. Beside a running daemon it asks that one; to be run as its user.
    #[command(
        after_help = "Example:\n  patd doctor --output json\n\nExit codes: 0 all is ok or a warning, 1 something failed, 2 the config \
                      file is wrong, 3 the doctor itself could not run. JSON: `healthy`, `lines` with `check`, `outcome` \
                      (ok, warn, fail), `what` and `do`, `digests`, and of a running daemon `live_sessions` and `plugins`."
    )]
    Doctor,
    /// Print every HTTP route with who may call it.
    #[command(after_help = "Example:\n  patd routes --output json")]
    Routes,
    /// Print the OpenAPI document of the native API, as the daemon serves it.
    #[command(after_help = "Example:\n  patd openapi > openapi.json")]
    Openapi,
    /// Print every problem type that the native API answers with: name, status, title, what to do.
    #[command(after_help = "Example:\n  patd problems --output json")]
    Problems,
    /// Print every type of audit event and every member that an event can have.
    #[command(after_help = "Example:\n  patd events --output json")]
    Events,
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  patd completions bash > /etc/bash_completion.d/patd")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// What every command needs.
pub(crate) struct Context {
    config_path: PathBuf,
    /// Whether the config file was named on this command line, not by default or environment.
    config_named: bool,
    format: Format,
}

impl Context {
    fn config(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.config_path)?)
    }

    fn print(&self, value: &Value) {
        output::value(self.format, value);
    }

    /// Carries out an operation: through the running daemon, or under the lock when none runs.
    fn operate(&self, operation: Operation) -> Result<Value, Failure> {
        let connection = Connection::open(&self.config()?)?;
        let result = connection.operate(operation);
        connection.close();
        result
    }
}

/// What opens a library in a process of its own.
pub(crate) fn trial(library: &Path) -> std::process::Command {
    // Not by its path: the program may have been replaced since it was started.
    let mut command = std::process::Command::new("/proc/self/exe");
    command.args(["plugin", "open"]).arg(library);
    command
}

/// Reads the command line; ends the process when it is wrong.
pub(crate) fn parse() -> (Cli, bool) {
    let matches = Cli::command().get_matches();
    let named = matches.value_source("config") == Some(clap::parser::ValueSource::CommandLine);
    (Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()), named)
}

/// Runs the command; `config_named` says that the command line names the config file.
pub(crate) fn run(cli: Cli, config_named: bool) -> Result<(), Failure> {
    let context = Context { config_path: cli.config, config_named, format: cli.output };
    match cli.command {
        Command::Serve => serve::serve(&context.config_path, &context.config()?),
        Command::Config(command) => config::run(&context, command),
        Command::Store(command) => store::run(&context, command),
        Command::Site(command) => site::run(&context, command),
        Command::User(command) => user::run(&context, command),
        Command::Audit(command) => audit::run(&context, command),
        Command::Plugin(command) => plugin::run(&context, command),
        Command::Reload => reload::run(&context),
        Command::Doctor => doctor::run(&context),
        Command::Verify => verify::run(&context),
        Command::Token(command) => token::run(&context, &command),
        Command::Routes => {
            describe::routes(&context);
            Ok(())
        }
        Command::Openapi => describe::openapi(),
        Command::Problems => {
            describe::problems(&context);
            Ok(())
        }
        Command::Events => {
            describe::events(&context);
            Ok(())
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "patd", &mut anstream::stdout());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
