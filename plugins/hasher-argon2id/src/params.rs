//! The parameters text `$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>`: written and read in exactly one spelling.
//! Parsing must never accept a cost that would take the machine's memory or keep a core busy for minutes.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use patd_sdk::{Failure, decimal};

/// PHC scheme name.
pub const SCHEME: &str = "argon2id";
/// Most memory of one derivation: 1 GiB.
pub const MAX_MEMORY_KIB: u32 = 1 << 20;
/// Most passes.
pub const MAX_ITERATIONS: u32 = 1 << 10;
/// Most lanes.
pub const MAX_LANES: u32 = 16;
/// Most memory times passes: 4 GiB are written, which takes seconds.
pub const MAX_WORK_KIB: u64 = 4 << 20;
/// Argon2's own bound from below, per lane.
const MIN_MEMORY_PER_LANE: u32 = 8;
/// Argon2's own bound from below.
const MIN_SALT: usize = 8;
const MAX_SALT: usize = 64;
/// The one version that is understood: 1.3.
const VERSION: &str = "v=19";

/// What a derivation costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// Says which bound is broken.
    ///
    /// # Errors
    /// The sentence for whoever chose the figures.
    pub fn check(&self) -> Result<(), String> {
        let Self { memory_kib, iterations, lanes } = *self;
        if !(1..=MAX_LANES).contains(&lanes) {
            return Err(format!("lanes is {lanes}, it must be 1 to {MAX_LANES}"));
        }
        if !(1..=MAX_ITERATIONS).contains(&iterations) {
            return Err(format!("iterations is {iterations}, it must be 1 to {MAX_ITERATIONS}"));
        }
        let least = MIN_MEMORY_PER_LANE * lanes;
        if !(least..=MAX_MEMORY_KIB).contains(&memory_kib) {
            return Err(format!(
                "memory_kib is {memory_kib}, with {lanes} lane(s) it must be {least} to {MAX_MEMORY_KIB}"
            ));
        }
        let work = u64::from(memory_kib) * u64::from(iterations);
        if work > MAX_WORK_KIB {
            return Err(format!("memory_kib times iterations is {work}, it must be at most {MAX_WORK_KIB}"));
        }
        Ok(())
    }
}

/// What a digest was made with; the salt is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    cost: Cost,
    salt: Vec<u8>,
}

impl Params {
    /// Parameters of a new digest.
    ///
    /// # Errors
    /// INVALID when the salt is too short or too long.
    pub fn new(cost: Cost, salt: &[u8]) -> Result<Self, Failure> {
        if !(MIN_SALT..=MAX_SALT).contains(&salt.len()) {
            return Err(Failure::invalid(format!(
                "the salt has {} bytes, it must have {MIN_SALT} to {MAX_SALT}",
                salt.len()
            )));
        }
        Ok(Self { cost, salt: salt.to_vec() })
    }

    /// What it costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// The salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { memory_kib, iterations, lanes } = self.cost;
        let salt = STANDARD_NO_PAD.encode(&self.salt);
        write!(f, "${SCHEME}${VERSION}$m={memory_kib},t={iterations},p={lanes}${salt}")
    }
}

impl FromStr for Params {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let shape = || {
            Failure::invalid(format!(
                "params must read ${SCHEME}${VERSION}$m=<KiB>,t=<passes>,p=<lanes>$<salt>"
            ))
        };
        if text.len() > 256 {
            return Err(shape());
        }
        let parts: Vec<&str> = text.split('$').collect();
        let ["", SCHEME, VERSION, cost, salt] = parts[..] else { return Err(shape()) };
        let figures: Vec<&str> = cost.split(',').collect();
        let [memory, passes, lanes] = figures[..] else { return Err(shape()) };
        let figure = |text: &str, name: &str| text.strip_prefix(name).and_then(decimal).ok_or_else(shape);
        let cost = Cost {
            memory_kib: figure(memory, "m=")?,
            iterations: figure(passes, "t=")?,
            lanes: figure(lanes, "p=")?,
        };
        cost.check().map_err(|why| Failure::invalid(format!("params: {why}")))?;
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| shape())?;
        Self::new(cost, &salt)
    }
}
