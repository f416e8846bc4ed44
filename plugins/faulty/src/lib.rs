//! A plug-in that misbehaves on purpose, one sin at a time: its configuration `{"sin": "…"}` names which, or the environment
//! variable `PATD_FAULTY_SIN` for sins that come before any configuration. With `"when": "<file>"` it sins only while that file is there. Tests load it to prove that the conformance kit
//! sees each sin and that the daemon contains it. It must never be installed anywhere.
//!
//! Without a sin it is a hasher, a store and a sink that keep every promise; all sins are in [`Sin`].
#![forbid(unsafe_code)]

mod answers;
mod config;
mod copies;
mod hasher;
mod journal;
mod outbox;
mod process;
mod sin;
mod sink;
mod store;
mod tables;

pub use hasher::FaultyHasher;
pub use sin::Sin;
pub use sink::FaultySink;
pub use store::FaultyStore;

patd_sdk::export! { id: "faulty", danger_get_factory: tables::get_factory }
