//! Who could have written the file: the folder chain and the open file. Must never decide by path what the open file can
//! tell: a path may lead elsewhere a moment later.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{LoadError, LoadErrorKind, Subject};

/// Largest library that is read.
const MAX_FILE: u64 = 512 << 20;
const STICKY: u32 = 0o1000;
const OTHERS_WRITE: u32 = 0o022;

/// Checks the folder of the file and every parent up to `/`.
pub(crate) fn folders(subject: &Subject, file: &Path) -> Result<(), LoadError> {
    let refuse = |found: String, action: &str| {
        subject.refuse(
            LoadErrorKind::Directory,
            "folders that only root or the daemon's user can write, all the way up",
            found,
            action,
        )
    };
    let plain = file.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !file.is_absolute() || !plain {
        return Err(refuse(
            "a path that is not absolute and plain".into(),
            "Set plugins.dir to an absolute path.",
        ));
    }
    for (depth, folder) in file.ancestors().skip(1).enumerate() {
        let shown = folder.display();
        let metadata = folder.symlink_metadata().map_err(|error| {
            refuse(format!("{shown}: {error}"), "Check plugins.dir in the configuration.")
        })?;
        if metadata.is_symlink() {
            return Err(refuse(
                format!("{shown} is a symbolic link"),
                "Name the folder that the link leads to in plugins.dir.",
            ));
        }
        if !metadata.is_dir() {
            return Err(refuse(format!("{shown} is no folder"), "Check plugins.dir in the configuration."));
        }
        if let Some(stranger) = stranger(&metadata) {
            return Err(refuse(
                format!("{shown} belongs to user {stranger}"),
                "Give it to root or to the daemon's user (chown).",
            ));
        }
        // In a sticky parent like /tmp others cannot rename what is not theirs.
        let sticky = depth > 0 && metadata.mode() & STICKY != 0;
        if metadata.mode() & OTHERS_WRITE != 0 && !sticky {
            return Err(refuse(
                format!("{shown} has mode {:04o}", metadata.mode() & 0o7777),
                "Take the write permission from group and others (chmod go-w).",
            ));
        }
    }
    Ok(())
}

/// Opens the file without following a link, then checks what was opened.
pub(crate) fn open(subject: &Subject, path: &Path) -> Result<File, LoadError> {
    let refuse = |found: String, action: &str| {
        subject.refuse(
            LoadErrorKind::File,
            "a regular file that only root or the daemon's user can write",
            found,
            action,
        )
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        Errno::LOOP => refuse("a symbolic link".into(), "Put the library itself into plugins.dir."),
        Errno::NXIO => refuse("a socket".into(), "Put the library itself into plugins.dir."),
        Errno::NOENT => refuse("no file".into(), "Build or install the plug-in, or correct its name."),
        other => refuse(other.to_string(), "Check the file's permissions."),
    })?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(|error| refuse(error.to_string(), "Check the file system."))?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a folder" } else { "a pipe or device" };
        return Err(refuse(found.into(), "Put the library itself into plugins.dir."));
    }
    if let Some(stranger) = stranger(&metadata) {
        return Err(refuse(
            format!("a file of user {stranger}"),
            "Give it to root or to the daemon's user (chown).",
        ));
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(refuse(
            format!("mode {:04o}", metadata.mode() & 0o7777),
            "Take the write permission from group and others (chmod go-w).",
        ));
    }
    if metadata.len() > MAX_FILE {
        return Err(refuse(format!("{} bytes", metadata.len()), "A plug-in has at most 512 MiB."));
    }
    Ok(file)
}

/// The owner, when it is neither root nor the daemon's user.
pub(crate) fn stranger(metadata: &Metadata) -> Option<u32> {
    let owner = metadata.uid();
    (owner != 0 && owner != rustix::process::geteuid().as_raw()).then_some(owner)
}
