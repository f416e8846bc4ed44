//! `[audit]`: how the audit trail is sealed.

use std::path::PathBuf;

use serde::Deserialize;

use crate::source::Check;

/// `[audit]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The file with the key that signs checkpoints; made at the first start. `{data_dir}` is replaced.
    pub signing_key: String,
}

impl Default for Audit {
    fn default() -> Self {
        Self { signing_key: "{data_dir}/audit.key".to_owned() }
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
