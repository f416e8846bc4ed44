//! What the configuration says of a plug-in file. Must never search: a plug-in is a file of the one plug-in folder.

use std::path::{Path, PathBuf};

/// A plug-in as the configuration names it.
#[derive(Debug, Clone)]
pub struct PluginSpec {
    /// The plug-in's name; the library must state it as its id.
    pub name: String,
    /// The library's absolute path.
    pub path: PathBuf,
    /// The expected SHA-256 in hex.
    pub sha256: Option<String>,
    /// Whether a missing pin is accepted; for development.
    pub allow_unpinned: bool,
    /// Folder of the daemon's private copies: `<runtime_dir>/plugins/<sha256>.so`.
    pub runtime_dir: PathBuf,
}

/// The library of the plug-in `name` in `dir`: `lib<name>.so`, or as cargo spells it with `_` for `-`. When neither is
/// there the first spelling is answered, so that the error names it.
#[must_use]
pub fn plugin_file(dir: &Path, name: &str) -> PathBuf {
    let plain = dir.join(format!("lib{name}.so"));
    let cargo = dir.join(format!("lib{}.so", name.replace('-', "_")));
    let there = |path: &Path| path.symlink_metadata().is_ok();
    if !there(&plain) && there(&cargo) { cargo } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_found_and_the_plain_one_wins() {
        let dir = tempfile::tempdir().expect("scratch folder");
        let file = |name: &str| dir.path().join(name);
        assert_eq!(plugin_file(dir.path(), "a-b"), file("liba-b.so"));
        std::fs::write(file("liba_b.so"), "").expect("writes");
        assert_eq!(plugin_file(dir.path(), "a-b"), file("liba_b.so"));
        std::fs::write(file("liba-b.so"), "").expect("writes");
        assert_eq!(plugin_file(dir.path(), "a-b"), file("liba-b.so"));
    }
}
