//! The rules, tried over a tiny store in memory: one test per rule of the house that tries to break it.
#![forbid(unsafe_code)]

mod admins;
mod clocks;
mod events;
mod identity;
mod invitations;
mod machine;
mod model;
mod notices;
mod one_session;
mod own_tokens;
mod second_factor;
mod stamp;
mod store;
mod switching;
mod world;
