//! Building plug-ins, installing them in a safe place, and running the kit on them.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part")]

pub(crate) mod patch;
pub(crate) mod peers;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use patd_conformance::Report;
use tempfile::TempDir;

/// The workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Every plug-in of the workspace that cargo builds, by its folder's name.
pub(crate) fn cargo_plugins() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("plugins"))
        .expect("plugins")
        .flatten()
        .filter(|entry| {
            let manifest = std::fs::read_to_string(entry.path().join("Cargo.toml")).unwrap_or_default();
            manifest.contains("cdylib")
        })
        .map(|entry| entry.file_name().display().to_string())
        .collect();
    names.sort();
    names
}

/// The folder into which cargo built the plug-ins.
pub(crate) fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let kit = Path::new(env!("CARGO_BIN_EXE_patd-conformance"));
        let folder = kit.parent().expect("target/<profile>/<kit>").to_owned();
        if std::env::var_os("PATD_TEST_PLUGIN_DIR").is_some() {
            // `cargo xtask test` has built the whole workspace.
            return folder;
        }
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(other) => other,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--profile", profile]).current_dir(root());
        cargo.args(cargo_plugins().iter().flat_map(|name| ["-p", name]));
        assert!(cargo.status().expect("cargo runs").success(), "the plug-ins build");
        folder
    })
}

/// A folder of a test's own.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a scratch folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a built plug-in there; gives its file.
    pub(crate) fn install(&self, name: &str) -> PathBuf {
        let from = built().join(format!("lib{}.so", name.replace('-', "_")));
        self.install_file(&from, name)
    }

    pub(crate) fn install_file(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.path().join(format!("lib{name}.so"));
        std::fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        set_mode(&to, 0o755);
        to
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode");
}

/// Runs the kit on a file.
pub(crate) fn check(file: &Path, arguments: &[&str], kind: &str, sin: Option<&str>) -> Report {
    let mut kit = Command::new(env!("CARGO_BIN_EXE_patd-conformance"));
    kit.arg(file).args(["--output", "json"]).args(arguments);
    if !kind.is_empty() {
        kit.args(["--kind", kind]);
    }
    if let Some(sin) = sin {
        kit.env("PATD_FAULTY_SIN", sin);
    }
    let output = kit.output().expect("the kit runs");
    let report: Report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "the kit printed no report: {error}; {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    assert_eq!(
        output.status.code(),
        Some(i32::from(!report.is_good())),
        "the exit code tells of the summary"
    );
    report
}

/// The sins that the faulty plug-in names in its description.
pub(crate) fn sins(file: &Path) -> Vec<String> {
    let library = patd_plugin_host::probe::Library::open(file).expect("loads");
    let kind = patd_plugin_host::Kind::Hasher;
    let reply = library.factory(kind).expect("a hasher").describe(kind).expect("describe");
    let description: serde_json::Value = serde_json::from_slice(&reply.output).expect("JSON");
    let names = description["config_schema"]["properties"]["sin"]["enum"].as_array().expect("names");
    names.iter().filter_map(|name| name.as_str()).filter(|name| *name != "none").map(str::to_owned).collect()
}
