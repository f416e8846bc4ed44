//! The parameters text `$pbkdf2-sha256$i=<count>,l=<bytes>$<salt>`: written and read in exactly one spelling. Parsing must
//! never accept a cost that would keep a core busy for minutes.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use patd_sdk::{Failure, decimal};

/// PHC scheme name.
pub const SCHEME: &str = "pbkdf2-sha256";
/// Highest count that is computed.
pub const MAX_ITERATIONS: u32 = 10_000_000;
/// Bytes of new digests.
pub(crate) const DIGEST_LENGTH: usize = 32;
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;
const MAX_SALT: usize = 64;

/// What a digest was made with; the salt is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    iterations: u32,
    length: usize,
    salt: Vec<u8>,
}

impl Params {
    /// Parameters of a new digest.
    ///
    /// # Errors
    /// INVALID when the salt is empty or too long.
    pub fn new(iterations: u32, salt: &[u8]) -> Result<Self, Failure> {
        if salt.is_empty() || salt.len() > MAX_SALT {
            return Err(Failure::invalid(format!(
                "the salt has {} bytes, it must have 1 to {MAX_SALT}",
                salt.len()
            )));
        }
        Ok(Self { iterations, length: DIGEST_LENGTH, salt: salt.to_vec() })
    }

    /// PBKDF2 iterations.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Bytes of the digest.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = STANDARD_NO_PAD.encode(&self.salt);
        write!(f, "${SCHEME}$i={},l={}${salt}", self.iterations, self.length)
    }
}

impl FromStr for Params {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let shape = || Failure::invalid(format!("params must read ${SCHEME}$i=<count>,l=<bytes>$<salt>"));
        if text.len() > 256 {
            return Err(shape());
        }
        let (cost, salt) = text
            .strip_prefix('$')
            .and_then(|rest| rest.strip_prefix(SCHEME))
            .and_then(|rest| rest.strip_prefix('$'))
            .and_then(|rest| rest.split_once('$'))
            .ok_or_else(shape)?;
        let (iterations, length) = cost
            .strip_prefix("i=")
            .and_then(|rest| rest.split_once(",l="))
            .and_then(|(i, l)| Some((decimal(i)?, decimal(l)?)))
            .ok_or_else(shape)?;
        if !(1..=MAX_ITERATIONS).contains(&iterations) {
            return Err(Failure::invalid(format!(
                "params: i is {iterations}, it must be 1 to {MAX_ITERATIONS}"
            )));
        }
        let length = length as usize;
        if !LENGTHS.contains(&length) {
            return Err(Failure::invalid(format!("params: l is {length}, it must be 16 to 64")));
        }
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| shape())?;
        Ok(Self { length, ..Self::new(iterations, &salt)? })
    }
}
