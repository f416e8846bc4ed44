//! Secrets: plain and hashed ones are different types, none has a `Debug` that shows it, all are wiped on drop.
//!
//! Nothing here can turn a stored digest back into a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 256 random bits that prove the right to a token, a session or an invitation.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret256([u8; 32]);

impl Secret256 {
    /// Wraps 32 bytes fresh from the random source, or parsed from a text that a client showed.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for hashing and for the one answer that shows them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// One SHA-256: enough for 256 random bits (OWASP ASVS 5.0 §6.5.2).
    #[must_use]
    pub fn fast_digest(&self) -> FastDigest {
        FastDigest(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for Secret256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret256(…)")
    }
}

/// Text that must not be shown: a password, a code, a secret as the client sent it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PlainText(String);

impl PlainText {
    /// Takes the text over; the caller keeps no copy.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainText(…)")
    }
}

/// SHA-256 of a [`Secret256`], as kept for sessions and invitations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FastDigest(pub [u8; 32]);

impl FastDigest {
    /// Whether `secret` is the one that was digested; takes the same time for any wrong one.
    #[must_use]
    pub fn matches(&self, secret: &Secret256) -> bool {
        self.0.ct_eq(&secret.fast_digest().0).into()
    }
}

impl fmt::Debug for FastDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FastDigest(…)")
    }
}

/// A stored digest in PHC form (`$scheme$params$salt$hash`), made by a hasher plug-in.
#[derive(Clone, PartialEq, Eq)]
pub struct PhcDigest(pub String);

/// A stored digest taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct PhcParts<'a> {
    /// The word that names the algorithm.
    pub scheme: &'a str,
    /// All but the hash: what the hasher derives with again.
    pub params: &'a str,
    /// What it must come to.
    pub hash: Vec<u8>,
}

impl PhcDigest {
    /// Takes it apart; `None` where it is not in PHC form or its hash is not base64.
    #[must_use]
    pub fn parts(&self) -> Option<PhcParts<'_>> {
        let (params, hash) = self.0.rsplit_once('$')?;
        let hash = STANDARD_NO_PAD.decode(hash).ok()?;
        let scheme = params.strip_prefix('$')?.split('$').next()?;
        (!scheme.is_empty()).then_some(PhcParts { scheme, params, hash })
    }

    /// Puts one together from what a hasher wrote.
    #[must_use]
    pub fn of(params: &str, hash: &[u8]) -> Self {
        Self(format!("{params}${}", STANDARD_NO_PAD.encode(hash)))
    }
}

impl fmt::Debug for PhcDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhcDigest(…)")
    }
}
