//! Hasher plug-in: Argon2id (RFC 9106), scheme `argon2id`.
//!
//! It must never see a stored digest, log anything about a secret, or compute what a hostile row asks for: memory, passes,
//! lanes and their product are bounded (see [`Cost`]). Parameters read `$argon2id$v=19$m=19456,t=2,p=1$<salt, base64
//! without padding>`, as every other Argon2 library writes them. The memory of a derivation is wiped before it is freed.
#![forbid(unsafe_code)]

mod params;

use argon2::{Algorithm, Argon2, Block, Version};
use patd_sdk::{Context, Failure, Hasher, HasherDescription, KnownAnswer};
use serde::Deserialize;
use zeroize::Zeroize;

pub use params::{Cost, MAX_ITERATIONS, MAX_LANES, MAX_MEMORY_KIB, MAX_WORK_KIB, Params, SCHEME};

/// Bytes of a digest.
const DIGEST_LENGTH: usize = 32;

/// OWASP's Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes and one lane.
const OWASP: Cost = Cost { memory_kib: 19_456, iterations: 2, lanes: 1 };

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
}

impl Default for Config {
    fn default() -> Self {
        let Cost { memory_kib, iterations, lanes } = OWASP;
        Self { memory_kib, iterations, lanes }
    }
}

/// The hasher; its whole state is the cost of new digests.
pub struct Argon2id {
    cost: Cost,
}

impl Hasher for Argon2id {
    fn create(context: &Context) -> Result<Self, Failure> {
        let Config { memory_kib, iterations, lanes } = context.config()?;
        let cost = Cost { memory_kib, iterations, lanes };
        cost.check().map_err(|why| Failure::invalid(format!("config: {why}")))?;
        Ok(Self { cost })
    }

    fn describe(_me: Option<&Self>) -> HasherDescription {
        HasherDescription {
            kind: "hasher".into(),
            schema: 1,
            schemes: vec![SCHEME.into()],
            config_schema: serde_json::json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "memory_kib": {
                        "type": "integer", "minimum": 8, "maximum": MAX_MEMORY_KIB, "default": OWASP.memory_kib,
                        "description": "KiB of memory per derivation, at least 8 per lane; patd derives as many at once as there are cores"
                    },
                    "iterations": {
                        "type": "integer", "minimum": 1, "maximum": MAX_ITERATIONS, "default": OWASP.iterations,
                        "description": "passes over the memory; memory_kib times iterations is at most 4194304"
                    },
                    "lanes": {
                        "type": "integer", "minimum": 1, "maximum": MAX_LANES, "default": OWASP.lanes,
                        "description": "lanes, computed one after the other"
                    }
                }
            }),
            example_config: serde_json::json!({
                "memory_kib": OWASP.memory_kib, "iterations": OWASP.iterations, "lanes": OWASP.lanes
            }),
            self_test: self_test(),
        }
    }

    fn new_params(&self, salt: &[u8]) -> Result<String, Failure> {
        Params::new(self.cost, salt).map(|params| params.to_string())
    }

    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, Failure> {
        let params: Params = params.parse()?;
        let Cost { memory_kib, iterations, lanes } = params.cost();
        let library = |error: argon2::Error| Failure::invalid(format!("argon2: {error}"));
        let cost =
            argon2::Params::new(memory_kib, iterations, lanes, Some(DIGEST_LENGTH)).map_err(library)?;
        let mut memory = reserve(cost.block_count())?;
        let mut digest = vec![0; DIGEST_LENGTH];
        let done = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost).hash_password_into_with_memory(
            secret,
            params.salt(),
            &mut digest,
            &mut memory,
        );
        memory.iter_mut().for_each(Zeroize::zeroize);
        done.map_err(library)?;
        Ok(digest)
    }

    fn needs_rehash(&self, params: &str) -> Result<bool, Failure> {
        let params: Params = params.parse()?;
        Ok(params.cost() != self.cost)
    }
}

/// Memory of one derivation; a machine that has none left refuses this call instead of ending the daemon.
fn reserve(blocks: usize) -> Result<Vec<Block>, Failure> {
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(blocks)
        .map_err(|_| Failure::unavailable(format!("no memory for a derivation of {blocks} KiB")))?;
    memory.resize(blocks, Block::default());
    Ok(memory)
}

/// From the reference implementation's own tests (phc-winner-argon2, `src/test.c`): one lane, two lanes; so that a
/// miscompiled hash is noticed before it is used.
fn self_test() -> Vec<KnownAnswer> {
    [
        ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ", "nf65EOgLrQMR_uIPnA4rEsF5h7TKyQwu9U1bMCHGi_4"),
        ("$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ", "bQk8UB_VmZZF4Oo79iDXuL5_0ttZwg2f_5U52iv1cDc"),
    ]
    .into_iter()
    .map(|(params, digest)| KnownAnswer::new("cGFzc3dvcmQ", params, digest))
    .collect()
}

patd_sdk::export! { id: "hasher-argon2id", hasher: Argon2id }

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
