//! What a command can fail with, and its exit code. Messages say what happened, with which input, and what to do.

use std::path::Path;

/// A command's failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The config file.
    #[error(transparent)]
    Config(#[from] patd_config::ConfigError),
    /// The daemon cannot start.
    #[error("{0}")]
    Start(String),
    /// The daemon, or the use-case, refuses.
    #[error("{0}")]
    Refused(String),
    /// A file or socket.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Failure {
    pub(crate) fn io(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { what, path: path.display().to_string(), source }
    }

    /// The exit code: 1 refused, 2 usage or config, 3 start or system trouble.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Config(_) => 2,
            Self::Start(_) | Self::Io { .. } => 3,
        }
    }
}
