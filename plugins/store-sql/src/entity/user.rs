//! People; the folded name is the one that is compared and unique.

use patd_proto::rows::User;
use patd_proto::wire::{Micros, Nat};
use sea_orm::ActiveValue::Set;
use sea_orm::Condition;
use sea_orm::entity::prelude::*;

use super::{Kept, Misfit, text, to_int, to_nat, to_uuid};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) luid: String,
    pub(crate) username: String,
    pub(crate) username_folded: String,
    pub(crate) full_name: String,
    pub(crate) email: String,
    pub(crate) disabled: bool,
    pub(crate) access_epoch: i64,
    pub(crate) credential_epoch: i64,
    pub(crate) muted: String,
    pub(crate) created_at: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Kept for User {
    type Entity = Entity;
    type Active = ActiveModel;
    type Key = Uuid;
    const VERSION: Column = Column::Version;

    fn active(&self, version: Nat) -> Result<ActiveModel, Misfit> {
        Ok(ActiveModel {
            luid: Set(text(self.luid)),
            username: Set(self.username.clone()),
            username_folded: Set(self.username.to_ascii_lowercase()),
            full_name: Set(self.full_name.clone()),
            email: Set(self.email.clone()),
            disabled: Set(self.disabled),
            access_epoch: Set(to_int(self.access_epoch, "users.access_epoch")?),
            credential_epoch: Set(to_int(self.credential_epoch, "users.credential_epoch")?),
            muted: Set(self.muted.join(" ")),
            created_at: Set(self.created_at.0),
            version: Set(to_int(version, "users.version")?),
        })
    }

    fn read(model: Model) -> Result<Self, Misfit> {
        Ok(Self {
            luid: to_uuid(&model.luid, "users.luid")?,
            username: model.username,
            full_name: model.full_name,
            email: model.email,
            disabled: model.disabled,
            access_epoch: to_nat(model.access_epoch, "users.access_epoch")?,
            credential_epoch: to_nat(model.credential_epoch, "users.credential_epoch")?,
            muted: model.muted.split_ascii_whitespace().map(str::to_owned).collect(),
            created_at: Micros(model.created_at),
            version: to_nat(model.version, "users.version")?,
        })
    }

    fn at(key: Self::Key) -> Condition {
        Condition::all().add(Column::Luid.eq(text(key)))
    }

    fn key(&self) -> Self::Key {
        self.luid
    }

    fn version(&self) -> Nat {
        self.version
    }
}
