//! The report: machine, every round, medians, ratios with the aim beside each.
//!
//! It must never hold a credential: people paste it into issues.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::load::Round;

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) nginx: Vec<Round>,
    pub(crate) bare: Vec<Round>,
    pub(crate) validate: Vec<Round>,
    pub(crate) sign_in_16: Vec<Round>,
    pub(crate) sign_in_64: Vec<Round>,
    pub(crate) store: Vec<Store>,
    /// Nanoseconds of a derivation, linked directly and through the boundary.
    pub(crate) hasher_call: [f64; 2],
    /// Microseconds of a read, linked directly and through the boundary.
    pub(crate) store_call: [f64; 2],
    /// Events a second by sink.
    pub(crate) sinks: Vec<(&'static str, f64)>,
    pub(crate) rss_before: u64,
    pub(crate) rss_after: u64,
}

/// Sign-ins a second of the store alone, with one and with many in flight.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) alone: f64,
    pub(crate) together: f64,
    pub(crate) alone_without_events: f64,
}

/// Where it was measured.
pub(crate) struct Machine(Vec<(&'static str, String)>);

impl Machine {
    /// Asks the system; what it does not say is left empty.
    pub(crate) fn look(args: &super::Args) -> Self {
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map(|(_, name)| name.trim().to_owned());
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        Self(vec![
            ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
            ("processor", format!("{}, {cores} cores", processor.unwrap_or_default())),
            ("kernel", said("uname", &["-sr"])),
            ("load average at the end", read("/proc/loadavg").trim().to_owned()),
            ("compiler", said("rustc", &["--version"])),
            ("commit", said("git", &["describe", "--always", "--dirty"])),
            ("profile", format!("{}{}", args.profile().folder(), overrides())),
            ("nginx", said("nginx", &["-v"])),
            ("wrk", said("wrk", &["-v"])),
            ("command", format!("cargo xtask bench --rounds {} --seconds {}", args.rounds, args.seconds)),
        ])
    }
}

/// Settings of Cargo's release profile that come from the environment.
fn overrides() -> String {
    std::env::vars()
        .filter(|(name, _)| name.starts_with("CARGO_PROFILE_RELEASE_"))
        .map(|(name, value)| format!(", {name}={value}"))
        .collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first line that a program prints, on either stream.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

/// The whole report as Markdown.
pub(crate) fn text(machine: &Machine, figures: &Figures) -> String {
    let mut text = String::from("# What patd costs\n\n");
    for (what, value) in &machine.0 {
        line(&mut text, format_args!("- {what}: {value}"));
    }
    text.push_str("\n## Ratios\n\n| what | measured | aim |\n|---|---|---|\n");
    let cpu = |rounds: &[Round]| median(rounds, |round| round.cpu_micros);
    let rate = |rounds: &[Round]| median(rounds, |round| round.per_second);
    let row = |text: &mut String, what: &str, ratio: f64, aim: &str| {
        line(text, format_args!("| {what} | {ratio:.2} | {aim} |"));
    };
    row(
        &mut text,
        "CPU per request: nginx `return 204` ÷ validate",
        cpu(&figures.nginx) / cpu(&figures.validate),
        "≥ 0.90, stretch 1.0",
    );
    row(
        &mut text,
        "CPU per request: bare `axum::serve` ÷ validate",
        cpu(&figures.bare) / cpu(&figures.validate),
        "≥ 1.2",
    );
    row(
        &mut text,
        "requests/s: validate ÷ nginx `return 204` (suffers from neighbours)",
        rate(&figures.validate) / rate(&figures.nginx),
        "none",
    );
    let store = |of: fn(&Store) -> f64| median_of(figures.store.iter().map(of).collect());
    let gain = store(|round| round.together / round.alone);
    row(&mut text, "sign-ins/s of the store: 256 in flight ÷ one transaction each", gain, "≥ 6");
    let outbox = store(|round| round.alone_without_events / round.alone);
    row(
        &mut text,
        "what audit events add to a sign-in of the store, one in flight (1 = nothing)",
        outbox,
        "none",
    );

    text.push_str("\n## Medians\n\n| what | requests/s | CPU per request | errors |\n|---|---|---|---|\n");
    let all = [
        ("nginx `return 204`, 64 connections", &figures.nginx),
        ("bare `axum::serve` 204, 64 connections", &figures.bare),
        ("validate: `GET /v1/sites/acme/verify`, 64 connections", &figures.validate),
        ("sign-in by token, 16 in flight", &figures.sign_in_16),
        ("sign-in by token, 64 in flight", &figures.sign_in_64),
    ];
    for (what, rounds) in all {
        let errors: u64 = rounds.iter().map(|round| round.errors).sum();
        let (rate, cpu) = (rate(rounds), cpu(rounds));
        line(&mut text, format_args!("| {what} | {rate:.0} | {cpu:.2} µs | {errors} |"));
    }
    line(
        &mut text,
        format_args!(
            "\nThe store alone: {:.0} sign-ins/s with one in flight, {:.0} with 256; one in flight without its audit events {:.0}.",
            store(|round| round.alone),
            store(|round| round.together),
            store(|round| round.alone_without_events),
        ),
    );
    let ([direct, through], [read, loaded_read]) = (figures.hasher_call, figures.store_call);
    line(
        &mut text,
        format_args!(
            "\nThe plug-in boundary: a derivation of hasher-hmac {direct:.0} ns linked directly, {through:.0} ns loaded: {:.0} ns \
             more; a read of store-sql {read:.1} µs linked directly, {loaded_read:.1} µs loaded: {:.1} µs more.",
            through - direct,
            loaded_read - read,
        ),
    );
    text.push_str("\n| audit sink | events/s |\n|---|---|\n");
    for (plugin, rate) in &figures.sinks {
        line(&mut text, format_args!("| {plugin} | {rate:.0} |"));
    }
    line(
        &mut text,
        format_args!(
            "\nMemory of the daemon (RSS): {} KiB before, {} KiB after.",
            figures.rss_before, figures.rss_after
        ),
    );

    text.push_str("\n## Rounds\n");
    for (what, rounds) in all {
        line(&mut text, format_args!("\n{what}:\n"));
        for (number, round) in rounds.iter().enumerate() {
            let Round { per_second, cpu_micros, errors } = round;
            line(
                &mut text,
                format_args!("{}. {per_second:.0}/s, {cpu_micros:.2} µs, {errors} errors", number + 1),
            );
        }
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// The middle of all rounds; of an even number, the mean of the two in the middle.
fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    median_of(rounds.iter().map(of).collect())
}

fn median_of(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Round, median};

    #[test]
    fn a_single_bad_round_does_not_move_the_median_far() {
        let rounds = |values: &[f64]| -> Vec<Round> {
            values.iter().map(|value| Round { per_second: *value, cpu_micros: 1.0, errors: 0 }).collect()
        };
        let middle = |values: &[f64]| median(&rounds(values), |round| round.per_second);
        assert!((middle(&[3.0, 1.0, 900.0]) - 3.0).abs() < 1e-9);
        assert!((middle(&[4.0, 1.0, 2.0, 900.0]) - 3.0).abs() < 1e-9);
    }
}
