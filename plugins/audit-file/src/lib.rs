//! Audit sink plug-in: one JSON line per event, appended to a file per site and synced before the batch is answered.
//!
//! It must never answer OK for an event that is not on stable storage, and never interpret an event beyond its `source`.
//! Delivery is at least once: a batch that comes twice is written twice, readers tell duplicates by event id. A line
//! that a crash cut short is repaired at start, so every line of a file is whole JSON.
#![forbid(unsafe_code)]

mod file;
mod path;
mod rotate;
mod sink;

pub use sink::AuditFile;

patd_sdk::export! { id: "audit-file", audit: patd_sdk::Managed<AuditFile> }
