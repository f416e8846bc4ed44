//! The files of the audit trail's seal: the signing key, the public keys, and how far each store's chains are.
//!
//! The signing key (0600) never leaves its file and the daemon. Each file is replaced whole, so a crash leaves an old or a
//! new one.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use patd_config::Config;
use patd_service::ports::Random;
use patd_service::seal::chain::Notes;
use patd_service::seal::check::Head;
use patd_service::seal::keys::{Keys, KeysError, SigningKey};
use patd_service::sealer::{SealNotes, Signer};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::data_dir::{read_key, replace};
use crate::failure::Failure;

/// What to do about a key that others have seen.
const IF_READ: &str = "run `patd audit rotate-key`: who has it can forge what was sealed with it";

/// Where they are.
pub(crate) struct SealFiles {
    key: PathBuf,
    keys: PathBuf,
    heads: PathBuf,
}

impl SealFiles {
    /// Those of a config.
    pub(crate) fn of(config: &Config) -> Self {
        let data_dir = &config.server.data_dir;
        Self {
            key: config.audit.key_file(data_dir),
            keys: data_dir.join("audit.keys"),
            heads: data_dir.join("audit.heads"),
        }
    }

    /// The signing key with the public ones; makes the first at the first start.
    pub(crate) fn signer(&self, random: &dyn Random) -> Result<Signer, Failure> {
        let (seed, keys) = (read_key(&self.key, IF_READ)?, self.public_keys()?);
        let (key, keys) = match (seed, keys) {
            (Some(seed), Some(keys)) => {
                let key = SigningKey::from_seed(&seed);
                // A rotation that was cut short after the new key was handed over to.
                match (keys.must_end_with(&key), self.next_key()?) {
                    (Err(KeysError::NotOurs), Some(next)) if keys.must_end_with(&next).is_ok() => {
                        std::fs::rename(self.next(), &self.key)
                            .map_err(|e| Failure::io("put the new key in place of", &self.key, e))?;
                        (next, keys)
                    }
                    _ => (key, keys),
                }
            }
            (Some(seed), None) => {
                let key = SigningKey::from_seed(&seed);
                let keys = Keys::new(&key);
                self.keep_keys(&keys)?;
                (key, keys)
            }
            (None, Some(_)) => {
                return Err(Failure::Start(format!(
                    "the key {} that signs the audit trail is gone, but {} names it: put it back from a backup; without \
                     one, move {} and {} away, and the trail begins anew",
                    self.key.display(),
                    self.keys.display(),
                    self.keys.display(),
                    self.heads.display()
                )));
            }
            (None, None) => {
                let key = new_key(random, &self.key)?;
                let keys = Keys::new(&key);
                self.keep_keys(&keys)?;
                (key, keys)
            }
        };
        Signer::new(key, keys).map_err(|e| Failure::Start(format!("{}: {e}", self.key.display())))
    }

    /// Hands over to a new key and puts it in place of the old one, which is gone afterwards.
    pub(crate) fn rotate(&self, random: &dyn Random, old: &Signer) -> Result<(Signer, Value), Failure> {
        let refused = |e: KeysError| Failure::Refused(format!("{}: {e}", self.keys.display()));
        let new = new_key(random, &self.next())?;
        let keys = old.keys().hand_over(old.key(), &new).map_err(refused)?;
        self.keep_keys(&keys)?;
        std::fs::rename(self.next(), &self.key)
            .map_err(|e| Failure::io("put the new key in place of", &self.key, e))?;
        let told = json!({
            "old": old.key().id().to_string(), "new": new.id().to_string(), "public_keys": self.keys.clone(),
        });
        Ok((Signer::new(new, keys).map_err(refused)?, told))
    }

    /// The public keys; `None` before the first start.
    pub(crate) fn public_keys(&self) -> Result<Option<Keys>, Failure> {
        if self.keys.exists() { read_keys(&self.keys).map(Some) } else { Ok(None) }
    }

    /// How far the chains of a store were noted to be, and the first checkpoint that each should still have.
    pub(crate) fn noted(&self, store: &str) -> Result<Vec<(Head, u64)>, Failure> {
        let path = self.notes(store);
        let Some(text) = self.read(store).map_err(|e| Failure::io("read", &path, e))? else {
            return Ok(Vec::new());
        };
        let notes: Notes = serde_json::from_str(&text).map_err(|e| {
            Failure::Refused(format!("{} does not say how far a store is: {e}", path.display()))
        })?;
        Ok(notes.heads_and_beginnings())
    }

    fn keep_keys(&self, keys: &Keys) -> Result<(), Failure> {
        replace(&self.keys, keys.text().as_bytes()).map_err(|e| Failure::io("write", &self.keys, e))
    }

    fn next(&self) -> PathBuf {
        let mut next = self.key.as_os_str().to_owned();
        next.push(".next");
        next.into()
    }

    fn next_key(&self) -> Result<Option<SigningKey>, Failure> {
        Ok(read_key(&self.next(), IF_READ)?.map(|seed| SigningKey::from_seed(&seed)))
    }

    fn notes(&self, store: &str) -> PathBuf {
        self.heads.join(format!("{}.json", store.replace('/', ".")))
    }
}

/// Reads a list of public keys.
pub(crate) fn read_keys(path: &Path) -> Result<Keys, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::io("read the public keys", path, e))?;
    Keys::parse(&text).map_err(|e| Failure::Refused(format!("{}: {e}", path.display())))
}

fn new_key(random: &dyn Random, path: &Path) -> Result<SigningKey, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    random.fill(&mut *seed);
    replace(path, &*seed).map_err(|e| Failure::io("write the key file", path, e))?;
    Ok(SigningKey::from_seed(&seed))
}

impl SealNotes for SealFiles {
    fn read(&self, store: &str) -> std::io::Result<Option<String>> {
        match std::fs::read_to_string(self.notes(store)) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn keep(&self, store: &str, text: &str) -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.heads)?;
        replace(&self.notes(store), text.as_bytes())
    }
}
