//! `patctl completions`: a script for the shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str =
    "Example:\n  patctl completions bash > ~/.local/share/bash-completion/completions/patctl";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(options: &Options, mut output: Output<'_>) -> Result<(), Failure> {
    // By way of memory: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "patctl", &mut script);
    Ok(output.verbatim(&script)?)
}
