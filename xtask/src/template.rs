//! `cargo xtask plugins new`: the frame of a plug-in, which compiles and whose tests pass.
//!
//! The texts lie in `xtask/templates`. Nothing has to be registered: every folder below `plugins/` is a member of the workspace
//! and is built by `plugins build`. Must never write over anything.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::failure::{Context, Failure};

/// The kinds of plug-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Makes digests of secrets.
    Hasher,
    /// Keeps rows.
    Store,
    /// Takes audit events.
    Audit,
}

const MANIFEST: &str = include_str!("../templates/Cargo.toml.in");

impl Kind {
    /// What `Cargo.toml` says it is.
    fn description(self) -> &'static str {
        match self {
            Self::Hasher => "Hasher plug-in",
            Self::Store => "Store plug-in",
            Self::Audit => "Audit sink plug-in",
        }
    }

    /// Dependencies with those of the tests, as the manifest has them.
    fn dependencies(self) -> String {
        let list = |names: &[&str]| names.iter().map(|name| format!("{name}.workspace = true\n")).collect();
        match self {
            Self::Hasher => {
                let plain: String = list(&["patd-sdk", "serde", "serde_json", "sha2", "base64"]);
                plain + "pbkdf2 = { workspace = true, features = [\"hmac\"] }\n"
            }
            Self::Store => list(&["patd-sdk", "patd-proto", "serde", "serde_json", "tokio"]),
            Self::Audit => {
                let plain: String = list(&["patd-sdk", "patd-proto", "serde", "serde_json", "tracing"]);
                let tests: String = list(&["tokio"]);
                plain + "\n[dev-dependencies]\n" + &tests
            }
        }
    }

    /// Files below `src/`.
    fn sources(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Hasher => &[
                ("lib.rs", include_str!("../templates/hasher.rs.in")),
                ("params.rs", include_str!("../templates/params.rs.in")),
                ("tests.rs", include_str!("../templates/hasher_tests.rs.in")),
            ],
            Self::Store => &[
                ("lib.rs", include_str!("../templates/store.rs.in")),
                ("tests.rs", include_str!("../templates/store_tests.rs.in")),
            ],
            Self::Audit => &[
                ("lib.rs", include_str!("../templates/audit.rs.in")),
                ("tests.rs", include_str!("../templates/audit_tests.rs.in")),
            ],
        }
    }
}

/// Writes the plug-in `name` into a new folder below `plugins`; gives the files.
pub(crate) fn write(plugins: &Path, kind: Kind, name: &str) -> Result<Vec<PathBuf>, Failure> {
    check_name(name)?;
    // Two packages of one name would stop every build of the workspace.
    let known = fs::read_to_string(plugins.with_file_name("Cargo.lock")).unwrap_or_default();
    if known.lines().any(|line| line == format!("name = \"{name}\"")) {
        return Err(Failure::new(format!("there is a package {name} already: choose another name")));
    }
    let folder = plugins.join(name);
    fs::create_dir(&folder)
        .context(format_args!("cannot make {} (choose another name?)", folder.display()))?;
    let mut written = Vec::new();
    let mut put = |path: PathBuf, template: &str| {
        let text = filled(template, kind, name);
        fs::write(&path, text).context(format_args!("cannot write {}", path.display()))?;
        written.push(path);
        Ok::<_, Failure>(())
    };
    put(folder.join("Cargo.toml"), MANIFEST)?;
    let src = folder.join("src");
    fs::create_dir(&src).context(format_args!("cannot make {}", src.display()))?;
    for (file, template) in kind.sources() {
        put(src.join(file), template)?;
    }
    Ok(written)
}

fn filled(template: &str, kind: Kind, name: &str) -> String {
    template
        .replace("@DEPENDENCIES@", &kind.dependencies())
        .replace("@DESCRIPTION@", kind.description())
        .replace("@TYPE@", &type_name(name))
        .replace("@NAME@", name)
}

/// A name that is a package, a file and an id of the ABI at once.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if plain && first && (3..=32).contains(&name.len()) && !name.ends_with('-') && !name.contains("--") {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{name:?} is no name for a plug-in: 3 to 32 of a-z, 0-9 and single `-`, beginning with a letter, e.g. hasher-scrypt"
    )))
}

/// `hasher-scrypt` as `HasherScrypt`.
fn type_name(name: &str) -> String {
    name.split('-')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;
    use crate::command::cargo;
    use crate::workspace::Workspace;

    const ALL: [(Kind, &str); 3] =
        [(Kind::Hasher, "hasher-fresh"), (Kind::Store, "store-fresh"), (Kind::Audit, "audit-fresh2")];

    #[test]
    fn a_frame_is_complete_and_never_written_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        for (kind, name) in ALL {
            let files = write(folder.path(), kind, name).expect("writes");
            for file in &files {
                let text = fs::read_to_string(file).expect("reads");
                let left = ["@NAME@", "@TYPE@", "@DESCRIPTION@", "@DEPENDENCIES@"];
                assert!(left.iter().all(|place| !text.contains(place)), "{}", file.display());
            }
            let manifest: toml::Table =
                fs::read_to_string(&files[0]).expect("reads").parse().expect("a manifest");
            assert_eq!(manifest["package"]["name"].as_str(), Some(name));
            let library = fs::read_to_string(folder.path().join(name).join("src/lib.rs")).expect("reads");
            assert!(library.contains(&format!("patd_sdk::export! {{ id: \"{name}\"")), "{library}");
            assert!(write(folder.path(), kind, name).is_err(), "{name} is there already");
        }
    }

    #[test]
    fn a_name_of_another_package_is_refused_and_nothing_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::copy(
            Workspace::find().expect("a workspace").root.join("Cargo.lock"),
            folder.path().join("Cargo.lock"),
        )
        .expect("copies");
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins).expect("a folder");
        for name in ["patd-sdk", "serde", "xtask"] {
            let refused = write(&plugins, Kind::Hasher, name).expect_err(name).to_string();
            assert!(refused.contains(&format!("a package {name} already")), "{refused}");
        }
        assert_eq!(fs::read_dir(&plugins).expect("the folder").count(), 0);
        write(&plugins, Kind::Hasher, "hasher-of-a-test").expect("another name is good");
    }

    #[test]
    fn names_are_packages_files_and_ids_at_once() {
        for name in ["", "ab", "Hasher", "-ab", "ab-", "a--b", "1ab", "a_b", "a.b", "../ab", &"a".repeat(33)]
        {
            assert!(check_name(name).is_err(), "{name}");
        }
        check_name("hasher-scrypt2").expect("a name");
        assert_eq!(type_name("hasher-scrypt2"), "HasherScrypt2");
    }

    /// In a workspace that is ours but for the plug-ins, with the same target directory: only the frames are compiled. Its
    /// place is always the same, so that Cargo knows it again.
    #[test]
    fn the_frames_compile_without_a_warning_and_their_tests_pass() {
        let ours = Workspace::find().expect("a workspace");
        let root = &ours.target.join("frames");
        let _ = fs::remove_dir_all(root);
        fs::create_dir_all(root).expect("a folder");
        for name in ["Cargo.toml", "Cargo.lock", "clippy.toml"] {
            fs::copy(ours.root.join(name), root.join(name)).expect("copies");
        }
        // The fuzz targets link the shipped plug-ins, which are not there.
        let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the manifest");
        let without = manifest.replace("\"tests/fuzz/targets\", ", "");
        assert_ne!(manifest, without, "the workspace's list of members");
        fs::write(root.join("Cargo.toml"), without).expect("writes");
        for name in ["crates", "migrations", "tests", "xtask", "config"] {
            symlink(ours.root.join(name), root.join(name)).expect("links");
        }
        fs::create_dir(root.join("plugins")).expect("a folder");
        let mut test: Command = cargo();
        test.current_dir(root).env("CARGO_TARGET_DIR", &ours.target);
        test.args(["test", "--quiet", "--offline"]);
        for (kind, name) in ALL {
            write(&root.join("plugins"), kind, name).expect("writes");
            test.args(["--package", name]);
        }
        let output = test.output().expect("cargo runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !text.contains("warning"), "{text}");
        assert!(text.matches("test result: ok").count() >= ALL.len(), "{text}");
    }
}
