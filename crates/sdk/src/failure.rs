//! Why a plug-in could not do what it was asked. The detail goes to the daemon's log: it must never hold a secret.

use patd_abi::{Status, status};

/// A failed call: a status of the ABI and one sentence for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    status: Status,
    detail: String,
}

impl Failure {
    /// The input is wrong; the same call fails again.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::with(status::INVALID, detail)
    }

    /// Not possible now; the same call may work later.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::with(status::UNAVAILABLE, detail)
    }

    /// The budget ran out; whether the work was done is unknown.
    #[must_use]
    pub fn timeout(detail: impl Into<String>) -> Self {
        Self::with(status::TIMEOUT, detail)
    }

    /// Too much in flight.
    #[must_use]
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::with(status::BUSY, detail)
    }

    /// Given up because the host asked for it.
    #[must_use]
    pub fn cancelled(detail: impl Into<String>) -> Self {
        Self::with(status::CANCELLED, detail)
    }

    /// The plug-in does not know the operation.
    #[must_use]
    pub fn unsupported(op: u32) -> Self {
        Self::with(status::UNSUPPORTED, format!("operation {op} is unknown to this plug-in"))
    }

    /// Any other failure.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::with(status::INTERNAL, detail)
    }

    /// The plug-in's own code panicked.
    #[must_use]
    pub fn panic(detail: impl Into<String>) -> Self {
        Self::with(status::PANIC, detail)
    }

    fn with(status: Status, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// Number of the ABI.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// The sentence for the log.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Failure {}
