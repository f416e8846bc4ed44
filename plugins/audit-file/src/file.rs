//! One log file: opening, repairing, appending. Everything here blocks; it must never run on an async thread.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Longest tail that is read to repair a file: longer than any line the daemon writes.
const MAX_TAIL: u64 = 8 << 20;

/// What makes a file this one, whatever its name.
type Identity = (u64, u64);

/// An open log.
pub(crate) struct Log {
    file: File,
    identity: Identity,
}

impl Log {
    /// Opens it, made and repaired as [`open`] says.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let identity = identity(&file.metadata()?);
        Ok(Self { file, identity })
    }

    /// Whether the name still leads to it: it was neither moved nor deleted, with or without another in its place.
    pub(crate) fn is_at(&self, path: &Path) -> io::Result<bool> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(identity(&found) == self.identity),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How many bytes it has.
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Appends whole lines and syncs them, to a file that still has a name.
    ///
    /// # Errors
    /// Also when it was deleted meanwhile: nobody will read what was written.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        append(&mut self.file, lines)?;
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(ErrorKind::NotFound, "the file was deleted while it was written"));
        }
        Ok(())
    }

    /// Puts everything on stable storage.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn identity(of: &Metadata) -> Identity {
    (of.dev(), of.ino())
}

/// Opens a file for appending, making it (0600) and its folders (0700) when absent, and repairs its last line.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let folder =
        path.parent().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path names no file"))?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let existed = path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if existed {
        repair(&mut file)?;
    } else {
        // The name itself must survive a power loss as well.
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

/// Ends the file with a whole line: a torn last line is cut, a whole one that only lacks its newline gets it.
fn repair(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(());
    }
    let begin = length.saturating_sub(MAX_TAIL);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(begin))?;
    (&*file).take(length - begin).read_to_end(&mut tail)?;
    if tail.last() == Some(&b'\n') {
        return Ok(());
    }
    let line = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if line == 0 && begin > 0 {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "the last line is longer than 8 MiB; this is not a log of patd, move the file away",
        ));
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&tail[line..]).is_ok() {
        file.write_all(b"\n")?;
    } else {
        file.set_len(begin + line as u64)?;
    }
    file.sync_all()
}

/// Appends whole lines and syncs them. After a failure the file is cut back to where it was, so no half line stays.
fn append(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        // The first error is the one to report; a tail that cannot be cut now is repaired at the next start.
        let _ = file.set_len(before);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn repaired(content: &str) -> String {
        let folder = tempfile::tempdir().expect("scratch folder");
        let path = folder.path().join("log");
        std::fs::write(&path, content).expect("writes");
        drop(open(&path).expect("opens"));
        std::fs::read_to_string(&path).expect("reads")
    }

    #[test]
    fn a_torn_last_line_is_cut_and_a_whole_one_completed() {
        assert_eq!(repaired("{\"a\":1}\n{\"b\":"), "{\"a\":1}\n");
        assert_eq!(repaired("{\"a\":1}\n{\"b\":2}"), "{\"a\":1}\n{\"b\":2}\n");
        assert_eq!(repaired("{\"a"), "");
        assert_eq!(repaired(""), "");
        assert_eq!(repaired("{}\n"), "{}\n");
    }

    #[test]
    fn folders_are_0700_and_files_0600() {
        let scratch = tempfile::tempdir().expect("scratch folder");
        let path = scratch.path().join("audit/deep/log");
        drop(open(&path).expect("opens"));
        let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&scratch.path().join("audit")), 0o700);
        assert_eq!(mode(&scratch.path().join("audit/deep")), 0o700);
    }
}
