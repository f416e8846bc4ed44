//! Measuring programs: examples of the packages that they measure. Each prints its figures on one line.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::{cargo, run};
use crate::failure::{Context, Failure};
use crate::out;
use crate::workspace::{Profile, Workspace};

/// Package and example.
const PROGRAMS: [(&str, &str); 5] = [
    ("patd-http", "bare"),
    ("store-sql", "sign_ins"),
    ("store-sql", "store_call"),
    ("hasher-hmac", "hash_call"),
    ("patd-plugin-host", "deliver"),
];

/// The programs and the plug-ins that they load, built.
pub(crate) struct Programs {
    examples: PathBuf,
    plugins: PathBuf,
}

impl Programs {
    /// Builds the programs; plug-ins are built with the environment.
    pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<Self, Failure> {
        for (package, example) in PROGRAMS {
            out::step(format_args!("building the example {example} of {package} ({})", profile.folder()));
            let mut build = cargo();
            build.current_dir(&workspace.root).args(["build", "--package", package, "--example", example]);
            run(build.args(profile.arguments()))?;
        }
        let examples = workspace.profile_dir(profile).join("examples");
        Ok(Self { examples, plugins: workspace.plugin_dir(profile) })
    }

    /// The file of a program.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.examples.join(name)
    }

    /// The library of a plug-in.
    pub(crate) fn library(&self, plugin: &str) -> PathBuf {
        self.plugins.join(format!("lib{plugin}.so"))
    }

    /// Runs a program to its end; its figures.
    pub(crate) fn figures<const N: usize>(
        &self,
        name: &str,
        arguments: &[&OsStr],
    ) -> Result<[f64; N], Failure> {
        let program = self.path(name);
        let output = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context(program.display())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let figures: Option<Vec<f64>> = text.split_whitespace().map(|figure| figure.parse().ok()).collect();
        figures
            .and_then(|figures| figures.try_into().ok())
            .ok_or_else(|| Failure::new(format!("{} said: {text}", program.display())))
    }
}

/// An empty folder: what a round before left would make this one's figures others.
pub(crate) fn emptied(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).context(folder.display())?;
    }
    std::fs::create_dir_all(folder).context(folder.display())
}
