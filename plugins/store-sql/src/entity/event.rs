//! Audit events: written once, never changed; the position is the order of commits.

use patd_proto::rows::{Actor, Event, EventDetail};
use patd_proto::wire::Micros;
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::entity::prelude::*;

use super::{Misfit, text, to_int, to_nat, to_u32, to_uuid, to_uuid_opt};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) position: i64,
    pub(crate) id: String,
    pub(crate) time: i64,
    pub(crate) site: Option<String>,
    pub(crate) r#type: String,
    pub(crate) actor: String,
    pub(crate) actor_luid: Option<String>,
    pub(crate) actor_username: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) address: String,
    pub(crate) user_agent: String,
    pub(crate) reason: String,
    pub(crate) count: i64,
    /// JSON of the contract's detail.
    pub(crate) detail: Option<String>,
    pub(crate) seq: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub(crate) fn active(event: &Event) -> Result<ActiveModel, Misfit> {
    let (actor, actor_luid, actor_username) = match &event.actor {
        Actor::User { luid, username } => ("user", Some(text(*luid)), Some(username.clone())),
        Actor::Operator => ("operator", None, None),
        Actor::System => ("system", None, None),
        Actor::Anonymous => ("anonymous", None, None),
    };
    let detail = event.detail.as_deref().map(serde_json::to_string).transpose();
    Ok(ActiveModel {
        position: NotSet,
        id: Set(text(event.id)),
        time: Set(event.time.0),
        site: Set(event.site.map(text)),
        r#type: Set(event.kind.clone()),
        actor: Set(actor.to_owned()),
        actor_luid: Set(actor_luid),
        actor_username: Set(actor_username),
        user: Set(event.user.map(text)),
        token: Set(event.token.map(text)),
        session: Set(event.session.map(text)),
        address: Set(event.address.clone()),
        user_agent: Set(event.user_agent.clone()),
        reason: Set(event.reason.clone()),
        count: Set(i64::from(event.count)),
        detail: Set(detail.map_err(|_| Misfit { place: "events.detail" })?),
        seq: Set(to_int(event.seq, "events.seq")?),
    })
}

pub(crate) fn read(model: Model) -> Result<Event, Misfit> {
    let actor = match (model.actor.as_str(), model.actor_luid) {
        ("user", Some(luid)) => Actor::User {
            luid: to_uuid(&luid, "events.actor_luid")?,
            username: model.actor_username.unwrap_or_default(),
        },
        ("operator", _) => Actor::Operator,
        ("system", _) => Actor::System,
        ("anonymous", _) => Actor::Anonymous,
        _ => return Err(Misfit { place: "events.actor" }),
    };
    let detail: Option<EventDetail> = model
        .detail
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .map_err(|_| Misfit { place: "events.detail" })?;
    Ok(Event {
        id: to_uuid(&model.id, "events.id")?,
        time: Micros(model.time),
        site: to_uuid_opt(model.site.as_deref(), "events.site")?,
        kind: model.r#type,
        actor,
        user: to_uuid_opt(model.user.as_deref(), "events.user")?,
        token: to_uuid_opt(model.token.as_deref(), "events.token")?,
        session: to_uuid_opt(model.session.as_deref(), "events.session")?,
        address: model.address,
        user_agent: model.user_agent,
        reason: model.reason,
        count: to_u32(model.count, "events.count")?,
        detail: detail.map(Box::new),
        seq: to_nat(model.seq, "events.seq")?,
    })
}
