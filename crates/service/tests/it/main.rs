//! The use-cases over ports in memory: what can be counted there and not from outside.
#![cfg(test)]

mod digests;
mod guessing;
// One store in memory for the tests of both crates.
#[expect(dead_code, reason = "the other crate uses more of it")]
#[path = "../../../http/tests/it/memory.rs"]
mod memory;
mod outbox;
mod world;
