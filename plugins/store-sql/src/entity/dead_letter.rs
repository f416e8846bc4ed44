//! Events that a sink will never take.

use patd_proto::store::{DeadLetter, Scope};
use patd_proto::wire::Micros;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

use super::{Misfit, text, to_int, to_nat};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letters")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) sink: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) position: i64,
    pub(crate) site: Option<String>,
    pub(crate) event: String,
    pub(crate) reason: String,
    pub(crate) at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub(crate) fn active(sink: &str, letter: &DeadLetter) -> Result<ActiveModel, Misfit> {
    let event = serde_json::to_string(&letter.event).map_err(|_| Misfit { place: "dead_letters.event" })?;
    Ok(ActiveModel {
        sink: Set(sink.to_owned()),
        position: Set(to_int(letter.position, "dead_letters.position")?),
        site: Set(Scope::of(&letter.event).site().map(text)),
        event: Set(event),
        reason: Set(letter.reason.clone()),
        at: Set(letter.at.0),
    })
}

pub(crate) fn read(model: Model) -> Result<DeadLetter, Misfit> {
    Ok(DeadLetter {
        position: to_nat(model.position, "dead_letters.position")?,
        event: serde_json::from_str(&model.event).map_err(|_| Misfit { place: "dead_letters.event" })?,
        reason: model.reason,
        at: Micros(model.at),
    })
}
