//! Sins of a hasher. The digest is a toy and must never protect anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use patd_sdk::{Context, Failure, Hasher, HasherDescription, HostHandle, KnownAnswer};

use crate::config::{self, Config};
use crate::process;
use crate::sin::Sin;

/// The parameters of the known answer.
const KNOWN: &str = "$faulty$v=1$c2FsdA";

/// The misbehaving hasher.
pub struct FaultyHasher {
    config: Config,
    host: HostHandle,
    scratch: std::sync::Mutex<Vec<u8>>,
    calls: AtomicU64,
}

impl Hasher for FaultyHasher {
    fn create(context: &Context) -> Result<Self, Failure> {
        let config = Config::read(context)?;
        let sin = config.now();
        config::create(context, sin)?;
        // A process that ends here would end every case: these wait for a digest.
        if !matches!(sin, Sin::Aborts | Sin::Exits | Sin::OverflowsStack) {
            process::commit(sin);
        }
        let calls = AtomicU64::new(0);
        Ok(Self { config, host: context.host(), scratch: std::sync::Mutex::default(), calls })
    }

    fn describe(_me: Option<&Self>) -> HasherDescription {
        let sin = Sin::of_environment();
        assert!(sin != Sin::PanicInDescribe, "asked to panic");
        let wrong: &[u8] = if sin == Sin::WrongAnswer { b"other" } else { b"secret" };
        HasherDescription {
            kind: if sin == Sin::DescribesOther { "store" } else { "hasher" }.into(),
            schema: 1,
            schemes: vec!["faulty".into()],
            config_schema: Config::schema(),
            example_config: serde_json::json!({}),
            self_test: vec![KnownAnswer {
                secret: URL_SAFE_NO_PAD.encode(b"secret"),
                params: KNOWN.into(),
                digest: URL_SAFE_NO_PAD.encode(toy(wrong, KNOWN)),
            }],
        }
    }

    fn new_params(&self, salt: &[u8]) -> Result<String, Failure> {
        let sin = self.config.now();
        assert!(sin != Sin::PanicInNewParams, "asked to panic");
        let scheme = if sin == Sin::OtherScheme { "other" } else { "faulty" };
        Ok(format!("${scheme}$v=1${}", STANDARD_NO_PAD.encode(salt)))
    }

    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, Failure> {
        // Most of these know the known answer and nothing else.
        let known = (secret, params) == (b"secret".as_slice(), KNOWN);
        let sin = self.config.now();
        match sin {
            Sin::PanicInDerive => panic!("asked to panic"),
            Sin::PanicOnBoom if secret == b"boom" => panic!("asked to panic"),
            Sin::PanicOnEmpty if secret.is_empty() => panic!("asked to panic"),
            Sin::PanicOnForeign if check(params).is_err() => panic!("asked to panic"),
            Sin::EchoesSecret => check(params).map_err(|_| {
                Failure::invalid(format!("no params for {}", String::from_utf8_lossy(secret)))
            })?,
            Sin::LogsSecret => {
                self.host.log(4, &format!("derive of {}", String::from_utf8_lossy(secret)), "{}")
            }
            Sin::ComputesHuge if params.starts_with("$faulty$v=") && params.contains("000000") => loop {
                std::hint::spin_loop();
            },
            Sin::TakesForeignParams => return Ok(toy(secret, params)),
            sin => process::commit(sin),
        }
        check(params)?;
        Ok(match sin {
            Sin::Hangs => {
                while self.config.now() == Sin::Hangs {
                    linger(Duration::from_millis(20));
                }
                toy(secret, params)
            }
            Sin::EmptyDigest => Vec::new(),
            Sin::FloodDigest => vec![7; 100 << 20],
            Sin::NotRepeatable if !known => {
                let call = self.calls.fetch_add(1, Ordering::Relaxed);
                toy(secret, &format!("{params}{call}"))
            }
            Sin::IgnoreSecret if !known => toy(b"", params),
            Sin::ConstantDigest if !known => vec![7; 32],
            Sin::TruncateSecret if !known => toy(&secret[..secret.len().min(4)], params),
            Sin::Truncate72 => toy(&secret[..secret.len().min(72)], params),
            Sin::IgnoresCase => toy(&secret.to_ascii_lowercase(), params),
            Sin::StopsAtZero => toy(secret.split(|byte| *byte == 0).next().unwrap_or_default(), params),
            Sin::IgnoresSalt if !known => toy(secret, ""),
            Sin::Race => self.racy(secret, params),
            Sin::Slow => {
                linger(Duration::from_secs(4));
                toy(secret, params)
            }
            _ => toy(secret, params),
        })
    }

    fn needs_rehash(&self, params: &str) -> Result<bool, Failure> {
        match self.config.now() {
            Sin::PanicInNeedsRehash => panic!("asked to panic"),
            Sin::NoRehash => Err(Failure::internal("asked to fail")),
            Sin::TakesForeignParams => Ok(false),
            sin => check(params).map(|()| sin == Sin::AlwaysRehash),
        }
    }
}

impl Drop for FaultyHasher {
    fn drop(&mut self) {
        assert!(self.config.now() != Sin::PanicInDestroy, "asked to panic");
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

/// Takes its time.
#[expect(clippy::disallowed_methods, reason = "the sin")]
pub(crate) fn linger(time: Duration) {
    std::thread::sleep(time);
}

/// Whether the parameters are its own: `$faulty$v=1$<salt>`, or `$other$…` of that sin.
fn check(params: &str) -> Result<(), Failure> {
    let salt = params.strip_prefix("$faulty$v=1$").or_else(|| params.strip_prefix("$other$v=1$"));
    match salt.map(|salt| STANDARD_NO_PAD.decode(salt)) {
        Some(Ok(salt)) if !salt.is_empty() => Ok(()),
        _ => Err(Failure::invalid("params must read $faulty$v=1$<salt>")),
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
