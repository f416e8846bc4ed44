//! The use-cases over ports in memory: what can be counted there and not from outside.
#![cfg(test)]

mod desk;
mod digests;
mod guessing;
mod house;
// One store in memory for the tests of both crates.
#[path = "../../../http/tests/it/memory.rs"]
mod memory;
mod notices;
mod outbox;
mod shelf;
mod sweeper;
mod world;
