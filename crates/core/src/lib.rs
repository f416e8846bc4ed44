//! What tokens, sessions, users and sites are and may do: rules R1–R4 and R10 as pure functions.
//!
//! Knows nothing of async, IO, clocks, randomness, SQL, HTTP or serde: time, fresh ids and the outcome of
//! hashing come in as arguments, decisions go out as [`changes::Changes`].
//!
//! Records are in [`record`], the decisions in [`rules`], what a decision asks a store to do is in [`changes`].
#![forbid(unsafe_code)]

pub mod base62;
pub mod changes;
pub mod event;
mod event_type;
pub mod id;
pub mod invitation_text;
pub mod name;
pub mod network;
pub mod notice;
pub mod record;
pub mod refusal;
pub mod rules;
pub mod secret;
pub mod session_text;
pub mod time;
pub mod token_text;
