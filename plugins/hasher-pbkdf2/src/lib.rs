//! Hasher plug-in: PBKDF2-HMAC-SHA-256 (RFC 8018), scheme `pbkdf2-sha256`.
//!
//! It must never see a stored digest, log anything about a secret, or compute what a hostile row asks for: counts above
//! [`MAX_ITERATIONS`] are refused. Parameters read `$pbkdf2-sha256$i=1000,l=32$<salt, base64 without padding>`.
#![forbid(unsafe_code)]

mod params;

use patd_sdk::{Context, Failure, Hasher, HasherDescription, KnownAnswer};
use serde::Deserialize;
use sha2::Sha256;

pub use params::{MAX_ITERATIONS, Params, SCHEME};

/// Count when the configuration names none: OWASP's figure for passwords.
const DEFAULT_ITERATIONS: u32 = 600_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    iterations: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { iterations: DEFAULT_ITERATIONS }
    }
}

/// The hasher; its whole state is the count for new digests.
pub struct Pbkdf2 {
    iterations: u32,
}

impl Hasher for Pbkdf2 {
    fn create(context: &Context) -> Result<Self, Failure> {
        let Config { iterations } = context.config()?;
        if !(1..=MAX_ITERATIONS).contains(&iterations) {
            return Err(Failure::invalid(format!(
                "config: iterations is {iterations}, it must be 1 to {MAX_ITERATIONS}"
            )));
        }
        Ok(Self { iterations })
    }

    fn describe(_me: Option<&Self>) -> HasherDescription {
        HasherDescription {
            kind: "hasher".into(),
            schema: 1,
            schemes: vec![SCHEME.into()],
            config_schema: serde_json::json!({
                "type": "object",
                "additionalProperties": false,
                "properties": { "iterations": {
                    "type": "integer", "minimum": 1, "maximum": MAX_ITERATIONS, "default": DEFAULT_ITERATIONS,
                    "description": "PBKDF2 iterations of new digests; a good sign-in re-hashes older ones"
                } }
            }),
            example_config: serde_json::json!({ "iterations": DEFAULT_ITERATIONS }),
            self_test: self_test(),
        }
    }

    fn new_params(&self, salt: &[u8]) -> Result<String, Failure> {
        Params::new(self.iterations, salt).map(|params| params.to_string())
    }

    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, Failure> {
        let params: Params = params.parse()?;
        let mut digest = vec![0; params.length()];
        pbkdf2::pbkdf2_hmac::<Sha256>(secret, params.salt(), params.iterations(), &mut digest);
        Ok(digest)
    }

    fn needs_rehash(&self, params: &str) -> Result<bool, Failure> {
        let params: Params = params.parse()?;
        Ok(params.iterations() != self.iterations || params.length() != params::DIGEST_LENGTH)
    }
}

/// RFC 7914 section 11, RFC 6070's inputs under SHA-256, and a short digest of a secret with a zero byte; so that a
/// miscompiled hash is noticed before it is used.
fn self_test() -> Vec<KnownAnswer> {
    [
        (
            "cGFzc3dk",
            "$pbkdf2-sha256$i=1,l=64$c2FsdA",
            "VawEblbjCJ_sFpHCJUS2BflBhSFt3gRl5oudV8INrLxJypzM8Xm2RZkWZLOdd-8xfHG4RbHjC9UJESBB06GXgw",
        ),
        ("cGFzc3dvcmQ", "$pbkdf2-sha256$i=4096,l=32$c2FsdA", "xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o"),
        ("cGFzcwB3b3Jk", "$pbkdf2-sha256$i=4096,l=16$c2EAbHQ", "ibadBRb4KYk8aWImZQqGhw"),
    ]
    .into_iter()
    .map(|(secret, params, digest)| KnownAnswer::new(secret, params, digest))
    .collect()
}

patd_sdk::export! { id: "hasher-pbkdf2", hasher: Pbkdf2 }

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
