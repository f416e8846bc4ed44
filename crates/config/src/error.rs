//! What is wrong with a config file, said so that an editor can jump to it: `file:line: key: what`.
//!
//! Must never quote a value that is not what it should be: somebody may have pasted a secret in its place. Keys, and names
//! that the file itself defines, are told.

use std::fmt;
use std::path::PathBuf;

/// Why a config file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: cannot be read; does it exist, and may this user read it?", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file was read and says something that does not hold.
    #[error("{}", Lines(problems))]
    Refused {
        /// At least one, in the order of the file's sections.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// The single mistakes; empty if the file could not be read at all.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Refused { problems } => problems,
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1; `None` where the file says nothing about the matter.
    pub line: Option<usize>,
    /// The dotted key, `sites.acme.store`; empty where the text is not TOML.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

struct Lines<'a>(&'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}
