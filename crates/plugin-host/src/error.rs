//! Why a plug-in was not loaded and why a call gave nothing. Texts say what was expected, what was found and what to do;
//! they must never hold a secret.

use std::path::{Path, PathBuf};

use patd_abi::{Status, status};

use crate::settings::Violation;

/// At which check a plug-in was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// A folder on the way to the file is not safe.
    Directory,
    /// The file is missing, no regular file, or others may write it.
    File,
    /// The pin is missing or differs.
    Pin,
    /// The private copy could not be made.
    Copy,
    /// The dynamic loader refused the file.
    Open,
    /// It is no plug-in, or one of another ABI.
    Abi,
    /// It is another plug-in than the configuration names, or of another kind.
    Identity,
    /// Its description is not understood.
    Describe,
    /// Its description, or it, refused its configuration.
    Config,
    /// It failed its self-test.
    SelfTest,
    /// It did not start.
    Start,
    /// The process holds as many images of this plug-in as it may.
    Generations,
}

/// A plug-in that was refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(Box<Refusal>);

#[derive(Debug, Clone, thiserror::Error)]
#[error("plug-in {plugin} ({}): expected {expected}, found {found}. {action}", path.display())]
struct Refusal {
    plugin: String,
    path: PathBuf,
    kind: LoadErrorKind,
    expected: String,
    found: String,
    action: String,
    violations: Vec<Violation>,
}

impl LoadError {
    /// At which check.
    #[must_use]
    pub fn kind(&self) -> LoadErrorKind {
        self.0.kind
    }

    /// What in the configuration the plug-in's schema does not allow, if that is why.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    pub(crate) fn with(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    /// The same refusal with one more sentence.
    pub(crate) fn and(mut self, sentence: &str) -> Self {
        self.0.action = format!("{} {sentence}.", self.0.action);
        self
    }
}

/// Whom an error is about: the plug-in's name and its file.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) plugin: String,
    pub(crate) path: PathBuf,
}

impl Subject {
    pub(crate) fn new(plugin: &str, path: &Path) -> Self {
        Self { plugin: plugin.to_owned(), path: path.to_owned() }
    }

    pub(crate) fn refuse(
        &self,
        kind: LoadErrorKind,
        expected: impl Into<String>,
        found: impl Into<String>,
        action: impl Into<String>,
    ) -> LoadError {
        LoadError(Box::new(Refusal {
            plugin: self.plugin.clone(),
            path: self.path.clone(),
            kind,
            expected: expected.into(),
            found: found.into(),
            action: action.into(),
            violations: Vec::new(),
        }))
    }
}

/// A call that gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing was done; may be tried again later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// No answer in time after the request was handed over: whether the work was done is unknown.
    #[error("no answer in time, the outcome is unknown")]
    Timeout,
    /// Too much in flight; nothing was done.
    #[error("busy")]
    Busy,
    /// The plug-in refuses the input.
    #[error("refused: {0}")]
    Invalid(String),
    /// The plug-in does not know the operation.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// The plug-in panicked and is quarantined; whether the work was done is unknown.
    #[error("the plug-in panicked and is quarantined")]
    Panic,
    /// The plug-in failed, or answered nonsense.
    #[error("failed: {0}")]
    Internal(String),
}

impl CallError {
    /// The error of a status that is not OK.
    pub(crate) fn of(status: Status, detail: String) -> Self {
        match status {
            status::INVALID => Self::Invalid(detail),
            status::UNAVAILABLE => Self::Unavailable(detail),
            // Given up half-way: nobody knows how far it got.
            status::TIMEOUT | status::CANCELLED => Self::Timeout,
            status::PANIC => Self::Panic,
            status::UNSUPPORTED => Self::Unsupported(detail),
            status::BUSY => Self::Busy,
            status::INTERNAL => Self::Internal(detail),
            unknown => Self::Internal(format!("status {unknown} is unknown; {detail}")),
        }
    }
}
