//! Tenants.

use patd_proto::rows::{Policy, Site, SiteCredential, SiteState};
use patd_proto::wire::{Micros, Nat};
use sea_orm::ActiveValue::Set;
use sea_orm::Condition;
use sea_orm::entity::prelude::*;

use super::{Kept, Misfit, text, to_bytes, to_int, to_nat, to_u32, to_uuid};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sites")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) luid: String,
    pub(crate) key: String,
    pub(crate) content_url: String,
    pub(crate) content_url_folded: String,
    pub(crate) name: String,
    pub(crate) home: i64,
    pub(crate) state: String,
    pub(crate) pat_enabled: bool,
    pub(crate) mint_allowed: bool,
    pub(crate) max_lifetime: i64,
    pub(crate) idle_limit: i64,
    pub(crate) session_lifetime: i64,
    pub(crate) tokens_per_user: i64,
    pub(crate) foreign_tokens: bool,
    pub(crate) switch_site: bool,
    pub(crate) not_before: i64,
    pub(crate) client_id: Option<String>,
    pub(crate) client_digest: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Kept for Site {
    type Entity = Entity;
    type Active = ActiveModel;
    type Key = Uuid;
    const VERSION: Column = Column::Version;

    fn active(&self, version: Nat) -> Result<ActiveModel, Misfit> {
        Ok(ActiveModel {
            luid: Set(text(self.luid)),
            key: Set(self.key.clone()),
            content_url: Set(self.content_url.clone()),
            content_url_folded: Set(self.content_url.to_ascii_lowercase()),
            name: Set(self.name.clone()),
            home: Set(i64::from(self.home)),
            state: Set(self.state.as_str().to_owned()),
            pat_enabled: Set(self.policy.pat_enabled),
            mint_allowed: Set(self.policy.mint_allowed),
            max_lifetime: Set(self.policy.max_lifetime.0),
            idle_limit: Set(self.policy.idle_limit.0),
            session_lifetime: Set(self.policy.session_lifetime.0),
            tokens_per_user: Set(i64::from(self.policy.tokens_per_user)),
            foreign_tokens: Set(self.policy.foreign_tokens),
            switch_site: Set(self.policy.switch_site),
            not_before: Set(self.not_before.0),
            client_id: Set(self.credential.as_ref().map(|c| c.client_id.clone())),
            client_digest: Set(self.credential.as_ref().map(|c| c.digest.to_text())),
            created_at: Set(self.created_at.0),
            version: Set(to_int(version, "sites.version")?),
        })
    }

    fn read(model: Model) -> Result<Self, Misfit> {
        Ok(Self {
            luid: to_uuid(&model.luid, "sites.luid")?,
            key: model.key,
            content_url: model.content_url,
            name: model.name,
            home: to_u32(model.home, "sites.home")?,
            state: SiteState::parse(&model.state).ok_or(Misfit { place: "sites.state" })?,
            policy: Policy {
                pat_enabled: model.pat_enabled,
                mint_allowed: model.mint_allowed,
                max_lifetime: Micros(model.max_lifetime),
                idle_limit: Micros(model.idle_limit),
                session_lifetime: Micros(model.session_lifetime),
                tokens_per_user: to_u32(model.tokens_per_user, "sites.tokens_per_user")?,
                foreign_tokens: model.foreign_tokens,
                switch_site: model.switch_site,
            },
            not_before: Micros(model.not_before),
            credential: match (model.client_id, model.client_digest) {
                (Some(client_id), Some(digest)) => {
                    Some(SiteCredential { client_id, digest: to_bytes(&digest, "sites.client_digest")? })
                }
                _ => None,
            },
            created_at: Micros(model.created_at),
            version: to_nat(model.version, "sites.version")?,
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
