//! The seal of the audit trail: a hash chain of signed checkpoints over the events of each site, and how it is checked.
//!
//! A *chain* is the events of one site (or of none) in one store, in commit order. A *checkpoint* is itself an event at
//! the end of a stretch of its chain: it lists the stretch's events with their hashes, names the checkpoint before it by
//! hash, and is signed. What was changed, dropped, swapped or cut can therefore be named, from any copy of the trail.
//!
//! Everything here is pure: no IO, no clock, no randomness. It never judges what an event says, only whether it is
//! the one that was sealed.

pub mod canonical;
pub mod chain;
pub mod check;
pub mod checkpoint;
pub mod keys;
mod outcome;
mod pool;
pub mod retention;

#[cfg(test)]
mod tests;
