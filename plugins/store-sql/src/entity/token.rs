//! Personal access tokens.

use patd_proto::rows::{Token, TokenEpochs, Told};
use patd_proto::wire::{Micros, Nat, Phc};
use sea_orm::ActiveValue::Set;
use sea_orm::Condition;
use sea_orm::entity::prelude::*;

use super::{Kept, Misfit, text, to_ended, to_int, to_nat, to_uuid, to_uuid_opt};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tokens")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) site: String,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) last_used_at: Option<i64>,
    pub(crate) idle_limit: i64,
    pub(crate) due_at: i64,
    pub(crate) told_absolute_days: Option<i64>,
    pub(crate) told_idle_days: Option<i64>,
    pub(crate) networks: String,
    pub(crate) session: Option<String>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) ended_reason: Option<String>,
    pub(crate) ended_successor: Option<String>,
    pub(crate) person_epoch: i64,
    pub(crate) member_epoch: i64,
    pub(crate) token_epoch: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(
        belongs_to = "super::session::Entity",
        from = "Column::Session",
        to = "super::session::Column::Id"
    )]
    Session,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::session::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Session.def()
    }
}

fn to_days(days: Option<i64>, place: &'static str) -> Result<Option<u16>, Misfit> {
    days.map(u16::try_from).transpose().map_err(|_| Misfit { place })
}

impl Kept for Token {
    type Entity = Entity;
    type Active = ActiveModel;
    type Key = Uuid;
    const VERSION: Column = Column::Version;

    fn active(&self, version: Nat) -> Result<ActiveModel, Misfit> {
        Ok(ActiveModel {
            id: Set(text(self.id)),
            site: Set(text(self.site)),
            owner: Set(text(self.owner)),
            name: Set(self.name.clone()),
            digest: Set(self.digest.0.clone()),
            created_at: Set(self.created_at.0),
            expires_at: Set(self.expires_at.0),
            last_used_at: Set(self.last_used_at.map(|at| at.0)),
            idle_limit: Set(self.idle_limit.0),
            due_at: Set(self.due_at.0),
            told_absolute_days: Set(self.told.absolute_days.map(i64::from)),
            told_idle_days: Set(self.told.idle_days.map(i64::from)),
            networks: Set(self.networks.join(" ")),
            session: Set(self.session.map(text)),
            ended_at: Set(self.ended.as_ref().map(|e| e.at.0)),
            ended_reason: Set(self.ended.as_ref().map(|e| e.reason.clone())),
            ended_successor: Set(self.ended.as_ref().and_then(|e| e.successor).map(text)),
            person_epoch: Set(to_int(self.epochs.person, "tokens.person_epoch")?),
            member_epoch: Set(to_int(self.epochs.member, "tokens.member_epoch")?),
            token_epoch: Set(to_int(self.epochs.token, "tokens.token_epoch")?),
            version: Set(to_int(version, "tokens.version")?),
        })
    }

    fn read(model: Model) -> Result<Self, Misfit> {
        Ok(Self {
            id: to_uuid(&model.id, "tokens.id")?,
            site: to_uuid(&model.site, "tokens.site")?,
            owner: to_uuid(&model.owner, "tokens.owner")?,
            name: model.name,
            digest: Phc(model.digest),
            created_at: Micros(model.created_at),
            expires_at: Micros(model.expires_at),
            last_used_at: model.last_used_at.map(Micros),
            idle_limit: Micros(model.idle_limit),
            due_at: Micros(model.due_at),
            told: Told {
                absolute_days: to_days(model.told_absolute_days, "tokens.told_absolute_days")?,
                idle_days: to_days(model.told_idle_days, "tokens.told_idle_days")?,
            },
            networks: model.networks.split_ascii_whitespace().map(str::to_owned).collect(),
            session: to_uuid_opt(model.session.as_deref(), "tokens.session")?,
            ended: to_ended(
                model.ended_at,
                model.ended_reason,
                model.ended_successor.as_deref(),
                "tokens.ended_reason",
            )?,
            epochs: TokenEpochs {
                person: to_nat(model.person_epoch, "tokens.person_epoch")?,
                member: to_nat(model.member_epoch, "tokens.member_epoch")?,
                token: to_nat(model.token_epoch, "tokens.token_epoch")?,
            },
            version: to_nat(model.version, "tokens.version")?,
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
