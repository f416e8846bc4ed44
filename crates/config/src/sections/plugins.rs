//! `[plugins]`: where plug-ins lie and whether they must be pinned.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Span;
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
    /// Different builds of one plug-in that the process loads before it asks for a restart: memory of old ones is given
    /// back by a restart only.
    pub max_generations: u32,
    /// How long a plug-in may take to be made, tested and started when it is put in place of another.
    pub start_timeout: Span,
    /// How long requests inside an old instance may take to end, and the instance to stop.
    pub drain_timeout: Span,
    /// Digests that are given up, by `scheme` or `scheme kid=…`: nothing need be able to check them any more, and whoever
    /// has such a token or password is refused.
    pub abandoned_digests: Vec<String>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("/usr/lib/patd/plugins"),
            allow_unpinned: false,
            max_generations: 16,
            start_timeout: Span::seconds(60),
            drain_timeout: Span::seconds(30),
            abandoned_digests: Vec::new(),
        }
    }
}

impl Plugins {
    pub(crate) fn check(&self, check: &mut Check<'_>) {
        check.require(self.dir.is_absolute(), &["plugins", "dir"], "must be an absolute path");
        let path = |field| ["plugins", field];
        let count = (1..=1000).contains(&self.max_generations);
        check.require(count, &path("max_generations"), "must lie between 1 and 1000");
        let sensible = |span: Span| (Span::seconds(1)..=Span::minutes(60)).contains(&span);
        let message = "must lie between \"1s\" and \"60m\"";
        check.require(sensible(self.start_timeout), &path("start_timeout"), message);
        check.require(sensible(self.drain_timeout), &path("drain_timeout"), message);
    }

    /// The file of the plug-in `name`.
    #[must_use]
    pub fn file(&self, name: &Name) -> PathBuf {
        self.dir.join(Path::new(&format!("lib{name}.so")))
    }
}
