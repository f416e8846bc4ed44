//! Answers queries; each is a look-up or a range of an index.

use std::collections::HashMap;

use patd_proto::rows::{Membership, Session, Site, Token, User};
use patd_proto::store::{EventFilter, Found, Member, Query, TokenAndSession};
use patd_proto::wire::{Micros, Nat};
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait, Select,
};
use uuid::Uuid;

use crate::entity::{self, Kept, Misfit, event, invitation, membership, session, site, text, token, user};
use crate::error::Error;

/// More events than can be on their way to a store at one time.
const UNDER_WAY: u64 = 100_000;

/// Whether one statement answers it, so that it needs no transaction for a consistent read.
pub(crate) fn is_one_statement(query: &Query) -> bool {
    !matches!(query, Query::CountMintedBefore { .. } | Query::CountStale { .. })
}

async fn all<R: Kept>(db: &impl ConnectionTrait, select: Select<R::Entity>) -> Result<Vec<R>, Error> {
    Ok(select.all(db).await?.into_iter().map(R::read).collect::<Result<_, Misfit>>()?)
}

async fn at<R: Kept>(db: &impl ConnectionTrait, key: R::Key) -> Result<Vec<R>, Error> {
    all(db, R::Entity::find().filter(R::at(key))).await
}

/// Answers one query; `tokens` holds what was fetched for the whole batch.
pub(crate) async fn answer<C: ConnectionTrait>(
    db: &C,
    query: &Query,
    tokens: &HashMap<Uuid, Option<TokenAndSession>>,
) -> Result<Found, Error> {
    Ok(match query {
        Query::Sites => {
            Found::Sites(all::<Site>(db, site::Entity::find().order_by_asc(site::Column::Key)).await?)
        }
        Query::User(luid) => Found::Users(at(db, *luid).await?),
        Query::UserByName(folded) => Found::Users(
            all::<User>(db, user::Entity::find().filter(user::Column::UsernameFolded.eq(folded.as_str())))
                .await?,
        ),
        Query::Membership(site, user) => Found::Memberships(at(db, (*site, *user)).await?),
        Query::MembershipsOf(user) => Found::Memberships(
            all::<Membership>(
                db,
                membership::Entity::find()
                    .filter(membership::Column::User.eq(text(*user)))
                    .order_by_asc(membership::Column::Site),
            )
            .await?,
        ),
        Query::MembersOf { site, after, offset, limit } => {
            Found::Members(members(db, *site, after.as_deref(), *offset, *limit).await?)
        }
        Query::CountMembers(site) => {
            let present = membership::Entity::find()
                .filter(membership::Column::Site.eq(text(*site)))
                .filter(membership::Column::State.ne("removed"));
            Found::Counts(Nat(present.count(db).await?), Nat(0))
        }
        Query::Password(user) => Found::Passwords(at(db, *user).await?),
        Query::Totp(user) => Found::Totps(at(db, *user).await?),
        Query::Invitation(id) => Found::Invitations(at(db, *id).await?),
        Query::OpenInvitations { user, site } => {
            use invitation::Column;
            let open = invitation::Entity::find()
                .filter(Column::User.eq(text(*user)))
                .filter(site.map_or_else(|| Column::Site.is_null(), |site| Column::Site.eq(text(site))))
                .filter(Column::SpentAt.is_null())
                .order_by_asc(Column::CreatedAt)
                .order_by_asc(Column::Id);
            Found::Invitations(all(db, open).await?)
        }
        Query::Token(id) => Found::Tokens(at(db, *id).await?),
        Query::Session(id) => Found::Sessions(at(db, *id).await?),
        Query::TokenAndSession(id) => Found::TokenAndSession(match tokens.get(id) {
            Some(fetched) => fetched.clone().map(Box::new),
            None => tokens_and_sessions(db, &[*id]).await?.remove(id).flatten().map(Box::new),
        }),
        Query::OpenTokensOf { site, owner } => {
            use token::Column;
            let open = token::Entity::find()
                .filter(Column::Site.eq(text(*site)))
                .filter(Column::Owner.eq(text(*owner)))
                .filter(Column::EndedAt.is_null())
                .order_by_asc(Column::CreatedAt)
                .order_by_asc(Column::Id);
            Found::Tokens(all(db, open).await?)
        }
        Query::Tokens { site, owner, ended_since, after, limit } => {
            Found::Tokens(tokens_of(db, *site, *owner, *ended_since, *after, *limit).await?)
        }
        Query::CountMintedBefore { site, before } => minted_before(db, *site, *before).await?,
        Query::CountStale { site, expires_before, used_before } => {
            use token::Column;
            let open = || {
                token::Entity::find().filter(Column::Site.eq(text(*site))).filter(Column::EndedAt.is_null())
            };
            let last_use = Func::coalesce([Expr::col(Column::LastUsedAt), Expr::col(Column::CreatedAt)]);
            let expiring = open().filter(Column::ExpiresAt.lt(expires_before.0)).count(db).await?;
            let unused = open().filter(Expr::expr(last_use).lt(used_before.0)).count(db).await?;
            Found::Counts(Nat(expiring), Nat(unused))
        }
        Query::LiveSessions { now, after, limit } => {
            use session::Column;
            let mut live = session::Entity::find()
                .filter(Column::EndedAt.is_null())
                .filter(Column::ExpiresAt.gt(now.0))
                .order_by_asc(Column::Id)
                .limit(u64::from(*limit));
            if let Some(after) = after {
                live = live.filter(Column::Id.gt(text(*after)));
            }
            Found::Sessions(all::<Session>(db, live).await?)
        }
        Query::DueTokens { site, now, limit } => {
            use token::Column;
            let due = token::Entity::find()
                .filter(Column::Site.eq(text(*site)))
                .filter(Column::EndedAt.is_null())
                .filter(Column::DueAt.lte(now.0))
                .order_by_asc(Column::DueAt)
                .limit(u64::from(*limit));
            Found::Tokens(all(db, due).await?)
        }
        Query::PastSessions { before, limit } => {
            use session::Column;
            let past = session::Entity::find()
                .filter(Column::ExpiresAt.lt(before.0))
                .order_by_asc(Column::ExpiresAt)
                .limit(u64::from(*limit));
            Found::Sessions(all(db, past).await?)
        }
        Query::Events { site, filter, after, limit } => {
            use event::Column;
            let mut listed = events(*site, filter)
                .order_by_desc(Column::Time)
                .order_by_desc(Column::Id)
                .limit(u64::from(*limit));
            if let Some((at, id)) = after {
                listed = listed
                    .filter(Column::Time.lte(at.0))
                    .filter(Condition::any().add(Column::Time.lt(at.0)).add(Column::Id.lt(text(*id))));
            }
            found_events(db, listed).await?
        }
        Query::EventsInOrder { site, filter, after, through, limit } => {
            use event::Column;
            let int = |seq: Nat| i64::try_from(seq.0).unwrap_or(i64::MAX);
            let following = events(*site, filter)
                .filter(Column::Seq.gt(int(*after)))
                .filter(Column::Seq.lte(int(*through)))
                .order_by_asc(Column::Seq)
                .limit(u64::from(*limit));
            found_events(db, following).await?
        }
        Query::Event(id) => {
            found_events(db, event::Entity::find().filter(event::Column::Id.eq(text(*id)))).await?
        }
        Query::NewestSeq => {
            // Whatever was committed after the highest number was under way when it was given out, and that is never so much.
            let latest: Vec<i64> = event::Entity::find()
                .select_only()
                .column(event::Column::Seq)
                .order_by_desc(event::Column::Position)
                .limit(UNDER_WAY)
                .into_tuple()
                .all(db)
                .await?;
            Found::Counts(entity::to_nat(latest.into_iter().max().unwrap_or(0), "events.seq")?, Nat(0))
        }
        Query::NewestEvent => {
            let time: Option<i64> = event::Entity::find()
                .select_only()
                .column(event::Column::Time)
                .order_by_desc(event::Column::Time)
                .into_tuple()
                .one(db)
                .await?;
            Found::Time(time.map(Micros))
        }
        Query::HomeNumberUsed(home) => {
            let used = site::Entity::find().filter(site::Column::Home.eq(i64::from(*home))).count(db).await?;
            Found::Counts(Nat(used), Nat(0))
        }
    })
}

/// Tokens with the sessions that their rows name; `None` for ids that are unknown.
pub(crate) async fn tokens_and_sessions<C: ConnectionTrait>(
    db: &C,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Option<TokenAndSession>>, Error> {
    let select = token::Entity::find().find_also_related(session::Entity);
    let rows = match ids {
        [one] => select.filter(token::Column::Id.eq(text(*one))).all(db).await?,
        many => {
            let list = crate::list::ids(many.iter().copied());
            select.filter(crate::list::in_list(token::Column::Id, list)).all(db).await?
        }
    };
    let mut found: HashMap<Uuid, Option<TokenAndSession>> = ids.iter().map(|id| (*id, None)).collect();
    for (token, session) in rows {
        let token = Token::read(token)?;
        let session = session.map(Session::read).transpose()?;
        found.insert(token.id, Some(TokenAndSession { token, session }));
    }
    Ok(found)
}

async fn members(
    db: &impl ConnectionTrait,
    site: Uuid,
    after: Option<&str>,
    offset: u32,
    limit: u32,
) -> Result<Vec<Member>, Error> {
    let mut select = membership::Entity::find()
        .find_also_related(user::Entity)
        .filter(membership::Column::Site.eq(text(site)))
        .filter(membership::Column::State.ne("removed"))
        .order_by_asc(user::Column::UsernameFolded)
        .offset(u64::from(offset))
        .limit(u64::from(limit));
    if let Some(after) = after {
        select = select.filter(user::Column::UsernameFolded.gt(after));
    }
    let mut members = Vec::new();
    for (membership, user) in select.all(db).await? {
        let user = user.ok_or(entity::Misfit { place: "memberships.user" })?;
        members.push(Member { membership: Membership::read(membership)?, user: User::read(user)? });
    }
    Ok(members)
}

async fn tokens_of(
    db: &impl ConnectionTrait,
    site: Uuid,
    owner: Option<Uuid>,
    ended_since: Option<Micros>,
    after: Option<(Micros, Uuid)>,
    limit: u32,
) -> Result<Vec<Token>, Error> {
    use token::Column;
    let mut select = token::Entity::find()
        .filter(Column::Site.eq(text(site)))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(u64::from(limit));
    if let Some(owner) = owner {
        select = select.filter(Column::Owner.eq(text(owner)));
    }
    select = select.filter(match ended_since {
        None => Condition::all().add(Column::EndedAt.is_null()),
        Some(since) => Condition::any().add(Column::EndedAt.is_null()).add(Column::EndedAt.gte(since.0)),
    });
    if let Some((at, id)) = after {
        select = select
            .filter(Column::CreatedAt.lte(at.0))
            .filter(Condition::any().add(Column::CreatedAt.lt(at.0)).add(Column::Id.lt(text(id))));
    }
    all(db, select).await
}

async fn minted_before(db: &impl ConnectionTrait, site: Uuid, before: Micros) -> Result<Found, Error> {
    use token::Column;
    let open = token::Entity::find()
        .filter(Column::Site.eq(text(site)))
        .filter(Column::CreatedAt.lt(before.0))
        .filter(Column::EndedAt.is_null());
    let tokens = open.clone().count(db).await?;
    let sessions = open
        .join(JoinType::InnerJoin, token::Relation::Session.def())
        .filter(session::Column::EndedAt.is_null())
        .count(db)
        .await?;
    Ok(Found::Counts(Nat(tokens), Nat(sessions)))
}

/// The site's events that a filter lets through.
fn events(site: Uuid, filter: &EventFilter) -> Select<event::Entity> {
    use event::Column;
    let EventFilter { types, user, token, session, since, until } = filter;
    let mut all = Condition::all().add(Column::Site.eq(text(site)));
    let ids = [(Column::User, user), (Column::Token, token), (Column::Session, session)];
    for (column, id) in ids.into_iter().filter_map(|(column, id)| Some((column, (*id)?))) {
        all = all.add(column.eq(text(id)));
    }
    if let Some(types) = types {
        all = all.add(Column::Type.is_in(types.iter().map(String::as_str)));
    }
    if let Some(since) = since {
        all = all.add(Column::Time.gte(since.0));
    }
    if let Some(until) = until {
        all = all.add(Column::Time.lt(until.0));
    }
    event::Entity::find().filter(all)
}

async fn found_events(db: &impl ConnectionTrait, select: Select<event::Entity>) -> Result<Found, Error> {
    let events = select.all(db).await?.into_iter().map(event::read).collect::<Result<_, Misfit>>()?;
    Ok(Found::Events(events))
}
