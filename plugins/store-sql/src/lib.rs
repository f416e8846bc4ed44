//! The SQL store plug-in: the contract `patd.store/1` on sea-orm.
//!
//! This version keeps each store in a SQLite file; other back ends join here, because two copies of a database library
//! in one process would break each other's locks. The crate must never decide what a token or session may do: it applies
//! changes whole or not at all, keeps rows unique, and answers only what is durable.
//!
//! [`Engine`] is the store without the plug-in boundary.
#![forbid(unsafe_code)]

mod bulk;
mod change;
mod config;
mod conflict;
mod copy;
mod digests;
mod engine;
mod entity;
mod error;
mod file;
mod list;
mod outbox;
mod query;
mod reader;
mod schema;
mod service;
mod writer;

pub use config::Config;
pub use engine::Engine;
pub use error::Error;
pub use patd_proto::store::Role;
pub use service::SqlStore;

patd_sdk::export! { id: "store-sql", store: patd_sdk::Managed<SqlStore> }
