//! Why a command failed, and the exit code that says so.

use std::io;

use crate::problem::Problem;

/// Why a command failed. No variant holds a secret: what was sent is struck out of what came back (see `api`).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server said no.
    #[error("{}", .0.title)]
    Refused(Box<Problem>),
    /// The command line, or what was typed, makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Nobody answered at the server's address.
    #[error("cannot reach {server}: {cause}")]
    Unreachable { server: String, cause: String },
    /// Somebody answered, but not patd.
    #[error("{server} answered what patd does not answer: {what}")]
    NotPatd { server: String, what: String },
    /// A local file, or that there is none.
    #[error("{what}")]
    Local { what: String, source: Option<io::Error> },
    /// Standard output or error.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    pub(crate) fn local(what: impl Into<String>, source: io::Error) -> Self {
        Self::Local { what: what.into(), source: Some(source) }
    }

    /// As documented in `patctl --help`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::NotPatd { .. } => 3,
            Self::Local { .. } | Self::Output(_) => 4,
        }
    }

    /// Whether the reader of our output went away, which is its right.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What to do about it, where that is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => problem.advice(),
            Self::Usage(_) => {
                Some("`patctl help` shows the commands, `patctl COMMAND --help` an example of each")
            }
            Self::Unreachable { .. } => {
                Some("check the address (--server, PATCTL_SERVER) and that the daemon runs")
            }
            Self::NotPatd { .. } => Some(
                "check the address (--server, PATCTL_SERVER): a proxy or another service may answer there",
            ),
            Self::Local { .. } | Self::Output(_) => None,
        }
    }
}
