//! The data folder: whose it is, who can read what is secret in it, and how much room is left. Reads no file's content.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use patd_config::Config;

use super::Report;
use crate::data_dir::{KEY, SOCKET};

/// Less free room is a warning, and less than the second a failure: a store that cannot write refuses every change.
const LITTLE: u64 = 512 << 20;
const TOO_LITTLE: u64 = 64 << 20;

pub(super) fn look(config: &Config, report: &mut Report) {
    let folder = &config.server.data_dir;
    let meta = match std::fs::metadata(folder) {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return report.ok("data folder", format!("{} is made at the first start", folder.display()));
        }
        Err(e) => {
            let what = format!("{} cannot be looked at: {e}", folder.display());
            return report.fail(
                "data folder",
                what,
                "run this as the daemon's user, and see to the folders above it",
            );
        }
    };
    let (mode, owner, shown) = (meta.mode() & 0o7777, meta.uid(), folder.display());
    let own = rustix::process::geteuid().as_raw();
    let is = format!("{shown} has mode {mode:04o} and belongs to user id {owner}");
    if !meta.is_dir() {
        report.fail("data folder", format!("{shown} is no folder"), "correct server.data_dir");
    } else if owner != own && own != 0 {
        let todo =
            format!("run this and the daemon as that user, or give the folder to user id {own} (chown -R)");
        report.fail("data folder", is, todo);
    } else if mode & 0o022 != 0 {
        let todo = format!("chmod 700 {shown}: who can write here can put other stores and keys in place");
        report.fail("data folder", is, todo);
    } else if mode & 0o077 != 0 {
        report.warn("data folder", is, format!("chmod 700 {shown}: others see what lies in it"));
    } else {
        report.ok("data folder", is);
    }
    secrets(config, owner, report);
    room(folder, report);
}

/// Keys, the control socket and embedded stores are for their owner alone.
fn secrets(config: &Config, owner: u32, report: &mut Report) {
    let folder = &config.server.data_dir;
    let mut files = vec![config.audit.key_file(folder)];
    files.extend(entries(folder).into_iter().filter(|path| is_secret(path)));
    let below = entries(folder).into_iter().filter(|path| path.is_dir() && !path.is_symlink());
    files.extend(below.flat_map(|sub| entries(&sub)).filter(|path| is_store(path)));
    files.sort_unstable();
    files.dedup();
    let mut good = 0;
    for file in &files {
        let Ok(meta) = std::fs::symlink_metadata(file) else { continue };
        let (mode, shown) = (meta.mode() & 0o7777, file.display());
        if mode & 0o077 != 0 {
            let what = format!("{shown} can be used by others (mode {mode:04o})");
            report.fail(
                "secrets",
                what,
                format!("chmod 600 {shown}; a key that others may have read is to be replaced"),
            );
        } else if meta.uid() != owner {
            let what = format!("{shown} belongs to user id {}, the data folder to {owner}", meta.uid());
            report.fail("secrets", what, format!("chown it to user id {owner}, or the daemon cannot use it"));
        } else {
            good += 1;
        }
    }
    report.ok("secrets", format!("{good} files are for their owner alone"));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn is_secret(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name == KEY || name == SOCKET || is_store(path)
}

/// An embedded store's file, or what lies beside one.
fn is_store(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    [".db", ".db-wal", ".db-shm"].iter().any(|ending| name.ends_with(ending))
}

fn room(folder: &Path, report: &mut Report) {
    match rustix::fs::statvfs(folder) {
        Ok(found) => room_of(found.f_bavail.saturating_mul(found.f_frsize), folder, report),
        Err(e) => {
            let what = format!("how much is free under {} is not known: {e}", folder.display());
            report.warn("disk", what, "look with df");
        }
    }
}

fn room_of(free: u64, folder: &Path, report: &mut Report) {
    let what = format!("{} MiB are free under {}", free >> 20, folder.display());
    if free < TOO_LITTLE {
        report.fail("disk", what, "make room: a store that cannot write refuses every change");
    } else if free < LITTLE {
        report.warn("disk", what, "make room before the stores and audit files have filled it");
    } else {
        report.ok("disk", what);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn little_room_is_a_warning_and_too_little_a_failure() {
        let mib = 1 << 20;
        for (free, outcome) in [
            (0, Outcome::Fail),
            (63 * mib, Outcome::Fail),
            (64 * mib, Outcome::Warn),
            (511 * mib, Outcome::Warn),
            (512 * mib, Outcome::Ok),
        ] {
            let mut report = Report::default();
            room_of(free, Path::new("/data"), &mut report);
            let [line] = &report.0[..] else { panic!("one line: {:?}", report.0) };
            assert_eq!((line.outcome, line.todo.is_some()), (outcome, outcome != Outcome::Ok), "{line:?}");
            assert!(line.what.contains(&format!("{} MiB are free under /data", free / mib)), "{line:?}");
        }
    }
}
