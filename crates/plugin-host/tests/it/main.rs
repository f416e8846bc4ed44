//! Real libraries, really loaded: the loader's refusals, and that each sin of the faulty plug-in is contained.

mod hashers;
mod loading;
// One hasher and one randomness for the tests of several crates.
#[expect(dead_code, reason = "the other crates use more of it")]
#[path = "../../../http/tests/it/memory.rs"]
mod memory;
mod services;
mod stores;
mod world;
mod year;
