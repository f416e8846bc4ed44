//! Builds the plug-ins once and copies them where a test wants them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use patd_plugin_host::{Image, Images, LoadError, PluginSpec, plugin_file};
use tempfile::TempDir;

/// The plug-in that Cargo does not build.
const IN_C: &str = "example-hasher-c";

fn in_c(folder: &Path) -> PathBuf {
    folder.join("deps").join(format!("lib{IN_C}-of-tests.so"))
}

/// The folder into which cargo built the plug-ins.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().expect("own path");
        let folder = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>").to_owned();
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(other) => other,
        };
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--profile", profile])
            .args(["-p", "hasher-pbkdf2", "-p", "audit-file", "-p", "faulty", "-p", "store-sql"])
            .args(["-p", "hasher-argon2id", "-p", "hasher-hmac"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the plug-ins build");
        // Not where `cargo xtask plugins build` writes; and renamed into place, as other test processes may read it.
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(IN_C).join("build.sh");
        let library = in_c(&folder);
        let fresh = library.with_extension(std::process::id().to_string());
        let status = Command::new("sh").arg(script).arg(&fresh).status().expect("sh runs");
        assert!(status.success(), "the plug-in in C builds");
        std::fs::rename(fresh, library).expect("renames");
        folder
    })
}

/// A plug-in folder and a runtime folder of a test's own.
pub(crate) struct World {
    pub(crate) root: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("scratch folder");
        std::fs::create_dir(root.path().join("plugins")).expect("folder");
        std::fs::set_permissions(root.path().join("plugins"), PermissionsExt::from_mode(0o755))
            .expect("mode");
        Self { root }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("plugins")
    }

    /// Installs a plug-in; gives its file.
    pub(crate) fn install(&self, name: &str) -> PathBuf {
        let to = self.dir().join(format!("lib{name}.so"));
        let from = if name == IN_C { in_c(built()) } else { plugin_file(built(), name) };
        std::fs::copy(from, &to).expect("copies");
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o644)).expect("mode");
        to
    }

    /// As the configuration would name it, unpinned.
    pub(crate) fn spec(&self, name: &str) -> PluginSpec {
        PluginSpec {
            name: name.to_owned(),
            path: plugin_file(&self.dir(), name),
            sha256: None,
            allow_unpinned: true,
            runtime_dir: self.root.path().join("run"),
        }
    }

    pub(crate) fn load(&self, name: &str) -> Result<Arc<Image>, LoadError> {
        self.install(name);
        Images.load(&self.spec(name))
    }
}
