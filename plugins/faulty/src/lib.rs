//! A plug-in that misbehaves on purpose: its configuration `{"sin": "…"}` names how. Tests load it to prove that the
//! daemon contains each sin. It must never be installed anywhere.
#![forbid(unsafe_code)]

mod hasher;
mod sink;

pub use hasher::FaultyHasher;
pub use sink::FaultySink;

patd_sdk::export! { id: "faulty", hasher: FaultyHasher, audit: FaultySink }
