//! What people see: progress on standard error, results on standard output, colour only on a terminal.
//!
//! Nothing else in this crate prints. Secrets are printed by the demo alone, on purpose and to standard output.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

use crate::failure::Failure;

const STEP: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// A step that begins.
pub(crate) fn step(text: impl Display) {
    anstream::eprintln!("{STEP}==>{STEP:#} {text}");
}

/// A step that ended well.
pub(crate) fn good(text: impl Display) {
    anstream::eprintln!("{GOOD} ok{GOOD:#} {text}");
}

/// Something that a person should know although the task goes on.
pub(crate) fn warn(text: impl Display) {
    anstream::eprintln!("{WARN}  !{WARN:#} {text}");
}

/// Why the task stops.
pub(crate) fn failure(failure: &Failure) {
    anstream::eprintln!("{BAD}error:{BAD:#} {failure}");
}

/// A line of the result.
pub(crate) fn line(text: impl Display) {
    anstream::println!("{text}");
}

/// A heading in the result.
pub(crate) fn heading(text: impl Display) {
    anstream::println!("{STEP}{text}{STEP:#}");
}
