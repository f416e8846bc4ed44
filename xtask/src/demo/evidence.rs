//! Looking at the daemon's files from outside, as somebody who stole the disk would.
//!
//! Plain byte searches: no SQLite library, no help from patd.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure};

/// Every regular file below a folder, with its bytes.
pub(crate) fn files(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).context(format_args!("cannot list {}", folder.display()))? {
            let path = entry.context(format_args!("cannot list {}", folder.display()))?.path();
            let kind =
                fs::symlink_metadata(&path).context(format_args!("cannot look at {}", path.display()))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                match fs::read(&path) {
                    Ok(bytes) => found.push((path, bytes)),
                    // Logs of a database come and go under our eyes.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        return Err(Failure::new(format!("cannot read {}: {error}", path.display())));
                    }
                }
            }
        }
    }
    Ok(found)
}

/// Whether the bytes hold the text anywhere.
pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len().max(1)).any(|window| window == text.as_bytes())
}

/// The stored digests (PHC strings of a scheme) in the bytes, each once, in order of appearance.
pub(crate) fn digests(bytes: &[u8], scheme: &str) -> Vec<String> {
    let start = format!("${scheme}$");
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(start.len()).position(|window| window == start.as_bytes()) {
        let digest: String = rest[at..]
            .iter()
            .map(|&byte| char::from(byte))
            .take_while(|c| c.is_ascii_alphanumeric() || "$=,+/.-_".contains(*c))
            .collect();
        rest = &rest[at + start.len()..];
        if !found.contains(&digest) {
            found.push(digest);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{contains, digests};

    #[test]
    fn a_digest_is_cut_out_of_the_bytes_around_it_and_told_once() {
        let bytes =
            b"\x00x$pbkdf2-sha256$i=1000$c2FsdA$aGFzaA\x01\x02$pbkdf2-sha256$i=1000$c2FsdA$aGFzaA\x01";
        assert_eq!(digests(bytes, "pbkdf2-sha256"), ["$pbkdf2-sha256$i=1000$c2FsdA$aGFzaA"]);
    }

    #[test]
    fn text_is_found_only_where_it_is() {
        assert!(contains(b"abcd", "bc") && !contains(b"abcd", "bd") && !contains(b"", "a"));
    }
}
