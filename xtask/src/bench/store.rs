//! The store without a daemon: sign-ins a second into one file, one at a time and many together.

use std::path::Path;
use std::process::{Command, Stdio};

use super::report::Figures;
use crate::env::Folder;
use crate::failure::{Context, Failure};
use crate::out;

/// Many enough that every group is a full one.
const TOGETHER: u32 = 256;

/// Adds the store's figures, both kinds in turn.
pub(crate) fn measure(
    args: &super::Args,
    folder: &Folder,
    examples: &Path,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let program = examples.join("sign_ins");
    for round in 1..=args.rounds {
        out::step(format_args!("the store alone, round {round} of {}", args.rounds));
        let rate = |in_flight| sign_ins(&program, folder, in_flight, args.seconds);
        figures.store.push((rate(1)?, rate(TOGETHER)?));
    }
    Ok(())
}

fn sign_ins(program: &Path, folder: &Folder, in_flight: u32, seconds: u32) -> Result<f64, Failure> {
    let scratch = folder.path().join("sign-ins");
    // A file of a round before would make this one's rows compete with older ones.
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).context(scratch.display())?;
    }
    let output = Command::new(program)
        .arg(scratch.join("store.db"))
        .args([in_flight.to_string(), seconds.to_string()])
        .stdin(Stdio::null())
        .output()
        .context(program.display())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace()
        .next()
        .and_then(|rate| rate.parse().ok())
        .ok_or_else(|| Failure::new(format!("{} said: {text}", program.display())))
}
