//! `[audit]`: how the audit trail is sealed, and how long it is kept.

use std::path::PathBuf;

use serde::Deserialize;

use crate::source::Check;
use crate::span::Span;

/// `[audit]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The file with the key that signs checkpoints; made at the first start. `{data_dir}` is replaced.
    pub signing_key: String,
    /// How long events stay in the stores; for ever if not given.
    pub keep: Option<Span>,
}

/// Less than this, and a change whose outcome is unknown could come again after its event is gone.
const SHORTEST: Span = Span::seconds(10);

impl Default for Audit {
    fn default() -> Self {
        Self { signing_key: "{data_dir}/audit.key".to_owned(), keep: None }
    }
}

impl Audit {
    pub(crate) fn check(&self, check: &mut Check<'_>) {
        let absolute = self.signing_key.starts_with('/') || self.signing_key.starts_with("{data_dir}/");
        check.require(
            absolute,
            &["audit", "signing_key"],
            "must be an absolute path, or begin with `{data_dir}/`",
        );
        check.require(
            self.keep.is_none_or(|keep| keep >= SHORTEST),
            &["audit", "keep"],
            "must be at least \"10s\"; leave it out to keep events for ever",
        );
    }

    /// The file with the signing key.
    #[must_use]
    pub fn key_file(&self, data_dir: &std::path::Path) -> PathBuf {
        match self.signing_key.strip_prefix("{data_dir}/") {
            Some(name) => data_dir.join(name),
            None => PathBuf::from(&self.signing_key),
        }
    }
}
