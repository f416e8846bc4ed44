//! Second factors; the recovery digests lie in one column, separated by blanks.

use patd_proto::rows::Totp;
use patd_proto::wire::{Bytes, Nat};
use sea_orm::ActiveValue::Set;
use sea_orm::Condition;
use sea_orm::entity::prelude::*;

use super::{Kept, Misfit, text, to_bytes, to_int, to_nat, to_uuid};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "totps")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user: String,
    pub(crate) sealed_secret: String,
    pub(crate) confirmed: bool,
    pub(crate) last_step: i64,
    pub(crate) recovery: String,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Kept for Totp {
    type Entity = Entity;
    type Active = ActiveModel;
    type Key = Uuid;
    const VERSION: Column = Column::Version;

    fn active(&self, version: Nat) -> Result<ActiveModel, Misfit> {
        Ok(ActiveModel {
            user: Set(text(self.user)),
            sealed_secret: Set(self.sealed_secret.to_text()),
            confirmed: Set(self.confirmed),
            last_step: Set(to_int(self.last_step, "totps.last_step")?),
            recovery: Set(self.recovery.iter().map(Bytes::to_text).collect::<Vec<_>>().join(" ")),
            version: Set(to_int(version, "totps.version")?),
        })
    }

    fn read(model: Model) -> Result<Self, Misfit> {
        Ok(Self {
            user: to_uuid(&model.user, "totps.user")?,
            sealed_secret: to_bytes(&model.sealed_secret, "totps.sealed_secret")?,
            confirmed: model.confirmed,
            last_step: to_nat(model.last_step, "totps.last_step")?,
            recovery: model
                .recovery
                .split_ascii_whitespace()
                .map(|code| to_bytes(code, "totps.recovery"))
                .collect::<Result<_, _>>()?,
            version: to_nat(model.version, "totps.version")?,
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
