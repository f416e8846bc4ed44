//! The kit as a program of its own, for plug-ins that are built without the daemon: the same as `patd plugin check`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use patd_conformance::{Arguments, Format};

/// Examines a plug-in for patd.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
    /// The plug-in's own configuration table, TOML or JSON.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How the report is printed.
    #[arg(long, value_parser = ["text", "json"], default_value = "text")]
    output: String,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = if cli.output == "json" { Format::Json } else { Format::Text };
    match cli.arguments.run(cli.config.as_deref(), format, &[]) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            use std::io::Write as _;
            let _closed = writeln!(anstream::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}
