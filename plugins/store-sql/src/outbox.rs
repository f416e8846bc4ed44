//! The outbox: reading it from a cursor, moving cursors, dead letters, leases on pumps. Looks at no clock.

use patd_proto::store::{DeadLetter, LeaseClaim, LeaseSeen, OutboxStatus, SCHEMA, Scope, Waiting};
use patd_proto::wire::{Micros, Nat};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, Func, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};
use uuid::Uuid;

use crate::entity::{Misfit, dead_letter, event, outbox_lease, sink_cursor, text, to_int, to_nat, to_uuid};
use crate::error::Error;

/// Dead letters of one answer at most.
const MOST_LETTERS: u32 = 5000;
/// Positions in one statement.
const CHUNK: usize = 500;

/// The key of a cursor; the names of sinks have no `/`.
pub(crate) fn key(sink: &str, scope: Option<Scope>) -> String {
    match scope {
        None => sink.to_owned(),
        Some(Scope::Directory) => format!("{sink}/directory"),
        Some(Scope::Site(site)) => format!("{sink}/{}", text(site)),
    }
}

/// A position of this store; whatever is greater is beyond all.
pub(crate) fn position(position: Nat) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

/// How far a sink has come.
async fn through(db: &impl ConnectionTrait, sink: &str, scope: Option<Scope>) -> Result<i64, DbErr> {
    // The sink's cursor for all events counts for each scope, too.
    let keys = [key(sink, scope), sink.to_owned()];
    let cursors = sink_cursor::Entity::find().filter(sink_cursor::Column::Sink.is_in(keys)).all(db).await?;
    Ok(cursors.into_iter().map(|cursor| cursor.position).max().unwrap_or(0))
}

fn waiting(after: i64, scope: Option<Scope>) -> Select<event::Entity> {
    let all = event::Entity::find().filter(event::Column::Position.gt(after));
    match scope {
        None => all,
        Some(Scope::Directory) => all.filter(event::Column::Site.is_null()),
        Some(Scope::Site(site)) => all.filter(event::Column::Site.eq(text(site))),
    }
}

/// Events after a position, or after the cursor.
pub(crate) async fn take<C: ConnectionTrait>(
    db: &C,
    sink: &str,
    scope: Option<Scope>,
    after: Option<Nat>,
    limit: u32,
) -> Result<Vec<Waiting>, Error> {
    let after = match after {
        Some(after) => position(after),
        None => through(db, sink, scope).await?,
    };
    let rows =
        waiting(after, scope).order_by_asc(event::Column::Position).limit(u64::from(limit)).all(db).await?;
    let read = |row: event::Model| {
        let position = to_nat(row.position, "events.position")?;
        Ok(Waiting { position, event: event::read(row)? })
    };
    Ok(rows.into_iter().map(read).collect::<Result<_, Misfit>>()?)
}

/// What waits for a sink.
pub(crate) async fn status<C: ConnectionTrait>(
    db: &C,
    sink: &str,
    scope: Scope,
) -> Result<OutboxStatus, Error> {
    let through = through(db, sink, Some(scope)).await?;
    let count = waiting(through, Some(scope)).count(db).await?;
    let oldest: Option<i64> = waiting(through, Some(scope))
        .select_only()
        .column(event::Column::Time)
        .order_by_asc(event::Column::Position)
        .into_tuple()
        .one(db)
        .await?;
    let dead = of_sink(sink, Some(scope)).count(db).await?;
    Ok(OutboxStatus {
        schema: SCHEMA,
        through: to_nat(through, "sink_cursors.position")?,
        waiting: Nat(count),
        oldest: oldest.map(Micros),
        dead: Nat(dead),
    })
}

/// Moves a cursor, never back, and keeps dead letters.
pub(crate) async fn acknowledge<C: ConnectionTrait>(
    db: &C,
    key: &str,
    through: i64,
    dead: &[dead_letter::ActiveModel],
) -> Result<(), DbErr> {
    use sink_cursor::{ActiveModel, Column, Entity};
    let further = Func::cust("max").arg(Expr::col((Entity, Column::Position))).arg(Expr::val(through));
    Entity::insert(ActiveModel { sink: Set(key.to_owned()), position: Set(through) })
        .on_conflict(OnConflict::column(Column::Sink).value(Column::Position, further).to_owned())
        .exec_without_returning(db)
        .await?;
    for letter in dead {
        let twice = OnConflict::columns([dead_letter::Column::Sink, dead_letter::Column::Position])
            .do_nothing()
            .to_owned();
        dead_letter::Entity::insert(letter.clone()).on_conflict(twice).exec_without_returning(db).await?;
    }
    Ok(())
}

fn of_sink(sink: &str, scope: Option<Scope>) -> Select<dead_letter::Entity> {
    let all = dead_letter::Entity::find().filter(dead_letter::Column::Sink.eq(sink));
    match scope {
        None => all,
        Some(Scope::Directory) => all.filter(dead_letter::Column::Site.is_null()),
        Some(Scope::Site(site)) => all.filter(dead_letter::Column::Site.eq(text(site))),
    }
}

/// A sink's dead letters after a position.
pub(crate) async fn letters<C: ConnectionTrait>(
    db: &C,
    sink: &str,
    scope: Option<Scope>,
    after: Nat,
    limit: u32,
) -> Result<Vec<DeadLetter>, Error> {
    let rows = of_sink(sink, scope)
        .filter(dead_letter::Column::Position.gt(position(after)))
        .order_by_asc(dead_letter::Column::Position)
        .limit(u64::from(limit.min(MOST_LETTERS)))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(dead_letter::read).collect::<Result<_, Misfit>>()?)
}

/// Forgets dead letters; how many there were.
pub(crate) async fn forget<C: ConnectionTrait>(db: &C, sink: &str, positions: &[i64]) -> Result<u64, DbErr> {
    let mut forgotten = 0;
    for some in positions.chunks(CHUNK) {
        let done = dead_letter::Entity::delete_many()
            .filter(dead_letter::Column::Sink.eq(sink))
            .filter(dead_letter::Column::Position.is_in(some.iter().copied()))
            .exec(db)
            .await?;
        forgotten += done.rows_affected;
    }
    Ok(forgotten)
}

/// The position of the newest event; 0 when there is none.
pub(crate) async fn last_position<C: ConnectionTrait>(db: &C) -> Result<i64, DbErr> {
    let last: Option<i64> = event::Entity::find()
        .select_only()
        .column(event::Column::Position)
        .order_by_desc(event::Column::Position)
        .into_tuple()
        .one(db)
        .await?;
    Ok(last.unwrap_or(0))
}

/// Removes the oldest events of a scope; how many there were.
pub(crate) async fn remove<C: ConnectionTrait>(
    db: &C,
    scope: Scope,
    through: i64,
    limit: u32,
) -> Result<u64, DbErr> {
    // SQLite gives the position after the greatest one that is there.
    let through = through.min(last_position(db).await? - 1);
    let gone: Vec<i64> = waiting(0, Some(scope))
        .filter(event::Column::Position.lte(through))
        .select_only()
        .column(event::Column::Position)
        .order_by_asc(event::Column::Position)
        .limit(u64::from(limit))
        .into_tuple()
        .all(db)
        .await?;
    for some in gone.chunks(CHUNK) {
        let these = event::Column::Position.is_in(some.iter().copied());
        event::Entity::delete_many().filter(these).exec(db).await?;
    }
    Ok(gone.len() as u64)
}

/// Grants what can be granted and takes back what is given back; who holds each of the claimed leases then.
pub(crate) async fn lease<C: ConnectionTrait>(
    db: &C,
    holder: Uuid,
    claims: &[LeaseClaim],
    release: &[String],
) -> Result<Result<Vec<LeaseSeen>, Misfit>, DbErr> {
    let mut now = Vec::with_capacity(claims.len());
    for claim in claims {
        let row = outbox_lease::Entity::find_by_id(claim.name.clone()).one(db).await?;
        let held = match row.as_ref().map(held).transpose() {
            Ok(held) => held.flatten(),
            Err(misfit) => return Ok(Err(misfit)),
        };
        if let Some(other) = held.filter(|held| held.holder != holder && claim.seen != Some(*held)) {
            now.push(other);
            continue;
        }
        let beat = row.map_or(0, |row| row.beat).saturating_add(1);
        write(db, &claim.name, Some(holder), beat).await?;
        match to_nat(beat, "outbox_leases.beat") {
            Ok(beat) => now.push(LeaseSeen { holder, beat }),
            Err(misfit) => return Ok(Err(misfit)),
        }
    }
    for name in release {
        let row = outbox_lease::Entity::find_by_id(name.clone()).one(db).await?;
        if let Some(row) = row.filter(|row| row.holder == Some(text(holder))) {
            write(db, name, None, row.beat.saturating_add(1)).await?;
        }
    }
    Ok(Ok(now))
}

fn held(row: &outbox_lease::Model) -> Result<Option<LeaseSeen>, Misfit> {
    let Some(holder) = &row.holder else { return Ok(None) };
    let holder = to_uuid(holder, "outbox_leases.holder")?;
    Ok(Some(LeaseSeen { holder, beat: to_nat(row.beat, "outbox_leases.beat")? }))
}

async fn write(db: &impl ConnectionTrait, name: &str, holder: Option<Uuid>, beat: i64) -> Result<(), DbErr> {
    use outbox_lease::{ActiveModel, Column, Entity};
    Entity::insert(ActiveModel {
        name: Set(name.to_owned()),
        holder: Set(holder.map(text)),
        beat: Set(beat),
    })
    .on_conflict(OnConflict::column(Column::Name).update_columns([Column::Holder, Column::Beat]).to_owned())
    .exec_without_returning(db)
    .await?;
    Ok(())
}

/// A position to write, which must be one of this store.
pub(crate) fn written(position: Nat, what: &'static str) -> Result<i64, Error> {
    to_int(position, what)
        .map_err(|_| Error::Invalid(format!("`{what}` is beyond any position of this store")))
}
