//! The folder of one environment: what lies where, who may read it, who works on it now.
//!
//! Everything in it belongs to one person (0700): it holds passwords and tokens of sample accounts.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::daemon::Process;
use super::state::State;
use crate::failure::{Context, Failure};

/// How much of the daemon's log a failure shows.
const TAIL_LINES: usize = 30;

/// One environment's folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Names a folder; nothing is made.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it was ever made.
    pub(crate) fn exists(&self) -> bool {
        self.0.is_dir()
    }

    /// Makes it and the daemon's data folder.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        for path in [self.0.clone(), self.data_dir()] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .context(format_args!("cannot make {}", path.display()))?;
        }
        Ok(())
    }

    /// Deletes everything in it but the lock, which its caller holds.
    pub(crate) fn clear(&self) -> Result<(), Failure> {
        for entry in fs::read_dir(&self.0).context(format_args!("cannot list {}", self.0.display()))? {
            let path = entry.context(format_args!("cannot list {}", self.0.display()))?.path();
            if path == self.lock_file() {
                continue;
            }
            let deleted = if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            deleted.context(format_args!("cannot delete {}", path.display()))?;
        }
        Ok(())
    }

    fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Keeps other tasks off this folder until the file is dropped.
    pub(crate) fn lock(&self) -> Result<File, Failure> {
        let path = self.lock_file();
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .context(format_args!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::new(format!("another task is working on {} just now", self.0.display())))
            }
            Err(TryLockError::Error(error)) => {
                Err(Failure::new(format!("cannot lock {}: {error}", path.display())))
            }
        }
    }

    /// The daemon's config file.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("patd.toml")
    }

    /// The daemon's data folder.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The daemon's log.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("patd.log")
    }

    /// What scripts read.
    pub(crate) fn env_json(&self) -> PathBuf {
        self.0.join("env.json")
    }

    fn process_json(&self) -> PathBuf {
        self.0.join("process.json")
    }

    fn catchers_json(&self) -> PathBuf {
        self.0.join("catchers.json")
    }

    /// The last lines of the daemon's log.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// What an earlier task wrote into `env.json`.
    pub(crate) fn load_state(&self) -> Result<Option<State>, Failure> {
        load(&self.env_json())
    }

    /// Writes `env.json`.
    pub(crate) fn save_state(&self, state: &State) -> Result<(), Failure> {
        save(&self.env_json(), state)
    }

    /// The process that an earlier task started, alive or not; an unreadable record is none.
    pub(crate) fn process(&self) -> Option<Process> {
        load(&self.process_json()).ok().flatten()
    }

    /// Records a process that was started.
    pub(crate) fn save_process(&self, process: &Process) -> Result<(), Failure> {
        save(&self.process_json(), process)
    }

    /// Forgets a process that has ended.
    pub(crate) fn forget_process(&self) -> Result<(), Failure> {
        forget(&self.process_json())
    }

    /// The catchers that an earlier task started, alive or not.
    pub(crate) fn catchers(&self) -> Option<Process> {
        load(&self.catchers_json()).ok().flatten()
    }

    /// Records the catchers that were started.
    pub(crate) fn save_catchers(&self, process: &Process) -> Result<(), Failure> {
        save(&self.catchers_json(), process)
    }

    /// Forgets catchers that have ended.
    pub(crate) fn forget_catchers(&self) -> Result<(), Failure> {
        forget(&self.catchers_json())
    }
}

fn forget(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::new(format!("cannot delete {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Replaces a file in one step, readable by its owner only.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fresh = path.with_added_extension("new");
    let write = || {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        fs::rename(&fresh, path)
    };
    write().context(format_args!("cannot write {}", path.display()))
}

fn save(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let mut bytes =
        serde_json::to_vec_pretty(value).context(format_args!("cannot write {}", path.display()))?;
    bytes.push(b'\n');
    write_private(path, &bytes)
}

fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).context(format_args!(
            "{} is not what this task writes; `cargo xtask env reset` starts afresh",
            path.display()
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(format!("cannot read {}: {error}", path.display()))),
    }
}
