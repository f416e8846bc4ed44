//! `cargo xtask plugins`: builds the plug-ins and lays them where a daemon can open them.
//!
//! Cargo names a library `libstore_sql.so`; patd's config names the plug-in `store-sql`, so the copy is called
//! `libstore-sql.so`. Copies are replaced by renaming, never written in place: a daemon may be reading the old one.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Subcommand;
use sha2::{Digest, Sha256};

use crate::command::{cargo, run as run_command, succeeds};
use crate::failure::{Context, Failure};
use crate::workspace::{Profile, Workspace};
use crate::{out, template};

/// Never laid where a daemon looks: it misbehaves on purpose.
const FAULTY: &str = "faulty";

/// A plug-in of the checkout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    /// The folder's name, which is the plug-in's.
    pub(crate) name: String,
    /// Built by its own `build.sh OUTPUT` instead of Cargo.
    script: bool,
}

/// Every plug-in of the checkout: the folders below `plugins/` that hold a package or a `build.sh`, but for the faulty one.
pub(crate) fn sources(workspace: &Workspace) -> Result<Vec<Source>, Failure> {
    let folder = workspace.root.join("plugins");
    let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut sources: Vec<Source> = entries
        .context(format_args!("cannot list {}", folder.display()))?
        .into_iter()
        .filter_map(|entry| {
            let (package, script) = (entry.path().join("Cargo.toml"), entry.path().join("build.sh"));
            let name = entry.file_name().into_string().ok().filter(|name| name != FAULTY)?;
            (package.is_file() || script.is_file()).then(|| Source { name, script: !package.is_file() })
        })
        .collect();
    sources.sort_unstable();
    Ok(sources)
}

/// What `cargo build` is told: the packages among the plug-ins.
pub(crate) fn packages(sources: &[Source]) -> impl Iterator<Item = &str> {
    sources.iter().filter(|source| !source.script).flat_map(|source| ["--package", source.name.as_str()])
}

/// Tasks on the plug-ins.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Build the plug-ins into `<target>/<profile>/plugins` and print each path and SHA-256.
    Build {
        /// Build with optimisation.
        #[arg(long)]
        release: bool,
    },
    /// Write the frame of a new plug-in into plugins/<NAME>; it compiles, and its tests pass.
    New {
        /// What it is.
        kind: template::Kind,
        /// Its name, e.g. hasher-scrypt.
        name: String,
    },
}

/// A plug-in file as a config names it.
#[derive(Debug, Clone)]
pub(crate) struct Plugin {
    /// The name in the config (`hasher-pbkdf2`).
    pub(crate) name: String,
    /// The file a daemon opens.
    pub(crate) path: PathBuf,
    /// The pin.
    pub(crate) sha256: String,
}

/// Runs the task.
pub(crate) fn run(task: &Task) -> Result<(), Failure> {
    match task {
        Task::Build { release } => {
            let workspace = Workspace::find()?;
            let profile = Profile::from_release(*release);
            let sources = sources(&workspace)?;
            out::step(format_args!("building {} plug-ins ({})", sources.len(), profile.folder()));
            let mut build = cargo();
            build.current_dir(&workspace.root).arg("build").args(profile.arguments());
            build.args(packages(&sources));
            run_command(&mut build)?;
            for plugin in install(&workspace, profile)? {
                out::line(format_args!("{}  {}", plugin.sha256, plugin.path.display()));
            }
            Ok(())
        }
        Task::New { kind, name } => {
            let root = Workspace::find()?.root;
            for file in template::write(&root.join("plugins"), *kind, name)? {
                out::line(file.display());
            }
            // Where lines break depends on the name.
            if !succeeds(cargo().current_dir(&root).args(["fmt", "--package", name])) {
                out::warn(format_args!("cargo fmt --package {name} failed; run it before the tests"));
            }
            out::good(format_args!("now: cargo test -p {name}; what it must do is in plugins/README.md"));
            Ok(())
        }
    }
}

/// Builds what Cargo does not, and copies everything into the plug-in folder.
pub(crate) fn install(workspace: &Workspace, profile: Profile) -> Result<Vec<Plugin>, Failure> {
    let folder = workspace.plugin_dir(profile);
    fs::create_dir_all(&folder).context(format_args!("cannot make {}", folder.display()))?;
    set_mode(&folder, 0o755)?;
    warn_of_group_writable_parents(&folder);
    sources(workspace)?.into_iter().map(|source| install_one(workspace, profile, &folder, source)).collect()
}

fn install_one(
    workspace: &Workspace,
    profile: Profile,
    folder: &Path,
    Source { name, script }: Source,
) -> Result<Plugin, Failure> {
    let built = workspace.profile_dir(profile).join(format!("lib{}.so", name.replace('-', "_")));
    if script {
        let script = workspace.root.join("plugins").join(&name).join("build.sh");
        run_command(Command::new("sh").arg(script).arg(&built))?;
    }
    let path = folder.join(format!("lib{name}.so"));
    let wanted = digest(&built)?;
    if digest(&path).ok().as_deref() != Some(wanted.as_str()) {
        let fresh = folder.join(format!(".lib{name}.so.new"));
        fs::copy(&built, &fresh).context(format_args!(
            "cannot copy {} to {}",
            built.display(),
            fresh.display()
        ))?;
        set_mode(&fresh, 0o755)?;
        fs::rename(&fresh, &path).context(format_args!("cannot put {} in place", path.display()))?;
    }
    set_mode(&path, 0o755)?;
    Ok(Plugin { name, path, sha256: wanted })
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .context(format_args!("cannot set mode {mode:o} on {}", path.display()))
}

/// The daemon refuses plug-ins below a folder that others may write to; say so before it does.
fn warn_of_group_writable_parents(folder: &Path) {
    for parent in folder.ancestors() {
        let Ok(metadata) = fs::metadata(parent) else { continue };
        let mode = metadata.permissions().mode();
        if mode & 0o022 != 0 && mode & 0o1000 == 0 {
            out::warn(format_args!(
                "{} is writable by its group or by others, so patd will refuse the plug-ins below it: run `chmod go-w {}`",
                parent.display(),
                parent.display()
            ));
        }
    }
}

/// The SHA-256 of a file, in lower-case hexadecimal.
fn digest(path: &Path) -> Result<String, Failure> {
    let mut file = fs::File::open(path).context(format_args!("cannot open {}", path.display()))?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut HashWriter(&mut hasher))
        .context(format_args!("cannot read {}", path.display()))?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_but_the_faulty_one_is_a_plug_in() {
        let sources = sources(&Workspace::find().expect("a workspace")).expect("a list");
        let packages: Vec<&str> = packages(&sources).filter(|word| !word.starts_with("--")).collect();
        let hashers = ["hasher-pbkdf2", "hasher-argon2id", "hasher-hmac"];
        let others = ["store-sql", "audit-file", "audit-webhook", "audit-syslog", "audit-email"];
        for name in hashers.into_iter().chain(others) {
            assert!(packages.contains(&name), "{name}");
        }
        assert!(sources.iter().all(|source| source.name != FAULTY));
        let in_c: Vec<_> = sources.iter().filter(|source| source.script).map(|source| &source.name).collect();
        assert_eq!(in_c, ["example-hasher-c", "example-sink-c"]);
    }

    #[test]
    fn the_examples_in_c_build_without_a_warning_and_show_one_symbol() {
        let root = Workspace::find().expect("a workspace").root;
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("plugin.so");
        let run = |command: &mut Command| {
            let output = command.output().expect("it runs; `cargo xtask test` installs a C compiler");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("text")
        };
        for name in ["example-hasher-c", "example-sink-c"] {
            let script = root.join("plugins").join(name).join("build.sh");
            run(Command::new("sh").arg(script).arg(&library).env("WERROR", "1"));
            let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
            assert_eq!(symbols.lines().count(), 1, "{name}: {symbols}");
            assert!(symbols.trim().ends_with("patd_plugin_v1"), "{name}: {symbols}");
        }
    }
}
