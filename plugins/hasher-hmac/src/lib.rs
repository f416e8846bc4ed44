//! Hasher plug-in: keyed HMAC-SHA-256 (RFC 2104), scheme `hmac-sha256`. For token secrets only: they have 256 random bits,
//! so one fast keyed function is enough, and whoever steals the store without the key can check nothing. Passwords need a
//! slow hash; this one would let whoever has both store and key guess them at full speed.
//!
//! It must never see a stored digest, log anything about a secret or a key, or read a file: the daemon reads keys for it.
//! The first key makes new digests; the others still verify, and their digests need a re-hash. Parameters read
//! `$hmac-sha256$kid=2026-11$<salt, base64 without padding>`; the digest is HMAC(key, salt ‖ secret), the salt always 16 bytes.
#![forbid(unsafe_code)]

mod keys;
mod params;

use hmac::{Hmac, KeyInit, Mac};
use patd_sdk::{Context, Failure, Hasher, HasherDescription, KnownAnswer};
use sha2::Sha256;

pub use keys::{Config, Keys};
pub use params::{Params, SALT_LENGTH, SCHEME, SELF_TEST_SCHEME};

/// The hasher; its whole state is its keys.
pub struct KeyedHasher {
    keys: Keys,
}

impl KeyedHasher {
    /// A hasher with these keys, for whoever links it directly.
    #[must_use]
    pub fn with(keys: Keys) -> Self {
        Self { keys }
    }
}

impl Hasher for KeyedHasher {
    fn create(context: &Context) -> Result<Self, Failure> {
        let config: Config = context.config()?;
        let keys = Keys::read(config)?;
        if keys.includes_example() {
            context.host().log(
                patd_sdk::abi::level::ERROR,
                "a key is the published example: whoever reads the store can check guesses; make a key of your own",
                "{}",
            );
        }
        Ok(Self::with(keys))
    }

    fn describe(_me: Option<&Self>) -> HasherDescription {
        HasherDescription {
            kind: "hasher".into(),
            schema: 1,
            schemes: vec![SCHEME.into()],
            config_schema: serde_json::json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["keys"],
                "properties": { "keys": {
                    "type": "array", "minItems": 1, "maxItems": keys::MAX_KEYS,
                    "description": "newest first: the first key makes new digests, the others still verify",
                    "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["kid", "key"],
                        "properties": {
                            "kid": {
                                "type": "string", "pattern": "^[A-Za-z0-9._-]{1,32}$",
                                "description": "names the key in stored digests; public, never given to another key"
                            },
                            "key": {
                                "type": "string", "writeOnly": true,
                                "description": "32 to 128 random bytes in base64, best as { from_file = \"…\" }"
                            }
                        }
                    }
                } }
            }),
            example_config: serde_json::json!({ "keys": [{ "kid": "example", "key": keys::EXAMPLE }] }),
            self_test: self_test(),
        }
    }

    fn new_params(&self, salt: &[u8]) -> Result<String, Failure> {
        Params::new(self.keys.newest(), salt).map(|params| params.to_string())
    }

    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, Failure> {
        let params: Params = params.parse()?;
        let key = if params.is_self_test() {
            self_test_key(params.kid())
        } else {
            self.keys.get(params.kid()).map(<[u8]>::to_vec)
        };
        let key = zeroize::Zeroizing::new(key.ok_or_else(|| unknown(params.kid()))?);
        let mut mac = Hmac::<Sha256>::new_from_slice(&key)
            .map_err(|_| Failure::internal("HMAC takes keys of any length, yet it refused one"))?;
        mac.update(params.salt());
        mac.update(secret);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    fn needs_rehash(&self, params: &str) -> Result<bool, Failure> {
        let params: Params = params.parse()?;
        if self.keys.get(params.kid()).is_none() || params.is_self_test() {
            return Err(unknown(params.kid()));
        }
        Ok(params.kid() != self.keys.newest())
    }
}

fn unknown(kid: &str) -> Failure {
    Failure::invalid(format!("no key {kid} is configured; put it back below the newest one"))
}

/// Keys of the known answers. They are published, so digests under them prove nothing: their scheme is not among
/// `schemes`, and patd looks for a hasher of a stored digest there only.
fn self_test_key(kid: &str) -> Option<Vec<u8>> {
    match kid {
        "rfc4231-4" => Some((1..=25).collect()),
        "rfc4231-7" => Some(vec![0xaa; 131]),
        _ => None,
    }
}

/// RFC 4231, test cases 4 and 7, their data cut into salt and secret; so that a miscompiled hash is noticed before it is
/// used.
fn self_test() -> Vec<KnownAnswer> {
    [
        (
            "zc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3NzQ",
            "$hmac-sha256-selftest$kid=rfc4231-4$zc3Nzc3Nzc3Nzc3Nzc3NzQ",
            "glWKOJpEPA6kzIGYmfIIOoXw-qPlePgHei4_9GcpZls",
        ),
        (
            "c2luZyBhIGxhcmdlciB0aGFuIGJsb2NrLXNpemUga2V5IGFuZCBhIGxhcmdlciB0aGFuIGJsb2NrLXNpemUgZGF0YS4gVGhlIGtleSBuZWVkcyB0byBiZSBoYXNoZWQgYmVmb3JlIGJlaW5nIHVzZWQgYnkgdGhlIEhNQUMgYWxnb3JpdGhtLg",
            "$hmac-sha256-selftest$kid=rfc4231-7$VGhpcyBpcyBhIHRlc3QgdQ",
            "mwn_pxuUL8snY1-81bDpRL_cY2RPBxOTin9RU1w6NeI",
        ),
    ]
    .into_iter()
    .map(|(secret, params, digest)| KnownAnswer::new(secret, params, digest))
    .collect()
}

patd_sdk::export! { id: "hasher-hmac", hasher: KeyedHasher }

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
