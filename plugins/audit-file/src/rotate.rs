//! Rotation: a log that is long enough gets a number behind its name and gives way to a new one.
//!
//! Numbers rise, so no file is ever renamed twice and the oldest has the lowest. Everything here blocks; it must never touch
//! a file that is not `<name>.<number>` beside the log.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// When a log is rotated, and what stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Rotation {
    /// Bytes that a log may have; without it a log is never rotated.
    pub(crate) max_size: Option<u64>,
    /// Rotated files that stay; without it all of them.
    pub(crate) max_files: Option<usize>,
}

impl Rotation {
    /// Whether a log with `length` bytes gives way before `more` are written. A single batch may be longer than a whole log.
    pub(crate) fn is_due(self, length: u64, more: u64) -> bool {
        self.max_size.is_some_and(|max| length > 0 && length.saturating_add(more) > max)
    }

    /// Rotates the log at `path`, which exists and is synced, and removes what is too much.
    pub(crate) fn rotate(self, path: &Path) -> io::Result<()> {
        let before = rotated(path)?;
        let number = before.last().map_or(1, |(number, _)| number + 1);
        std::fs::rename(path, numbered(path, number))?;
        let keep = self.max_files.unwrap_or(usize::MAX);
        for (_, old) in before.iter().take((before.len() + 1).saturating_sub(keep)) {
            std::fs::remove_file(old)?;
        }
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The rotated files of a log with their numbers, oldest first.
fn rotated(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let other = entry.file_name();
        let number = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
        let number = number.filter(|text| !text.starts_with(['0', '+'])).and_then(|text| text.parse().ok());
        all.extend(number.map(|number| (number, entry.path())));
    }
    all.sort_unstable();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_the_oldest_goes_first_and_other_files_stay() {
        let scratch = tempfile::tempdir().expect("scratch folder");
        let log = scratch.path().join("log");
        for other in ["log.0", "log.old", "log.2x", "other.1"] {
            std::fs::write(scratch.path().join(other), "mine").expect("writes");
        }
        let rotation = Rotation { max_size: Some(10), max_files: Some(2) };
        for content in ["a", "b", "c", "d"] {
            std::fs::write(&log, content).expect("writes");
            rotation.rotate(&log).expect("rotates");
        }
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("reads");
        let left: Vec<_> =
            rotated(&log).expect("lists").iter().map(|(number, path)| (*number, read(path))).collect();
        assert_eq!(left, [(3, "c".to_owned()), (4, "d".to_owned())]);
        for other in ["log.0", "log.old", "log.2x", "other.1"] {
            assert_eq!(read(&scratch.path().join(other)), "mine");
        }
    }

    #[test]
    fn a_log_gives_way_when_it_would_be_too_long_and_never_while_it_is_empty() {
        let rotation = Rotation { max_size: Some(10), max_files: None };
        assert!(!rotation.is_due(4, 6) && rotation.is_due(5, 6) && !rotation.is_due(0, 99));
        assert!(!Rotation::default().is_due(u64::MAX, 1));
    }
}
