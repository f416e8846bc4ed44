//! People in sites.

use patd_proto::rows::{MemberState, Membership};
use patd_proto::wire::{Micros, Nat};
use sea_orm::ActiveValue::Set;
use sea_orm::Condition;
use sea_orm::entity::prelude::*;

use super::{Kept, Misfit, text, to_int, to_nat, to_uuid};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "memberships")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) site: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user: String,
    pub(crate) role: String,
    pub(crate) state: String,
    pub(crate) access_epoch: i64,
    pub(crate) token_epoch: i64,
    pub(crate) created_at: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(belongs_to = "super::user::Entity", from = "Column::User", to = "super::user::Column::Luid")]
    User,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl Kept for Membership {
    type Entity = Entity;
    type Active = ActiveModel;
    type Key = (Uuid, Uuid);
    const VERSION: Column = Column::Version;

    fn active(&self, version: Nat) -> Result<ActiveModel, Misfit> {
        Ok(ActiveModel {
            site: Set(text(self.site)),
            user: Set(text(self.user)),
            role: Set(self.role.clone()),
            state: Set(self.state.as_str().to_owned()),
            access_epoch: Set(to_int(self.access_epoch, "memberships.access_epoch")?),
            token_epoch: Set(to_int(self.token_epoch, "memberships.token_epoch")?),
            created_at: Set(self.created_at.0),
            version: Set(to_int(version, "memberships.version")?),
        })
    }

    fn read(model: Model) -> Result<Self, Misfit> {
        Ok(Self {
            site: to_uuid(&model.site, "memberships.site")?,
            user: to_uuid(&model.user, "memberships.user")?,
            role: model.role,
            state: MemberState::parse(&model.state).ok_or(Misfit { place: "memberships.state" })?,
            access_epoch: to_nat(model.access_epoch, "memberships.access_epoch")?,
            token_epoch: to_nat(model.token_epoch, "memberships.token_epoch")?,
            created_at: Micros(model.created_at),
            version: to_nat(model.version, "memberships.version")?,
        })
    }

    fn at(key: Self::Key) -> Condition {
        Condition::all().add(Column::Site.eq(text(key.0))).add(Column::User.eq(text(key.1)))
    }

    fn key(&self) -> Self::Key {
        (self.site, self.user)
    }

    fn version(&self) -> Nat {
        self.version
    }
}
