//! Every order in which threads may meet in the completion table and in the drain counter. The very files of the crate are
//! compiled here over loom's primitives instead of those of std and tokio.
#![cfg(test)]

#[path = "../../src/slot/flights.rs"]
mod flights;
mod models;
mod sync;
#[path = "../../src/waiters.rs"]
mod waiters;
