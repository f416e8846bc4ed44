//! Digests of passwords.

use patd_proto::rows::Password;
use patd_proto::wire::{Micros, Nat, Phc};
use sea_orm::ActiveValue::Set;
use sea_orm::Condition;
use sea_orm::entity::prelude::*;

use super::{Kept, Misfit, text, to_int, to_nat, to_uuid};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "passwords")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user: String,
    pub(crate) digest: String,
    pub(crate) changed_at: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Kept for Password {
    type Entity = Entity;
    type Active = ActiveModel;
    type Key = Uuid;
    const VERSION: Column = Column::Version;

    fn active(&self, version: Nat) -> Result<ActiveModel, Misfit> {
        Ok(ActiveModel {
            user: Set(text(self.user)),
            digest: Set(self.digest.0.clone()),
            changed_at: Set(self.changed_at.0),
            version: Set(to_int(version, "passwords.version")?),
        })
    }

    fn read(model: Model) -> Result<Self, Misfit> {
        Ok(Self {
            user: to_uuid(&model.user, "passwords.user")?,
            digest: Phc(model.digest),
            changed_at: Micros(model.changed_at),
            version: to_nat(model.version, "passwords.version")?,
        })
    }

    fn at(key: Self::Key) -> Condition {
        Condition::all().add(Column::User.eq(text(key)))
    }

    fn key(&self) -> Self::Key {
        self.user
    }

    fn version(&self) -> Nat {
        self.version
    }
}
