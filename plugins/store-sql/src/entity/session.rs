//! Sessions; the index `sessions_live_token` keeps one live session per token.

use patd_proto::rows::{Session, SessionEpochs, SessionKind, SessionToken};
use patd_proto::wire::{Micros, Nat};
use sea_orm::ActiveValue::Set;
use sea_orm::Condition;
use sea_orm::entity::prelude::*;

use super::{Kept, Misfit, text, to_bytes, to_ended, to_int, to_nat, to_uuid};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) token: Option<String>,
    pub(crate) home: Option<String>,
    pub(crate) minted_at: Option<i64>,
    pub(crate) token_expires_at: Option<i64>,
    pub(crate) token_idle_expires_at: Option<i64>,
    pub(crate) user: String,
    pub(crate) site: String,
    pub(crate) digest: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) ended_reason: Option<String>,
    pub(crate) ended_successor: Option<String>,
    pub(crate) person_epoch: i64,
    pub(crate) credential_epoch: i64,
    pub(crate) member_epoch: i64,
    pub(crate) home_member_epoch: i64,
    pub(crate) token_epoch: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Kept for Session {
    type Entity = Entity;
    type Active = ActiveModel;
    type Key = Uuid;
    const VERSION: Column = Column::Version;

    fn active(&self, version: Nat) -> Result<ActiveModel, Misfit> {
        Ok(ActiveModel {
            id: Set(text(self.id)),
            kind: Set(self.kind.as_str().to_owned()),
            token: Set(self.token.map(|t| text(t.id))),
            home: Set(self.token.map(|t| text(t.home))),
            minted_at: Set(self.token.map(|t| t.minted_at.0)),
            token_expires_at: Set(self.token.map(|t| t.expires_at.0)),
            token_idle_expires_at: Set(self.token.map(|t| t.idle_expires_at.0)),
            user: Set(text(self.user)),
            site: Set(text(self.site)),
            digest: Set(self.digest.to_text()),
            created_at: Set(self.created_at.0),
            expires_at: Set(self.expires_at.0),
            ended_at: Set(self.ended.as_ref().map(|e| e.at.0)),
            ended_reason: Set(self.ended.as_ref().map(|e| e.reason.clone())),
            ended_successor: Set(self.ended.as_ref().and_then(|e| e.successor).map(text)),
            person_epoch: Set(to_int(self.epochs.person, "sessions.person_epoch")?),
            credential_epoch: Set(to_int(self.epochs.credential, "sessions.credential_epoch")?),
            member_epoch: Set(to_int(self.epochs.member, "sessions.member_epoch")?),
            home_member_epoch: Set(to_int(self.epochs.home_member, "sessions.home_member_epoch")?),
            token_epoch: Set(to_int(self.epochs.token, "sessions.token_epoch")?),
            version: Set(to_int(version, "sessions.version")?),
        })
    }

    fn read(model: Model) -> Result<Self, Misfit> {
        Ok(Self {
            id: to_uuid(&model.id, "sessions.id")?,
            kind: SessionKind::parse(&model.kind).ok_or(Misfit { place: "sessions.kind" })?,
            token: match (model.token, model.home, model.minted_at) {
                (Some(id), Some(home), Some(minted_at)) => Some(SessionToken {
                    id: to_uuid(&id, "sessions.token")?,
                    home: to_uuid(&home, "sessions.home")?,
                    minted_at: Micros(minted_at),
                    expires_at: Micros(model.token_expires_at.unwrap_or(model.expires_at)),
                    idle_expires_at: Micros(model.token_idle_expires_at.unwrap_or(model.expires_at)),
                }),
                (None, _, _) => None,
                _ => return Err(Misfit { place: "sessions.home" }),
            },
            user: to_uuid(&model.user, "sessions.user")?,
            site: to_uuid(&model.site, "sessions.site")?,
            digest: to_bytes(&model.digest, "sessions.digest")?,
            created_at: Micros(model.created_at),
            expires_at: Micros(model.expires_at),
            ended: to_ended(
                model.ended_at,
                model.ended_reason,
                model.ended_successor.as_deref(),
                "sessions.ended_reason",
            )?,
            epochs: SessionEpochs {
                person: to_nat(model.person_epoch, "sessions.person_epoch")?,
                credential: to_nat(model.credential_epoch, "sessions.credential_epoch")?,
                member: to_nat(model.member_epoch, "sessions.member_epoch")?,
                home_member: to_nat(model.home_member_epoch, "sessions.home_member_epoch")?,
                token: to_nat(model.token_epoch, "sessions.token_epoch")?,
            },
            version: to_nat(model.version, "sessions.version")?,
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
