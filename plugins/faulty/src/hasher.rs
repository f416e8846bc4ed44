//! Sins of a hasher. The digest is a toy and must never protect anything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use patd_sdk::{Context, Failure, Hasher, HasherDescription, KnownAnswer};
use serde::Deserialize;

/// How the hasher misbehaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sin {
    /// Not at all.
    #[default]
    None,
    /// Panics in `create`.
    PanicInCreate,
    /// Panics in every `derive`.
    PanicInDerive,
    /// Panics in `derive` of the secret `boom`.
    PanicOnBoom,
    /// The digest depends on the parameters alone.
    IgnoreSecret,
    /// The digest is the same for everything.
    ConstantDigest,
    /// The digest is empty.
    EmptyDigest,
    /// Looks at the first four bytes of the secret only.
    TruncateSecret,
    /// Two calls at once disturb each other.
    Race,
    /// `needs_rehash` fails.
    NoRehash,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    sin: Sin,
}

/// The misbehaving hasher.
pub struct FaultyHasher {
    sin: Sin,
    scratch: std::sync::Mutex<Vec<u8>>,
}

impl Hasher for FaultyHasher {
    fn create(context: &Context) -> Result<Self, Failure> {
        let Config { sin } = context.config()?;
        assert!(sin != Sin::PanicInCreate, "asked to panic");
        Ok(Self { sin, scratch: std::sync::Mutex::default() })
    }

    fn describe(_me: Option<&Self>) -> HasherDescription {
        let params = "$faulty$v=1$c2FsdA";
        HasherDescription {
            kind: "hasher".into(),
            schema: 1,
            schemes: vec!["faulty".into()],
            config_schema: serde_json::json!({ "type": "object" }),
            example_config: serde_json::json!({}),
            self_test: vec![KnownAnswer {
                secret: URL_SAFE_NO_PAD.encode(b"secret"),
                params: params.into(),
                digest: URL_SAFE_NO_PAD.encode(toy(b"secret", params)),
            }],
        }
    }

    fn new_params(&self, salt: &[u8]) -> Result<String, Failure> {
        Ok(format!("$faulty$v=1${}", base64::engine::general_purpose::STANDARD_NO_PAD.encode(salt)))
    }

    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, Failure> {
        let known = (secret, params) == (b"secret".as_slice(), "$faulty$v=1$c2FsdA");
        match self.sin {
            Sin::PanicInDerive => panic!("asked to panic"),
            Sin::PanicOnBoom if secret == b"boom" => panic!("asked to panic"),
            Sin::EmptyDigest => Ok(Vec::new()),
            // These two know the known answer and nothing else.
            Sin::IgnoreSecret if !known => Ok(toy(b"", params)),
            Sin::ConstantDigest if !known => Ok(vec![7; 32]),
            Sin::TruncateSecret if !known => Ok(toy(&secret[..secret.len().min(4)], params)),
            Sin::Race => Ok(self.racy(secret, params)),
            _ => Ok(toy(secret, params)),
        }
    }

    fn needs_rehash(&self, _params: &str) -> Result<bool, Failure> {
        if self.sin == Sin::NoRehash { Err(Failure::internal("asked to fail")) } else { Ok(false) }
    }
}

impl FaultyHasher {
    /// Derives from a buffer that another call may have filled meanwhile.
    fn racy(&self, secret: &[u8], params: &str) -> Vec<u8> {
        let scratch = || self.scratch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *scratch() = secret.to_vec();
        for _ in 0..64 {
            std::thread::yield_now();
        }
        let secret = scratch().clone();
        toy(&secret, params)
    }
}

/// 32 bytes that depend on every byte of the input, and nothing more.
fn toy(secret: &[u8], params: &str) -> Vec<u8> {
    let mut digest = Vec::with_capacity(32);
    for lane in 0..4_u64 {
        let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ lane;
        for byte in secret.iter().chain([&0]).chain(params.as_bytes()) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(7);
        }
        digest.extend(state.to_be_bytes());
    }
    digest
}
