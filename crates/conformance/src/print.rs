//! The report for people. Colour only on a terminal; a closed pipe is no error.

use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};

use crate::report::{CaseReport, Outcome, Report};

fn style(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Passed => AnsiColor::Green,
        Outcome::Failed | Outcome::Crashed => AnsiColor::Red,
        Outcome::Skipped => AnsiColor::BrightBlack,
        Outcome::Warning => AnsiColor::Yellow,
    };
    Style::new().fg_color(Some(colour.into()))
}

/// One line for a case.
pub(crate) fn case(done: &CaseReport) {
    let (style, outcome) = (style(done.outcome), done.outcome.name());
    let detail = if done.detail.is_empty() { String::new() } else { format!("  {}", plain(&done.detail)) };
    let _closed = writeln!(
        anstream::stdout(),
        "{style}{outcome:7}{style:#}  {:34} {:>6} ms{detail}",
        done.name,
        done.ms
    );
}

/// The sums.
pub(crate) fn summary(report: &Report) {
    let (plugin, sums) = (&report.plugin, report.summary);
    let name = if plugin.id.is_empty() { "unknown plug-in" } else { &plugin.id };
    let (style, word) =
        if report.is_good() { (style(Outcome::Passed), "good") } else { (style(Outcome::Failed), "bad") };
    let _closed = writeln!(
        anstream::stdout(),
        "{style}{word}{style:#}: {} {} ({}): {} passed, {} failed, {} crashed, {} skipped, {} warnings\nsha256 = \"{}\"",
        plain(name),
        plain(&plugin.version),
        plugin.kind,
        sums.passed,
        sums.failed,
        sums.crashed,
        sums.skipped,
        sums.warning,
        plugin.sha256
    );
}

/// One JSON value.
pub(crate) fn json(report: &Report) {
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    let _closed = writeln!(anstream::stdout(), "{text}");
}

/// What runs, on a terminal that shows nothing else meanwhile.
pub(crate) fn progress(number: usize, total: usize, name: &str) {
    if std::io::stderr().is_terminal() {
        let _closed = write!(anstream::stderr(), "\r\x1b[K[{number}/{total}] {name}");
    }
}

/// Takes the progress line away.
pub(crate) fn progress_end() {
    if std::io::stderr().is_terminal() {
        let _closed = write!(anstream::stderr(), "\r\x1b[K");
    }
}

/// Text of a plug-in without anything that a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
