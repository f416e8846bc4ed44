//! Who sent a leak report: GitHub's secret scanning signs each (ECDSA on P-256 over the SHA-256 of the body, DER in base64).
//!
//! It must never take a report for signed by a key that is not configured.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;

const KEY_ID: &str = "github-public-key-identifier";
const SIGNATURE: &str = "github-public-key-signature";

/// A public key of GitHub's secret scanning.
#[derive(Clone, Debug)]
pub struct LeakKey {
    id: String,
    key: VerifyingKey,
}

/// The text is no public key of P-256 in PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no public key on the curve P-256 in PEM (`-----BEGIN PUBLIC KEY-----`)")]
pub struct NoKey;

impl LeakKey {
    /// A key as GitHub publishes it: its identifier, and PEM.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn new(id: impl Into<String>, pem: &str) -> Result<Self, NoKey> {
        let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(|_| NoKey)?;
        Ok(Self { id: id.into(), key })
    }
}

/// What the headers say of who sent a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Nothing.
    Anybody,
    /// One of the configured keys signed it.
    Known,
    /// They claim a signature, which does not hold or whose key is not configured.
    Pretender,
}

/// Judges the signature.
pub(crate) fn sender(headers: &HeaderMap, body: &[u8], keys: &[LeakKey]) -> Sender {
    let (mut ids, mut signatures) = (headers.get_all(KEY_ID).iter(), headers.get_all(SIGNATURE).iter());
    let (id, signature) = match (ids.next(), signatures.next()) {
        (None, None) => return Sender::Anybody,
        (Some(id), Some(signature)) => (id.as_bytes(), signature.as_bytes()),
        _ => return Sender::Pretender,
    };
    if ids.next().is_some() || signatures.next().is_some() {
        return Sender::Pretender;
    }
    let signature = STANDARD.decode(signature).ok().and_then(|der| Signature::from_der(&der).ok());
    let Some(signature) = signature else { return Sender::Pretender };
    let holds = |known: &LeakKey| known.id.as_bytes() == id && known.key.verify(body, &signature).is_ok();
    if keys.iter().any(holds) { Sender::Known } else { Sender::Pretender }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::Signer as _;
    use p256::pkcs8::{EncodePublicKey as _, LineEnding};

    use super::*;

    fn signing(seed: u8) -> SigningKey {
        SigningKey::from_slice(&[seed; 32]).expect("a scalar")
    }

    fn known(id: &str, key: &SigningKey) -> LeakKey {
        let pem = key.verifying_key().to_public_key_pem(LineEnding::LF).expect("PEM");
        LeakKey::new(id, &pem).expect("a key")
    }

    fn headers(id: Option<&str>, signature: Option<&str>) -> HeaderMap {
        let line = |(name, value): (&'static str, Option<&str>)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(value?).expect("a value")))
        };
        [(KEY_ID, id), (SIGNATURE, signature)].into_iter().filter_map(line).collect()
    }

    fn signed(key: &SigningKey, body: &[u8]) -> String {
        let signature: Signature = key.sign(body);
        STANDARD.encode(signature.to_der())
    }

    #[test]
    fn only_a_configured_key_under_its_own_name_over_this_very_body_is_known() {
        let (key, other) = (signing(7), signing(8));
        let keys = [known("k1", &key), known("k2", &other)];
        let good = signed(&key, b"body");
        let of = |id, signature, body: &[u8]| sender(&headers(id, signature), body, &keys);
        assert_eq!(of(Some("k1"), Some(&good), b"body"), Sender::Known);
        assert_eq!(of(None, None, b"body"), Sender::Anybody);
        for (id, signature, body) in [
            (Some("k1"), Some(good.as_str()), b"bodY".as_slice()),
            (Some("k2"), Some(&good), b"body"),
            (Some("k3"), Some(&good), b"body"),
            (Some("k1"), Some(&signed(&signing(9), b"body")), b"body"),
            (Some("k1"), Some("bm9uc2Vuc2U="), b"body"),
            (Some("k1"), Some("!"), b"body"),
            (Some("k1"), Some(""), b"body"),
            (Some("k1"), None, b"body"),
            (None, Some(&good), b"body"),
        ] {
            assert_eq!(of(id, signature, body), Sender::Pretender, "{id:?} {signature:?}");
        }
        assert_eq!(sender(&headers(Some("k1"), Some(&good)), b"body", &[]), Sender::Pretender);
        let mut twice = headers(Some("k1"), Some(&good));
        twice.append(KEY_ID, HeaderValue::from_static("k2"));
        assert_eq!(sender(&twice, b"body", &keys), Sender::Pretender);
    }

    #[test]
    fn what_is_no_key_of_this_curve_is_refused() {
        for text in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "MFkwEwYH"] {
            assert_eq!(LeakKey::new("k", text).err(), Some(NoKey), "{text}");
        }
    }
}
