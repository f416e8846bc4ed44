//! The use-cases: load what a rule needs, ask patd-core, apply its answer.
//!
//! Owns the ports (what it needs from outside) and the live-session table. Knows nothing of HTTP, SQL,
//! `libloading` or the config file's syntax; decides nothing that a rule in patd-core could decide.
#![forbid(unsafe_code)]

pub mod audit;
pub mod checkup;
pub mod cloud_event;
pub mod dead_letters;
mod decide;
mod ends;
mod enrol;
pub mod error;
pub mod events;
mod facts;
mod failures;
mod follow;
pub mod hash_pool;
mod inventory;
mod keeping;
mod keys;
pub mod leaks;
pub mod limits;
mod live;
pub mod me;
pub mod members;
mod notices;
pub mod operator;
mod order;
mod paging;
pub mod ports;
mod proof;
pub mod pump;
mod queues;
pub mod readiness;
mod recipients;
pub mod reconfigure;
pub mod redeem;
mod relay;
mod retention;
pub mod schemes;
pub mod seal;
pub mod sealer;
pub mod service;
pub mod sign_in;
pub mod start;
mod sweeper;
pub mod tokens;
mod validate;
pub mod view;
mod world;
