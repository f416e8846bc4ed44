//! The daemon's own folder: its lock, its key file, its control socket.
//!
//! Whoever holds the lock may open the stores; two daemons on one folder are impossible.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use patd_service::ports::Random;
use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The opened and locked folder.
pub(crate) struct DataDir {
    path: PathBuf,
    /// The lock file, where there is one, and the folder itself.
    _locks: Vec<File>,
}

/// Who has a folder that a command only looks at.
pub(crate) enum Held {
    /// There is no folder, or an empty one.
    New,
    /// A running daemon.
    Daemon,
    /// This command, as long as it keeps this.
    Here(DataDir),
}

/// Locked by whoever uses the folder.
pub(crate) const LOCK: &str = "patd.lock";
/// The daemon's own key.
pub(crate) const KEY: &str = "patd.key";
/// How commands reach the daemon.
pub(crate) const SOCKET: &str = "control.sock";

/// Where the control socket of a data folder is.
pub(crate) fn control_socket(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET)
}

impl DataDir {
    /// Makes the folder (0700) if need be and takes its lock. `None` when a daemon holds it.
    pub(crate) fn lock(path: &Path) -> Result<Option<Self>, Failure> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|e| Failure::io("make the data folder", path, e))?;
        let file = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&file)
            .map_err(|e| Failure::io("open the lock file", &file, e))?;
        Self::locked(path, Some(lock))
    }

    /// Takes the lock of a folder; makes nothing. One without a lock file, as a backup that was put back is, is locked itself.
    pub(crate) fn look(path: &Path) -> Result<Held, Failure> {
        let file = path.join(LOCK);
        let lock = match OpenOptions::new().write(true).open(&file) {
            Ok(lock) => Some(lock),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                if !std::fs::read_dir(path).is_ok_and(|mut files| files.next().is_some()) {
                    return Ok(Held::New);
                }
                None
            }
            Err(e) => return Err(Failure::io("open the lock file", &file, e)),
        };
        Ok(Self::locked(path, lock)?.map_or(Held::Daemon, Held::Here))
    }

    /// Locks the folder as well: whoever looks at one that has no lock file yet must not have a daemon start on it meanwhile.
    fn locked(path: &Path, lock: Option<File>) -> Result<Option<Self>, Failure> {
        let folder = File::open(path).map_err(|e| Failure::io("open the data folder", path, e))?;
        let locks: Vec<_> = lock.into_iter().chain([folder]).collect();
        for lock in &locks {
            match flock(lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(e) => return Err(Failure::io("lock", path, e.into())),
            }
        }
        Ok(Some(Self { path: path.to_owned(), _locks: locks }))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the key file, or makes it at the first start.
    pub(crate) fn key(&self, random: &dyn Random) -> Result<Zeroizing<[u8; 32]>, Failure> {
        let path = self.path.join(KEY);
        let if_read = "remove it and start again (every session ends, TOTP must be enrolled anew)";
        if let Some(key) = read_key(&path, if_read)? {
            return Ok(key);
        }
        let mut key = Zeroizing::new([0; 32]);
        random.fill(&mut *key);
        replace(&path, &*key).map_err(|e| Failure::io("write the key file", &path, e))?;
        Ok(key)
    }
}

/// Puts a file (0600) in the place of what is there, whole and durably.
pub(crate) fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Reads a file of 32 secret bytes, which nobody else may be able to read. `None` when there is none.
pub(crate) fn read_key(path: &Path, if_read: &str) -> Result<Option<Zeroizing<[u8; 32]>>, Failure> {
    let mut key = Zeroizing::new([0; 32]);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Failure::io("open the key file", path, e)),
    };
    let meta = file.metadata().map_err(|e| Failure::io("look at", path, e))?;
    if meta.mode() & 0o077 != 0 {
        return Err(Failure::Start(format!(
            "the key file {} can be read by others (mode {:o}): chmod 600 it, and if somebody may have read it, {if_read}",
            path.display(),
            meta.mode() & 0o7777
        )));
    }
    file.read_exact(&mut *key).map_err(|e| Failure::io("read 32 bytes of", path, e))?;
    Ok(Some(key))
}
