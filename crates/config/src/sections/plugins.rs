//! `[plugins]`: where plug-ins lie and whether they must be pinned.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::names::Name;
use crate::source::Check;

/// `[plugins]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// The one folder that plug-ins are loaded from.
    pub dir: PathBuf,
    /// Whether a plug-in without `sha256` may be loaded. For development only.
    pub allow_unpinned: bool,
}

impl Default for Plugins {
    fn default() -> Self {
        Self { dir: PathBuf::from("/usr/lib/patd/plugins"), allow_unpinned: false }
    }
}

impl Plugins {
    pub(crate) fn check(&self, check: &mut Check<'_>) {
        check.require(self.dir.is_absolute(), &["plugins", "dir"], "must be an absolute path");
    }

    /// The file of the plug-in `name`.
    #[must_use]
    pub fn file(&self, name: &Name) -> PathBuf {
        self.dir.join(Path::new(&format!("lib{name}.so")))
    }
}
