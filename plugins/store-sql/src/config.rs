//! The plug-in's configuration. Must never accept a key that it does not know.

use std::path::PathBuf;

use serde::Deserialize;

use crate::error::Error;

/// `[stores.*] config`, placeholders already replaced.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sqlite://` and a path.
    pub url: String,
    /// Connections that read, beside the one that writes.
    #[serde(default = "default_readers")]
    pub readers: u32,
}

fn default_readers() -> u32 {
    4
}

impl Config {
    /// A store at this path, everything else by default.
    #[must_use]
    pub fn at(path: &std::path::Path) -> Self {
        Self { url: format!("sqlite://{}", path.display()), readers: default_readers() }
    }

    /// The file of an embedded store.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the URL is of another kind.
    pub fn file(&self) -> Result<PathBuf, Error> {
        let scheme = self.url.split("://").next().unwrap_or_default();
        let Some(path) = self.url.strip_prefix("sqlite://") else {
            return Err(Error::Invalid(format!(
                "config: url begins with `{}`, this version knows `sqlite://` and a path only",
                scheme.chars().take(16).collect::<String>()
            )));
        };
        if path.is_empty()
            || path.contains(['?', '\0', '{'])
            || path.ends_with('/')
            || path.contains(":memory:")
        {
            return Err(Error::Invalid(
                "config: url must be `sqlite://` and the path of a file, without options or placeholders"
                    .to_owned(),
            ));
        }
        if !(1..=64).contains(&self.readers) {
            return Err(Error::Invalid("config: readers must be 1 to 64".to_owned()));
        }
        Ok(PathBuf::from(path))
    }
}
