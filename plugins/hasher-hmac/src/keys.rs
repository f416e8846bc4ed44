//! The keys, newest first. Must never show key material: not in `Debug`, not in a message, not in memory after use.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use patd_sdk::Failure;
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::params::{MAX_KID, is_kid};

/// As many as a decade of yearly rotation needs.
pub(crate) const MAX_KEYS: usize = 16;
/// The key of `example_config`, which anybody can read.
pub(crate) const EXAMPLE: &str = "cGF0ZCBleGFtcGxlIGtleTogbmV2ZXIgdXNlIGl0ISE=";
/// HMAC-SHA-256 has 256 bits of strength with 32 bytes; more than two blocks say that the file is no key.
const LENGTHS: std::ops::RangeInclusive<usize> = 32..=128;

/// Base64 with or without padding, as `openssl rand -base64` and others write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The plug-in's configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kid: String,
    key: KeyText,
}

/// Base64 as it came, wiped when dropped.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
struct KeyText(String);

/// Keys by their `kid`, newest first, wiped when dropped.
pub struct Keys(Vec<Key>);

struct Key {
    kid: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl Keys {
    /// Reads the configuration.
    ///
    /// # Errors
    /// INVALID, naming the entry by its place and `kid`, never by its key.
    pub fn read(config: Config) -> Result<Self, Failure> {
        let count = config.keys.len();
        if !(1..=MAX_KEYS).contains(&count) {
            return Err(Failure::invalid(format!(
                "config: keys has {count} entries, it must have 1 to {MAX_KEYS}"
            )));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(count);
        for (place, Entry { kid, key }) in config.keys.into_iter().enumerate() {
            if !is_kid(&kid) {
                // Not quoted: a key may have been put there by mistake.
                return Err(Failure::invalid(format!(
                    "config: keys[{place}].kid must be 1 to {MAX_KID} letters, digits, `.`, `_` or `-`"
                )));
            }
            let bytes = decoded(&key.0).ok_or_else(|| {
                Failure::invalid(format!(
                    "config: keys[{place}].key ({kid}) must be {} to {} random bytes in base64, as `openssl rand -base64 32` writes them",
                    LENGTHS.start(),
                    LENGTHS.end()
                ))
            })?;
            if let Some(twin) = keys.iter().find(|other| other.kid == kid || *other.bytes == *bytes) {
                let what = if twin.kid == kid { "kid" } else { "key" };
                return Err(Failure::invalid(format!(
                    "config: keys[{place}] ({kid}) has the same {what} as an earlier entry ({}); a new key needs a new kid",
                    twin.kid
                )));
            }
            keys.push(Key { kid, bytes });
        }
        Ok(Self(keys))
    }

    /// The `kid` of new digests.
    #[must_use]
    pub fn newest(&self) -> &str {
        self.0.first().map_or("", |key| &key.kid)
    }

    /// The key of that name.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&[u8]> {
        self.0.iter().find(|key| key.kid == kid).map(|key| key.bytes.as_slice())
    }

    /// Whether somebody uses the key of the example.
    #[must_use]
    pub fn includes_example(&self) -> bool {
        decoded(EXAMPLE).is_some_and(|example| self.0.iter().any(|key| *key.bytes == *example))
    }
}

fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text: Zeroizing<Vec<u8>> =
        Zeroizing::new(text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
    let bytes = Zeroizing::new(BASE64.decode(text.as_slice()).ok()?);
    LENGTHS.contains(&bytes.len()).then_some(bytes)
}
