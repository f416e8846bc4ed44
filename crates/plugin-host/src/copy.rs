//! The private copy: what was hashed is what runs. It is named by its digest, so a path never stands for two contents;
//! glibc would run the old one. Must never let a copy appear under its final name before it is whole and synced.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::error::{LoadError, LoadErrorKind, Subject};
use crate::spec::PluginSpec;
use crate::{verify, verify::stranger};

/// A verified copy.
pub(crate) struct Copied {
    pub(crate) sha256: String,
    pub(crate) path: PathBuf,
}

/// Which file this is and since when it is as it is: equal ones have equal content, once a moment has passed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Cannot be set by whoever writes the file.
    changed: (i64, i64),
}

impl Identity {
    /// Whether the last change is so long ago that the next one would show.
    pub(crate) fn is_settled(&self) -> bool {
        #[expect(clippy::disallowed_methods, reason = "compared with a file's time, no rule decides by it")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_secs()).is_ok_and(|now| self.changed.0 + 1 < now)
    }
}

/// Checks who could have written the file of `spec`, and says which it is.
pub(crate) fn identity(subject: &Subject, spec: &PluginSpec) -> Result<Identity, LoadError> {
    verify::folders(subject, &spec.path)?;
    let file = verify::open(subject, &spec.path)?;
    let of = file.metadata().map_err(|error| {
        subject.refuse(LoadErrorKind::File, "a file", error.to_string(), "Check the file system.")
    })?;
    Ok(Identity {
        device: of.dev(),
        inode: of.ino(),
        size: of.size(),
        modified: (of.mtime(), of.mtime_nsec()),
        changed: (of.ctime(), of.ctime_nsec()),
    })
}

/// Checks the file of `spec`, its pin, and makes or reuses the private copy.
pub(crate) fn verified(subject: &Subject, spec: &PluginSpec) -> Result<Copied, LoadError> {
    verify::folders(subject, &spec.path)?;
    let mut source = verify::open(subject, &spec.path)?;
    let refuse = |what: &Path, error: &io::Error| {
        subject.refuse(
            LoadErrorKind::Copy,
            "a private copy in the daemon's runtime folder",
            format!("{}: {error}", what.display()),
            "Give the daemon a runtime folder that it owns and nobody else can write.",
        )
    };
    let folder = folder(&spec.runtime_dir);
    make_private(&folder).map_err(|error| refuse(&folder, &error))?;
    let incoming = Incoming::new(&folder);
    let sha256 = incoming.fill(&mut source).map_err(|error| refuse(&incoming.0, &error))?;
    check_pin(subject, spec, &sha256)?;
    let path = folder.join(format!("{sha256}.so"));
    match hash_existing(&path) {
        Ok(Some(found)) if found == sha256 => {}
        Ok(found) => {
            if found.is_some() {
                tracing::warn!(path = %path.display(), "a private copy was not what its name says; it is replaced");
            }
            File::open(&incoming.0)
                .and_then(|copy| copy.sync_all())
                .and_then(|()| std::fs::rename(&incoming.0, &path))
                .and_then(|()| File::open(&folder)?.sync_all())
                .map_err(|error| refuse(&path, &error))?;
        }
        Err(error) => return Err(refuse(&path, &error)),
    }
    Ok(Copied { sha256, path })
}

pub(crate) fn check_pin(subject: &Subject, spec: &PluginSpec, sha256: &str) -> Result<(), LoadError> {
    match &spec.sha256 {
        Some(pin) if pin.eq_ignore_ascii_case(sha256) => Ok(()),
        Some(pin) => Err(subject.refuse(
            LoadErrorKind::Pin,
            format!("sha256 {pin}"),
            format!("sha256 {sha256}"),
            "If you replaced the plug-in on purpose, put the digest that was found into the configuration.",
        )),
        None if spec.allow_unpinned => {
            tracing::warn!(plugin = spec.name, sha256, "the plug-in runs without a pin (allow_unpinned)");
            Ok(())
        }
        None => Err(subject.refuse(
            LoadErrorKind::Pin,
            "a sha256 pin in the configuration",
            "none",
            format!("Add `sha256 = \"{sha256}\"` to its section, or allow_unpinned = true for development."),
        )),
    }
}

/// Where the copies lie.
pub(crate) fn folder(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("plugins")
}

/// Makes the folder with mode 0700, or checks that it is ours alone.
fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = folder.symlink_metadata()?;
    if !metadata.is_dir() || stranger(&metadata).is_some() || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others can write this folder, or it is not ours",
        ));
    }
    Ok(())
}

/// The digest of a copy that an earlier start left; `None` when there is none.
fn hash_existing(path: &Path) -> io::Result<Option<String>> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, rustix::fs::Mode::empty()) {
        Ok(file) => stream(&mut File::from(file), &mut io::sink()).map(Some),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Copies and hashes in one pass.
fn stream(from: &mut File, to: &mut impl Write) -> io::Result<String> {
    let mut hash = Sha256::new();
    // On the stack: large blocks that come and go on many threads leave holes in the heap behind.
    let mut buffer = [0; 1 << 16];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A copy under way; removed when it did not reach its final name.
struct Incoming(PathBuf);

impl Incoming {
    fn new(folder: &Path) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(folder.join(format!(".incoming-{}-{number}", std::process::id())))
    }

    fn fill(&self, source: &mut File) -> io::Result<String> {
        // Left by a killed process that had our number.
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0)?;
        let sha256 = stream(source, &mut copy)?;
        copy.set_permissions(Permissions::from_mode(0o500))?;
        Ok(sha256)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
