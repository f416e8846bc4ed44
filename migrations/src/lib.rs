//! The schema of store-sql, as versions.
//!
//! A migration that was ever released must never change; what it made is changed by a later one. Ids are UUID text,
//! times and spans are integer microseconds, bytes are base64url text, reasons and states are words: an operator reads
//! the tables with the database's own shell. There are no foreign keys: rows that others name are never deleted, and one
//! change's mistake must not fail the others that are committed with it. Unique indexes have the names that conflicts
//! are reported by.
#![forbid(unsafe_code)]

mod m0001_tokens;
mod m0002_directory;
mod m0003_event_detail;
mod m0004_outbox;
mod m0005_notices;
mod m0006_muted;
mod table;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Name of the migration that only directory stores need.
pub const DIRECTORY: &str = m0002_directory::NAME;

/// What a store of tokens, sessions and events needs.
#[derive(Clone, Copy, Debug)]
pub struct SiteStore;

/// The same, and sites, people, credentials and invitations.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryStore;

impl MigratorTrait for SiteStore {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_tokens::Migration),
            Box::new(m0003_event_detail::Migration),
            Box::new(m0004_outbox::Migration),
            Box::new(m0005_notices::Migration),
        ]
    }
}

impl MigratorTrait for DirectoryStore {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_tokens::Migration),
            Box::new(m0002_directory::Migration),
            Box::new(m0003_event_detail::Migration),
            Box::new(m0004_outbox::Migration),
            Box::new(m0005_notices::Migration),
            Box::new(m0006_muted::Migration),
        ]
    }
}
