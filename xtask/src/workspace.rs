//! Where things lie: the checkout and Cargo's target directory, as Cargo itself sees them.
//!
//! Asking Cargo keeps `CARGO_TARGET_DIR`, `build.target-dir` and `--config` in force; no path is assembled from
//! guesses elsewhere.

use std::path::PathBuf;

use serde::Deserialize;

use crate::command::cargo;
use crate::failure::{Context, Failure};

/// A build profile that tasks offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Cargo's `dev`.
    Debug,
    /// Cargo's `release`.
    Release,
}

impl Profile {
    /// From a `--release` switch.
    pub(crate) fn from_release(release: bool) -> Self {
        if release { Self::Release } else { Self::Debug }
    }

    /// The folder below the target directory.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }

    /// What `cargo build` is told.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Debug => &[],
            Self::Release => &["--release"],
        }
    }
}

/// The checkout and its target directory.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Workspace {
    /// The folder with the root `Cargo.toml`.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where Cargo builds to.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks Cargo.
    pub(crate) fn find() -> Result<Self, Failure> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            return Err(Failure::new(format!(
                "cargo metadata failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        serde_json::from_slice(&output.stdout).context("cargo metadata answered something unexpected")
    }

    /// Where binaries of a profile lie.
    pub(crate) fn profile_dir(&self, profile: Profile) -> PathBuf {
        self.target.join(profile.folder())
    }

    /// Where `plugins build` puts the plug-ins of a profile.
    pub(crate) fn plugin_dir(&self, profile: Profile) -> PathBuf {
        self.profile_dir(profile).join("plugins")
    }

    /// A binary of a profile, built or not.
    pub(crate) fn bin(&self, profile: Profile, name: &str) -> PathBuf {
        self.profile_dir(profile).join(name)
    }
}
