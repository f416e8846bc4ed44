//! System packages: the one list of what tests need beyond Rust, and how it gets there.
//!
//! `apt-get` runs only when a needed command is missing, and installs only the packages of missing commands.

use std::process::Command;

use crate::command::{run, succeeds};
use crate::failure::Failure;
use crate::out;

/// Something that a test needs from the system: how to see that it is there, and Debian's packages for it.
struct Need {
    what: &'static str,
    probe: &'static [&'static str],
    packages: &'static [&'static str],
}

const NEEDS: &[Need] = &[
    Need { what: "a C compiler", probe: &["cc", "--version"], packages: &["gcc", "libc6-dev"] },
    Need { what: "a C++ compiler", probe: &["c++", "--version"], packages: &["g++"] },
    Need { what: "Python", probe: &["python3", "--version"], packages: &["python3", "python3-venv"] },
    Need {
        what: "Python's venv",
        probe: &["python3", "-c", "import ensurepip, venv"],
        packages: &["python3-venv"],
    },
    Need { what: "sqlite3", probe: &["sqlite3", "--version"], packages: &["sqlite3"] },
    Need { what: "rsyslog", probe: &["rsyslogd", "-v"], packages: &["rsyslog", "rsyslog-gnutls"] },
];

/// What `cargo xtask bench` needs on top.
const BENCH_NEEDS: &[Need] = &[
    Need { what: "wrk", probe: &["sh", "-c", "command -v wrk"], packages: &["wrk"] },
    Need { what: "nginx", probe: &["nginx", "-v"], packages: &["nginx-light"] },
    Need { what: "taskset", probe: &["taskset", "--version"], packages: &["util-linux"] },
];

/// Installs what tests miss.
pub(crate) fn ensure() -> Result<(), Failure> {
    ensure_all(NEEDS)
}

/// Installs what the bench misses.
pub(crate) fn ensure_for_bench() -> Result<(), Failure> {
    ensure_all(BENCH_NEEDS)
}

fn ensure_all(needs: &'static [Need]) -> Result<(), Failure> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    out::step(format_args!("installing system packages: {}", packages.join(" ")));
    if !succeeds(Command::new("apt-get").arg("--version")) {
        return Err(Failure::new(format!(
            "{} missing and there is no apt-get here: install what Debian calls {} and run this again",
            names(&missing),
            packages.join(" ")
        )));
    }
    run(apt_get().arg("update").arg("-qq"))?;
    run(apt_get().args(["install", "-y", "-qq", "--no-install-recommends"]).args(&packages))?;
    let missing = self::missing(needs);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("{} still missing after apt-get install", names(&missing))))
    }
}

/// rustfmt and clippy are not in rustup's minimal profile.
pub(crate) fn ensure_rust_components() -> Result<(), Failure> {
    for (component, probe) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if succeeds(crate::command::cargo().args([probe, "--version"])) {
            continue;
        }
        out::step(format_args!("installing the Rust component {component}"));
        run(Command::new("rustup").args(["component", "add", component])).map_err(|failure| {
            Failure::new(format!("cargo {probe} is missing and could not be installed: {failure}"))
        })?;
    }
    Ok(())
}

fn missing(needs: &'static [Need]) -> Vec<&'static Need> {
    needs.iter().filter(|need| !succeeds(Command::new(need.probe[0]).args(&need.probe[1..]))).collect()
}

fn names(needs: &[&Need]) -> String {
    let names: Vec<&str> = needs.iter().map(|need| need.what).collect();
    format!("{} {}", names.join(" and "), if names.len() == 1 { "is" } else { "are" })
}

/// `apt-get` without questions; through `sudo -n` for people who are not root.
fn apt_get() -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
