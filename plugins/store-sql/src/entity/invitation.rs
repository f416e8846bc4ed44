//! Single-use invitations.

use patd_proto::rows::{Invitation, InvitationKind};
use patd_proto::wire::{Micros, Nat};
use sea_orm::ActiveValue::Set;
use sea_orm::Condition;
use sea_orm::entity::prelude::*;

use super::{Kept, Misfit, text, to_bytes, to_int, to_nat, to_uuid, to_uuid_opt};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) site: Option<String>,
    pub(crate) user: String,
    pub(crate) digest: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) spent_at: Option<i64>,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Kept for Invitation {
    type Entity = Entity;
    type Active = ActiveModel;
    type Key = Uuid;
    const VERSION: Column = Column::Version;

    fn active(&self, version: Nat) -> Result<ActiveModel, Misfit> {
        Ok(ActiveModel {
            id: Set(text(self.id)),
            kind: Set(self.kind.as_str().to_owned()),
            site: Set(self.site.map(text)),
            user: Set(text(self.user)),
            digest: Set(self.digest.to_text()),
            created_at: Set(self.created_at.0),
            expires_at: Set(self.expires_at.0),
            spent_at: Set(self.spent_at.map(|at| at.0)),
            version: Set(to_int(version, "invitations.version")?),
        })
    }

    fn read(model: Model) -> Result<Self, Misfit> {
        Ok(Self {
            id: to_uuid(&model.id, "invitations.id")?,
            kind: InvitationKind::parse(&model.kind).ok_or(Misfit { place: "invitations.kind" })?,
            site: to_uuid_opt(model.site.as_deref(), "invitations.site")?,
            user: to_uuid(&model.user, "invitations.user")?,
            digest: to_bytes(&model.digest, "invitations.digest")?,
            created_at: Micros(model.created_at),
            expires_at: Micros(model.expires_at),
            spent_at: model.spent_at.map(Micros),
            version: to_nat(model.version, "invitations.version")?,
        })
    }

    fn at(key: Self::Key) -> Condition {
        Condition::all().add(Column::Id.eq(text(key)))
    }

    fn key(&self) -> Self::Key {
        self.id
    }

    fn version(&self) -> Nat {
        self.version
    }
}
