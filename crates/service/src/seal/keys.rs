//! Keys of the seal: what signs checkpoints, and the list of public keys by which they are checked.
//!
//! The first key of a list is trusted because the list is; each later one was handed over to by the one before it, with a
//! signature. So nobody who holds none of the keys can add one. A signing key never leaves [`SigningKey`].

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Stands before everything that is signed when one key hands over to the next.
const HAND_OVER: &[u8] = b"patd audit key hand-over v1\n";

/// Which key: the first 16 bytes of the public key's SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        B64.decode(text).ok()?.try_into().ok().map(Self)
    }

    fn of(public: &[u8; 32]) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&Sha256::digest(public)[..16]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&B64.encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Ed25519 signing key; wiped when dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of this seed.
    #[must_use]
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(self.0.verifying_key().as_bytes())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

/// Why a list of public keys is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Not the JSON that is expected.
    #[error("it is no list of audit keys: {0}")]
    Malformed(String),
    /// A key that nobody handed over to.
    #[error(
        "key {0} is not handed over to by the key before it: somebody put it there without having that key"
    )]
    NotHandedOver(KeyId),
    /// The signing key is another one than the newest of the list.
    #[error("the signing key is not the newest of the list: put both back from one backup")]
    NotOurs,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Ed25519 public key, base64url.
    public: String,
    /// The signature of the key before it; the first has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handed_over: Option<String>,
}

/// The public keys of a trail, oldest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    entries: Vec<Entry>,
    keys: Vec<(KeyId, VerifyingKey)>,
}

impl Keys {
    /// A list with the first key.
    #[must_use]
    pub fn new(first: &SigningKey) -> Self {
        let public = first.0.verifying_key();
        let entry = Entry { public: B64.encode(public.as_bytes()), handed_over: None };
        Self { entries: vec![entry], keys: vec![(first.id(), public)] }
    }

    /// Reads a list and checks that each key but the first was handed over to.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let malformed = |why: &dyn fmt::Display| KeysError::Malformed(why.to_string());
        let entries: Vec<Entry> = serde_json::from_str(text).map_err(|e| malformed(&e))?;
        let mut keys: Vec<(KeyId, VerifyingKey)> = Vec::new();
        for entry in &entries {
            let bytes: [u8; 32] = B64
                .decode(&entry.public)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(|| malformed(&"a public key is no 32 bytes in base64url"))?;
            let (id, key) = (KeyId::of(&bytes), VerifyingKey::from_bytes(&bytes).map_err(|e| malformed(&e))?);
            if let Some((_, before)) = keys.last() {
                let signature = entry.handed_over.as_deref().and_then(signature);
                let holds = signature.is_some_and(|s| before.verify_strict(&hand_over(&bytes), &s).is_ok());
                if !holds {
                    return Err(KeysError::NotHandedOver(id));
                }
            }
            keys.push((id, key));
        }
        if keys.is_empty() {
            return Err(malformed(&"it is empty"));
        }
        Ok(Self { entries, keys })
    }

    /// The list as text, to be kept and given to whoever checks.
    #[must_use]
    pub fn text(&self) -> String {
        let entries = serde_json::to_string_pretty(&self.entries).unwrap_or_default();
        entries + "\n"
    }

    /// The list in which `old`, the newest of this one, has handed over to `new`.
    ///
    /// # Errors
    /// [`KeysError::NotOurs`] when `old` is not the newest.
    pub fn hand_over(&self, old: &SigningKey, new: &SigningKey) -> Result<Self, KeysError> {
        self.must_end_with(old)?;
        let public = new.0.verifying_key();
        let mut next = self.clone();
        next.entries.push(Entry {
            public: B64.encode(public.as_bytes()),
            handed_over: Some(B64.encode(old.sign(&hand_over(public.as_bytes())))),
        });
        next.keys.push((new.id(), public));
        Ok(next)
    }

    /// Refuses a signing key that is not the newest of the list.
    ///
    /// # Errors
    /// [`KeysError::NotOurs`].
    pub fn must_end_with(&self, key: &SigningKey) -> Result<(), KeysError> {
        if self.keys.last().is_some_and(|(id, _)| *id == key.id()) { Ok(()) } else { Err(KeysError::NotOurs) }
    }

    /// The id of the first key: what the whole trail hangs on, and part of the checkpoints' ids.
    #[must_use]
    pub fn anchor(&self) -> KeyId {
        self.keys.first().map_or(KeyId([0; 16]), |(id, _)| *id)
    }

    /// The place of a key in the list.
    pub(super) fn place(&self, id: KeyId) -> Option<usize> {
        self.keys.iter().position(|(known, _)| *known == id)
    }

    /// Whether the key at this place made the signature.
    pub(super) fn signed(&self, place: usize, message: &[u8], text: &str) -> bool {
        let key = self.keys.get(place).map(|(_, key)| key);
        key.zip(signature(text))
            .is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
    }
}

pub(super) fn signature_text(signature: &[u8; 64]) -> String {
    B64.encode(signature)
}

fn signature(text: &str) -> Option<Signature> {
    let bytes: [u8; 64] = B64.decode(text).ok()?.try_into().ok()?;
    Some(Signature::from_bytes(&bytes))
}

fn hand_over(public: &[u8; 32]) -> Vec<u8> {
    [HAND_OVER, public].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_seed(&Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_key_is_accepted_when_the_one_before_handed_over_to_it_and_else_not() {
        let (first, second, third) = (key(1), key(2), key(3));
        let keys = Keys::new(&first).hand_over(&first, &second).expect("handed over");
        assert_eq!(Keys::parse(&keys.text()), Ok(keys.clone()));
        assert_eq!((keys.anchor(), keys.place(second.id())), (first.id(), Some(1)));
        assert_eq!(keys.hand_over(&first, &third), Err(KeysError::NotOurs));

        // Somebody with a key of his own, which the second never handed over to.
        let foreign = Keys::new(&third).hand_over(&third, &key(4)).expect("handed over");
        let mut forged = keys;
        forged.entries.push(foreign.entries[1].clone());
        assert_eq!(Keys::parse(&forged.text()), Err(KeysError::NotHandedOver(key(4).id())));
        assert!(matches!(Keys::parse("[]"), Err(KeysError::Malformed(_))));
        assert!(matches!(Keys::parse("[{\"public\":\"AA\"}]"), Err(KeysError::Malformed(_))));
    }

    #[test]
    fn a_signing_key_shows_its_id_only() {
        assert_eq!(format!("{:?}", key(7)), format!("SigningKey({})", key(7).id()));
    }
}
