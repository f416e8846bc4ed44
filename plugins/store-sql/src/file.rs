//! The file of an embedded store: made for its owner's eyes only, open once per process, connected with the pragmas
//! that R6 (durable before said) needs.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use crate::error::Error;

/// Connections that nobody used for this long are closed, so that idle sites hold no threads and no files.
const IDLE: Duration = Duration::from_secs(60);
/// How long a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);

static OPEN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// Keeps a second instance of this process away from the same file.
#[derive(Debug)]
pub(crate) struct Claim(PathBuf);

impl Claim {
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(|error| unusable(path, &error))?;
        let path = fs::canonicalize(&path).unwrap_or(path);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get_or_insert_default().insert(path.clone()) {
            Ok(Self(path))
        } else {
            Err(Error::Invalid(format!(
                "{} is open in another store instance; stop that one first",
                path.display()
            )))
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.get_or_insert_default().remove(&self.0);
    }
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    Error::Unavailable(format!("{} cannot be used: {error}", path.display()))
}

/// Makes the file (0600) and its folders (0700) where they are missing, durably; tightens a file that others can read.
pub(crate) fn prepare(path: &Path) -> Result<(), Error> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(|error| unusable(parent, &error))?;
    match create_new(path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let meta = fs::metadata(path).map_err(|error| unusable(path, &error))?;
            if meta.is_file() && meta.permissions().mode() & 0o077 != 0 {
                // By name: opening and closing a database file would drop SQLite's locks on it.
                fs::set_permissions(path, fs::Permissions::from_mode(0o600))
                    .map_err(|error| unusable(path, &error))?;
            }
            Ok(())
        }
        Err(error) => Err(unusable(path, &error)),
    }
}

/// Makes an empty file that only its owner can read.
pub(crate) fn create_new(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

/// Makes the file's name durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| unusable(parent, &error))
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// The one writer.
    Write,
    /// One of so many readers.
    Read(u32),
    /// A look at a file that may have no schema, or a backup.
    Look,
}

/// Connects to a file that exists.
pub(crate) async fn connect(path: &Path, purpose: Use) -> Result<DatabaseConnection, Error> {
    let mut options = ConnectOptions::new("sqlite://by-path");
    options
        .max_connections(if let Use::Read(readers) = purpose { readers } else { 1 })
        .min_connections(0)
        .acquire_timeout(ACQUIRE)
        .connect_timeout(ACQUIRE)
        .idle_timeout(IDLE)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    let path = path.to_owned();
    options.map_sqlx_sqlite_opts(move |sqlite| {
        let sqlite = sqlite
            .filename(&path)
            .create_if_missing(false)
            .busy_timeout(Duration::from_secs(5))
            .pragma("temp_store", "MEMORY");
        match purpose {
            Use::Write => sqlite
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
                // Pages; a group of sign-ins may write a thousand, and a checkpoint for each would write all twice.
                .pragma("wal_autocheckpoint", "4000")
                .pragma("journal_size_limit", "67108864"),
            Use::Read(_) => sqlite.pragma("query_only", "ON"),
            Use::Look => sqlite,
        }
    });
    Ok(Database::connect(options).await?)
}
