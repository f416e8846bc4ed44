//! `[leaks]`: whose reports of leaked secrets are believed beyond what anybody may send.

use serde::Deserialize;

use crate::source::Check;

/// `[leaks]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Leaks {
    /// Public keys of GitHub's secret scanning.
    pub github_keys: Vec<LeakKey>,
}

/// One public key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakKey {
    /// The identifier that the sender names it by.
    pub id: String,
    /// The key.
    pub key: KeyText,
}

/// A public key in PEM, or where it lies. It is no secret: anybody may read the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum KeyText {
    /// Here.
    Pem(String),
    /// In a file.
    File(KeyFile),
}

/// Where a public key lies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// The file with the PEM text.
    pub from_file: std::path::PathBuf,
}

impl Leaks {
    pub(crate) fn check(&self, check: &mut Check<'_>) {
        for (index, key) in self.github_keys.iter().enumerate() {
            let at = format!("[{index}]");
            let fits = !key.id.is_empty() && key.id.bytes().all(|b| b.is_ascii_graphic());
            check.require(
                fits,
                &["leaks", "github_keys", &at, "id"],
                "must be printable ASCII without blanks",
            );
            let twice = self.github_keys[..index].iter().any(|other| other.id == key.id);
            check.require(!twice, &["leaks", "github_keys", &at, "id"], "is there twice");
        }
    }
}
