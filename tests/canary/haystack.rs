//! All the bytes that are searched.

use std::collections::HashMap;
use std::path::Path;

use super::needle::Needles;

/// Named bytes.
#[derive(Default)]
pub(super) struct Haystack(Vec<(String, Vec<u8>)>);

impl Haystack {
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.0.push((name.to_owned(), bytes.to_vec()));
    }

    /// Every regular file below, but for plug-ins.
    pub(super) fn add_folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.display().to_string();
            self.add("a file's name", name.as_bytes());
            if path.is_dir() {
                self.add_folder(&path);
            } else if path.is_file() && path.extension().is_none_or(|extension| extension != "so") {
                self.add(&name, &std::fs::read(&path).expect("a file"));
            }
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Where which needle lies, with what stands before it.
    pub(super) fn search(&self, needles: &Needles) -> Vec<String> {
        let mut by_start: HashMap<[u8; 4], Vec<usize>> = HashMap::new();
        for (number, (_, bytes)) in needles.0.iter().enumerate() {
            if let Some(start) = bytes.first_chunk() {
                by_start.entry(*start).or_default().push(number);
            }
        }
        let mut found = Vec::new();
        for (name, bytes) in &self.0 {
            for (at, window) in bytes.windows(4).enumerate() {
                let Some(candidates) = window.first_chunk().and_then(|start| by_start.get(start)) else {
                    continue;
                };
                for number in candidates {
                    let (what, needle) = &needles.0[*number];
                    if bytes[at..].starts_with(needle) {
                        let before = String::from_utf8_lossy(&bytes[at.saturating_sub(200)..at]).into_owned();
                        found.push(format!("{what} in {name} after {before:?}"));
                    }
                }
            }
        }
        found
    }
}
