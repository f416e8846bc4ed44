//! The tables as sea-orm entities, and how the contract's rows become table rows and back.
//!
//! Nothing here judges a row: words, digests and epochs are kept as they come. A table row that cannot be read back
//! (edited by hand, a broken disk) is an error that names the table and column, never its content.

pub(crate) mod applied;
pub(crate) mod dead_letter;
pub(crate) mod event;
pub(crate) mod invitation;
pub(crate) mod membership;
pub(crate) mod outbox_lease;
pub(crate) mod password;
pub(crate) mod session;
pub(crate) mod sink_cursor;
pub(crate) mod site;
pub(crate) mod token;
pub(crate) mod totp;
pub(crate) mod user;

use patd_proto::rows::Ended;
use patd_proto::wire::{Bytes, Micros, Nat};
use sea_orm::{ActiveModelBehavior, ActiveModelTrait, Condition, EntityTrait};
use uuid::Uuid;

/// A value that does not fit between the contract and the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Misfit {
    /// `table.column`.
    pub(crate) place: &'static str,
}

/// A row of the contract that a table keeps.
pub(crate) trait Kept: Sized + Send + Sync {
    /// The table.
    type Entity: EntityTrait<Model: Send>;
    /// Its row, to be written.
    type Active: ActiveModelTrait<Entity = Self::Entity> + ActiveModelBehavior + Send;
    /// Its primary key.
    type Key: Copy + Send + Sync;
    /// The column of the row version.
    const VERSION: <Self::Entity as EntityTrait>::Column;

    /// All columns, the version given.
    fn active(&self, version: Nat) -> Result<Self::Active, Misfit>;
    /// Reads it back.
    fn read(model: <Self::Entity as EntityTrait>::Model) -> Result<Self, Misfit>;
    /// The condition that finds one row.
    fn at(key: Self::Key) -> Condition;
    /// Its primary key.
    fn key(&self) -> Self::Key;
    /// Its version.
    fn version(&self) -> Nat;
}

/// To the table: a number of 64 bits without the last one.
pub(crate) fn to_int(n: Nat, place: &'static str) -> Result<i64, Misfit> {
    i64::try_from(n.0).map_err(|_| Misfit { place })
}

pub(crate) fn to_nat(n: i64, place: &'static str) -> Result<Nat, Misfit> {
    u64::try_from(n).map(Nat).map_err(|_| Misfit { place })
}

pub(crate) fn to_u32(n: i64, place: &'static str) -> Result<u32, Misfit> {
    u32::try_from(n).map_err(|_| Misfit { place })
}

/// Ids are lower-case hyphenated text, whose order is that of the ids.
pub(crate) fn text(id: Uuid) -> String {
    id.hyphenated().to_string()
}

pub(crate) fn to_uuid(text: &str, place: &'static str) -> Result<Uuid, Misfit> {
    Uuid::try_parse(text).map_err(|_| Misfit { place })
}

pub(crate) fn to_uuid_opt(text: Option<&str>, place: &'static str) -> Result<Option<Uuid>, Misfit> {
    text.map(|text| to_uuid(text, place)).transpose()
}

pub(crate) fn to_bytes(text: &str, place: &'static str) -> Result<Bytes, Misfit> {
    Bytes::from_text(text).ok_or(Misfit { place })
}

/// The three columns of an end.
pub(crate) fn to_ended(
    at: Option<i64>,
    reason: Option<String>,
    successor: Option<&str>,
    place: &'static str,
) -> Result<Option<Ended>, Misfit> {
    let Some(at) = at else { return Ok(None) };
    let reason = reason.ok_or(Misfit { place })?;
    Ok(Some(Ended { at: Micros(at), reason, successor: to_uuid_opt(successor, place)? }))
}
