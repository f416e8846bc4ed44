//! The session that `login` keeps: `$XDG_CONFIG_HOME/patctl/session.json`, mode 0600.
//!
//! Must never be written so that anybody else could read it, not even for a moment, and is not read if somebody can.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What is kept. No `Debug`: the credential is in it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) server: String,
    pub(crate) site: String,
    pub(crate) username: String,
    pub(crate) expires_at: String,
    pub(crate) credential: String,
}

/// The place of the session file.
pub(crate) struct SessionFile(PathBuf);

impl SessionFile {
    /// After the XDG rules: an empty or relative `$XDG_CONFIG_HOME` does not count.
    pub(crate) fn locate() -> Result<Self, Failure> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder =
            absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let hint =
            "neither XDG_CONFIG_HOME nor HOME is an absolute path: there is no place to keep a session";
        folder
            .map(|folder| Self::below(&folder))
            .ok_or_else(|| Failure::Local { what: hint.to_owned(), source: None })
    }

    pub(crate) fn below(folder: &Path) -> Self {
        Self(folder.join("patctl").join("session.json"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The kept session; `None` if there is none.
    pub(crate) fn load(&self) -> Result<Option<Session>, Failure> {
        let cannot = |e| Failure::local(format!("cannot read {}", self.0.display()), e);
        let file = match fs::File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot(error)),
        };
        let mode = file.metadata().map_err(cannot)?.permissions().mode();
        if mode & 0o077 != 0 {
            let what = format!(
                "{} can be read by others (mode {:03o}); `chmod 600` it, or sign in again",
                self.0.display(),
                mode & 0o777
            );
            return Err(Failure::Local { what, source: None });
        }
        let broken = || format!("{} holds no session; remove it and sign in again", self.0.display());
        serde_json::from_reader(io::BufReader::new(file))
            .map(Some)
            .map_err(|_| Failure::Local { what: broken(), source: None })
    }

    /// Keeps `session` in place of any other: written beside, then renamed.
    pub(crate) fn save(&self, session: &Session) -> Result<(), Failure> {
        self.try_save(session).map_err(|e| Failure::local(format!("cannot write {}", self.0.display()), e))
    }

    fn try_save(&self, session: &Session) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let beside = self.0.with_extension(format!("json.{}", std::process::id()));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(&serde_json::to_vec_pretty(session)?)?;
            file.sync_all()?;
            fs::rename(&beside, &self.0)
        })();
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    /// Forgets the session; whether there was one.
    pub(crate) fn forget(&self) -> Result<bool, Failure> {
        match fs::remove_file(&self.0) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::local(format!("cannot remove {}", self.0.display()), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let text = |text: &str| text.to_owned();
        Session {
            server: text("http://x"),
            site: text("acme"),
            username: text("ada"),
            expires_at: text("2026-01-01T00:00:00Z"),
            credential: text("secret"),
        }
    }

    #[test]
    fn a_session_is_kept_for_its_owner_alone_and_forgotten_again() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let file = SessionFile::below(folder.path());
        assert!(file.load().is_ok_and(|session| session.is_none()));
        file.save(&session()).expect("saved");
        file.save(&session()).expect("saved over");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(file.path()), 0o600);
        assert_eq!(mode(file.path().parent().expect("a folder")), 0o700);
        assert!(
            file.load().is_ok_and(|session| session.is_some_and(|session| session.credential == "secret"))
        );
        assert!(file.forget().is_ok_and(|was| was) && file.forget().is_ok_and(|was| !was));
        assert_eq!(fs::read_dir(file.path().parent().expect("a folder")).expect("there").count(), 0);
    }

    #[test]
    fn a_session_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let file = SessionFile::below(folder.path());
        file.save(&session()).expect("saved");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).expect("changed");
        assert!(
            file.load().is_err_and(|failure| failure.exit_code() == 4 && failure.to_string().contains("640"))
        );
    }

    #[test]
    fn a_broken_session_file_is_told_without_its_content() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let file = SessionFile::below(folder.path());
        file.save(&session()).expect("saved");
        fs::write(file.path(), "{\"credential\": \"secret\"").expect("broken");
        assert!(file.load().is_err_and(|failure| !format!("{failure:?}").contains("secret")));
    }
}
