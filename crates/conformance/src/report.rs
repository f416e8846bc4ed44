//! What comes out: one entry per case and the sums. The JSON form is the interface of `plugin check --output json`; members
//! are only ever added.

use serde::{Deserialize, Serialize};

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// A promise is broken.
    Failed,
    /// The process of the case died.
    Crashed,
    /// Not applicable.
    Skipped,
    /// Allowed, but somebody should look.
    Warning,
}

impl Outcome {
    /// As reports spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
        }
    }

    /// Whether the plug-in must not be used.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Crashed)
    }
}

/// One case's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReport {
    /// The case; with its kind in brackets when the plug-in offers several.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, or what was seen; may be empty.
    pub detail: String,
    /// How long it took.
    pub ms: u64,
}

/// Which plug-in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginReport {
    /// Its id; empty when it could not be read.
    pub id: String,
    /// Its version; empty when it could not be read.
    pub version: String,
    /// `hasher`, `store`, `audit`; several joined by `+`; empty when none could be read.
    pub kind: String,
    /// Digest of its file.
    pub sha256: String,
}

/// How many cases ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// As it should be.
    pub passed: u32,
    /// A promise is broken.
    pub failed: u32,
    /// The process died.
    pub crashed: u32,
    /// Not applicable.
    pub skipped: u32,
    /// Somebody should look.
    pub warning: u32,
}

impl Summary {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Failed => &mut self.failed,
            Outcome::Crashed => &mut self.crashed,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Warning => &mut self.warning,
        } += 1;
    }
}

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which plug-in.
    pub plugin: PluginReport,
    /// The cases, in the order of their run; with `--only-failed` the bad ones only.
    pub cases: Vec<CaseReport>,
    /// The sums, over all cases that ran.
    pub summary: Summary,
}

impl Report {
    /// Whether nothing failed or crashed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.summary.failed == 0 && self.summary.crashed == 0
    }
}
