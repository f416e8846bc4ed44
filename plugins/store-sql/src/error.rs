//! Why the engine gave no answer. Messages name files, tables and columns, never the content of a row.

use patd_sdk::Failure;
use sea_orm::{DbErr, RuntimeErr};

use crate::entity::Misfit;

/// Why the engine gave no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The configuration or the request is wrong; the same one fails again.
    Invalid(String),
    /// Nothing was done; may be tried again.
    Unavailable(String),
    /// A write may or may not have happened.
    Unknown(String),
    /// The store is broken.
    Failed(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(text) | Self::Unavailable(text) | Self::Unknown(text) | Self::Failed(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::invalid(text),
            Error::Unavailable(text) => Self::unavailable(text),
            Error::Unknown(text) => Self::timeout(text),
            Error::Failed(text) => Self::internal(text),
        }
    }
}

impl From<Misfit> for Error {
    fn from(misfit: Misfit) -> Self {
        Self::Failed(format!(
            "a row does not fit {}: it was changed by hand or the file is damaged",
            misfit.place
        ))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let text = error.to_string();
        if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) || passes(&error) {
            Self::Unavailable(text)
        } else {
            Self::Failed(text)
        }
    }
}

/// Whether the same statement may work later: locked, out of space, input/output.
fn passes(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))) = error
    else {
        return false;
    };
    let Some(code) =
        inner.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<u32>().ok())
    else {
        return false;
    };
    // Primary result codes BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
    matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14)
}
