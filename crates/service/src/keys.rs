//! The daemon's own keys, derived from one key file: the MAC of session keys and the seal of TOTP secrets.
//!
//! Never leaves this module: callers get MACs and sealed bytes, not keys.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use patd_core::id::UserLuid;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::ports::Random;

/// Keys derived (RFC 5869) from the 32 bytes of the key file.
pub(crate) struct Keys {
    mac: Hmac<Sha256>,
    seal: XChaCha20Poly1305,
}

impl Keys {
    /// Derives the keys.
    pub(crate) fn derive(master: &[u8; 32]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, master);
        // HMAC's own block: no padding or hashing of the key (RFC 2104 §3).
        let mut mac = [0; 64];
        let mut seal = [0; 32];
        // 32 bytes are far below HKDF's limit of 255 blocks, the only error `expand` has.
        let expanded = hkdf.expand(b"patd session key mac v1", &mut mac).is_ok()
            && hkdf.expand(b"patd totp seal v1", &mut seal).is_ok();
        debug_assert!(expanded);
        let keys = Self {
            mac: <Hmac<Sha256> as hmac::KeyInit>::new(&mac.into()),
            seal: XChaCha20Poly1305::new(&seal.into()),
        };
        mac.zeroize();
        seal.zeroize();
        keys
    }

    /// HMAC-SHA-256 of a session key, cut to 16 bytes.
    pub(crate) fn session_mac(&self, input: &[u8]) -> [u8; 16] {
        let mut mac = self.mac.clone();
        mac.update(input);
        let full = mac.finalize().into_bytes();
        let mut out = [0; 16];
        out.copy_from_slice(&full[..16]);
        out
    }

    /// Whether a session key is one that this daemon (or one with the same key file) gave out.
    pub(crate) fn session_mac_holds(&self, input: &[u8], mac: &[u8; 16]) -> bool {
        self.session_mac(input).ct_eq(mac).into()
    }

    /// Seals a TOTP secret for its owner: nonce, then XChaCha20-Poly1305.
    pub(crate) fn seal(&self, random: &dyn Random, owner: UserLuid, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; 24];
        random.fill(&mut nonce);
        let payload = Payload { msg: plain, aad: owner.0.as_bytes() };
        let sealed = self.seal.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a sealed TOTP secret; `None` when it is not this owner's or was sealed under another key file.
    pub(crate) fn open(&self, owner: UserLuid, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(24)?;
        let nonce: [u8; 24] = nonce.try_into().ok()?;
        let payload = Payload { msg: sealed, aad: owner.0.as_bytes() };
        self.seal.decrypt(&XNonce::from(nonce), payload).ok().map(Zeroizing::new)
    }
}
