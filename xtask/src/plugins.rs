//! `cargo xtask plugins`: builds the plug-ins and lays them where a daemon can open them.
//!
//! Cargo names a library `libstore_sql.so`; patd's config names the plug-in `store-sql`, so the copy is called
//! `libstore-sql.so`. Copies are replaced by renaming, never written in place: a daemon may be reading the old one.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use sha2::{Digest, Sha256};

use crate::command::{cargo, run as run_command};
use crate::failure::{Context, Failure};
use crate::out;
use crate::workspace::{Profile, Workspace};

/// Never laid where a daemon looks: it misbehaves on purpose.
const FAULTY: &str = "faulty";

/// Every plug-in of the checkout: the folders below `plugins/` that hold a package, but for the faulty one.
pub(crate) fn names(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let folder = workspace.root.join("plugins");
    let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut names: Vec<String> = entries
        .context(format_args!("cannot list {}", folder.display()))?
        .into_iter()
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name != FAULTY)
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Tasks on the plug-ins.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the plug-ins into `<target>/<profile>/plugins` and print each path and SHA-256.
    Build {
        /// Build with optimisation.
        #[arg(long)]
        release: bool,
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
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Build { release } => {
            let workspace = Workspace::find()?;
            let profile = Profile::from_release(*release);
            let names = names(&workspace)?;
            out::step(format_args!("building {} plug-ins ({})", names.len(), profile.folder()));
            let mut build = cargo();
            build.current_dir(&workspace.root).arg("build").args(profile.arguments());
            build.args(names.iter().flat_map(|name| ["--package", name]));
            run_command(&mut build)?;
            for plugin in install(&workspace, profile)? {
                out::line(format_args!("{}  {}", plugin.sha256, plugin.path.display()));
            }
            Ok(())
        }
    }
}

/// Copies what Cargo built into the plug-in folder.
pub(crate) fn install(workspace: &Workspace, profile: Profile) -> Result<Vec<Plugin>, Failure> {
    let folder = workspace.plugin_dir(profile);
    fs::create_dir_all(&folder).context(format_args!("cannot make {}", folder.display()))?;
    set_mode(&folder, 0o755)?;
    warn_of_group_writable_parents(&folder);
    names(workspace)?.into_iter().map(|name| install_one(workspace, profile, &folder, name)).collect()
}

fn install_one(
    workspace: &Workspace,
    profile: Profile,
    folder: &Path,
    name: String,
) -> Result<Plugin, Failure> {
    let built = workspace.profile_dir(profile).join(format!("lib{}.so", name.replace('-', "_")));
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
