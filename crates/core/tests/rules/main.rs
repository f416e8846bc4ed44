//! The rules, tried over a tiny store in memory: one test per rule of the house that tries to break it.
#![forbid(unsafe_code)]

mod one_session;
mod world;
