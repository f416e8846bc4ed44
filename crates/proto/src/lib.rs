//! Payload types that cross the plug-in boundary: what they are called on the wire, and nothing else.
//!
//! This crate must never decide anything and never know core's types: it is a contract with plug-ins built elsewhere, so
//! inside a schema version members are only added, and readers ignore members they do not know.
#![forbid(unsafe_code)]

pub mod audit;
pub mod describe;
pub mod rows;
pub mod store;
pub mod wire;
