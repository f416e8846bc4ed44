//! Carries out one change inside a savepoint: expectations, then writes in order, then events. Decides nothing that
//! the change does not say, and leaves uniqueness to the database.

use patd_proto::rows::{Invitation, Membership, Password, Session, Site, Token, Totp, User};
use patd_proto::store::{Changes, Conflict, Expect, Row, RowKey, Write};
use patd_proto::wire::{Nat, Phc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, Iterable, PaginatorTrait,
    PrimaryKeyToColumn, QueryFilter, QuerySelect,
};
use uuid::Uuid;

use crate::conflict;
use crate::entity::{self, Kept, Misfit, text, to_int};

/// Rows of one multi-row insert.
const CHUNK: usize = 100;

/// Why a change stops; its savepoint is rolled back.
pub(crate) enum Stop {
    /// It conflicts.
    Conflict(Conflict),
    /// A new row breaks this rule, and perhaps exists already, which would be said first.
    Taken(RowKey, Conflict),
    /// This row is not as expected; what it is now is read after the roll-back.
    Stale(RowKey),
    /// Something in it does not fit the table.
    Misfit(Misfit),
    /// The database failed.
    Db(DbErr),
}

impl From<Misfit> for Stop {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

impl From<DbErr> for Stop {
    fn from(error: DbErr) -> Self {
        Self::Db(error)
    }
}

/// Calls a generic function with the row type and key of a `RowKey`.
macro_rules! by_key {
    ($key:expr, $f:ident ( $($arg:expr),* )) => {
        match $key {
            RowKey::Site(k) => $f::<Site>($($arg,)* k).await,
            RowKey::User(k) => $f::<User>($($arg,)* k).await,
            RowKey::Membership(site, user) => $f::<Membership>($($arg,)* (site, user)).await,
            RowKey::Password(k) => $f::<Password>($($arg,)* k).await,
            RowKey::Totp(k) => $f::<Totp>($($arg,)* k).await,
            RowKey::Invitation(k) => $f::<Invitation>($($arg,)* k).await,
            RowKey::Token(k) => $f::<Token>($($arg,)* k).await,
            RowKey::Session(k) => $f::<Session>($($arg,)* k).await,
        }
    };
}

/// Calls a generic function with the content of a `Row`.
macro_rules! by_row {
    ($row:expr, $f:ident ( $($arg:expr),* )) => {
        match $row {
            Row::Site(r) => $f($($arg,)* r).await,
            Row::User(r) => $f($($arg,)* r).await,
            Row::Membership(r) => $f($($arg,)* r).await,
            Row::Password(r) => $f($($arg,)* r).await,
            Row::Totp(r) => $f($($arg,)* r).await,
            Row::Invitation(r) => $f($($arg,)* r).await,
            Row::Token(r) => $f($($arg,)* r).await,
            Row::Session(r) => $f($($arg,)* r).await,
        }
    };
}

/// Carries out the change.
pub(crate) async fn carry_out<C: ConnectionTrait>(db: &C, changes: &Changes) -> Result<(), Stop> {
    for expect in &changes.expect {
        check(db, expect, &changes.write).await?;
    }
    for write in &changes.write {
        carry_out_write(db, write).await?;
    }
    for events in changes.events.chunks(CHUNK) {
        entity::event::Entity::insert_many(
            events.iter().map(entity::event::active).collect::<Result<Vec<_>, _>>()?,
        )
        .exec_without_returning(db)
        .await
        .map_err(|error| match conflict::unique(&error, None) {
            Some(conflict::Found::Conflict(found)) => Stop::Conflict(found),
            _ => Stop::Db(error),
        })?;
    }
    Ok(())
}

/// The row with this key.
pub(crate) async fn current<C: ConnectionTrait>(db: &C, key: RowKey) -> Result<Option<Row>, Stop> {
    async fn one<R: Kept>(db: &impl ConnectionTrait, key: R::Key) -> Result<Option<R>, Stop> {
        Ok(R::Entity::find().filter(R::at(key)).one(db).await?.map(R::read).transpose()?)
    }
    Ok(match key {
        RowKey::Site(k) => one(db, k).await?.map(Row::Site),
        RowKey::User(k) => one(db, k).await?.map(Row::User),
        RowKey::Membership(site, user) => one(db, (site, user)).await?.map(Row::Membership),
        RowKey::Password(k) => one(db, k).await?.map(Row::Password),
        RowKey::Totp(k) => one(db, k).await?.map(Row::Totp),
        RowKey::Invitation(k) => one(db, k).await?.map(Row::Invitation),
        RowKey::Token(k) => one(db, k).await?.map(Row::Token),
        RowKey::Session(k) => one(db, k).await?.map(Row::Session),
    })
}

async fn check<C: ConnectionTrait>(db: &C, expect: &Expect, writes: &[Write]) -> Result<(), Stop> {
    if is_covered(expect, writes) {
        return Ok(());
    }
    match expect {
        Expect::Version { row, version } => {
            let kept = by_key!(*row, version_of(db))?;
            if kept == Some(*version) { Ok(()) } else { Err(Stop::Stale(*row)) }
        }
        Expect::Absent(row) => match by_key!(*row, version_of(db))? {
            None => Ok(()),
            Some(_) => Err(Stop::Stale(*row)),
        },
        Expect::LiveTokensAtMost { site, owner, max, besides } => {
            let live = live_tokens(db, *site, *owner, besides).await?;
            if live <= u64::from(*max) { Ok(()) } else { Err(Stop::Conflict(Conflict::TooManyTokens)) }
        }
    }
}

/// Whether a write of the same change checks the expectation: it meets the version or rolls everything back.
pub(crate) fn is_covered(expect: &Expect, writes: &[Write]) -> bool {
    let Expect::Version { row, version } = expect else { return false };
    writes.iter().any(|write| covers(write, *row, *version))
}

fn covers(write: &Write, row: RowKey, version: Nat) -> bool {
    match write {
        Write::Update(new) => new.key() == row && new.version() == version,
        Write::Delete { row: key, version: read } => *key == row && *read == version,
        _ => false,
    }
}

async fn version_of<R: Kept>(db: &impl ConnectionTrait, key: R::Key) -> Result<Option<Nat>, Stop> {
    let version: Option<i64> =
        R::Entity::find().select_only().column(R::VERSION).filter(R::at(key)).into_tuple().one(db).await?;
    Ok(version.map(|version| entity::to_nat(version, "version")).transpose()?)
}

async fn live_tokens(
    db: &impl ConnectionTrait,
    site: Uuid,
    owner: Uuid,
    besides: &[Uuid],
) -> Result<u64, Stop> {
    use entity::token::{Column, Entity};
    let mut live = Entity::find()
        .filter(Column::Site.eq(text(site)))
        .filter(Column::Owner.eq(text(owner)))
        .filter(Column::EndedAt.is_null());
    if !besides.is_empty() {
        live = live.filter(Column::Id.is_not_in(besides.iter().copied().map(text)));
    }
    Ok(live.count(db).await?)
}

async fn carry_out_write<C: ConnectionTrait>(db: &C, write: &Write) -> Result<(), Stop> {
    match write {
        Write::Insert(row) => explain(by_row!(row, insert(db)), row).map_err(|stop| match stop {
            Stop::Conflict(conflict) => Stop::Taken(row.key(), conflict),
            other => other,
        }),
        Write::Update(row) => match explain(by_row!(row, update(db)), row)? {
            true => Ok(()),
            false => Err(Stop::Stale(row.key())),
        },
        Write::Delete { row, version } => match by_key!(*row, delete(db, *version))? {
            true => Ok(()),
            false => Err(Stop::Stale(*row)),
        },
        Write::RehashToken { id, old, new } => rehash_token(db, *id, old, new).await,
        Write::RehashPassword { user, old, new } => rehash_password(db, *user, old, new).await,
    }
}

/// Says which uniqueness rule the row broke.
fn explain<T>(outcome: Result<T, Stop>, row: &Row) -> Result<T, Stop> {
    outcome.map_err(|stop| match stop {
        Stop::Db(error) => match conflict::unique(&error, Some(row)) {
            Some(conflict::Found::Conflict(found)) => Stop::Conflict(found),
            Some(conflict::Found::PrimaryKey) => Stop::Stale(row.key()),
            None => Stop::Db(error),
        },
        other => other,
    })
}

async fn insert<R: Kept>(db: &impl ConnectionTrait, row: &R) -> Result<(), Stop> {
    R::Entity::insert(row.active(Nat(1))?).exec_without_returning(db).await?;
    Ok(())
}

async fn update<R: Kept>(db: &impl ConnectionTrait, row: &R) -> Result<bool, Stop> {
    let read = to_int(row.version(), "version")?;
    let mut active = row.active(Nat(row.version().0.saturating_add(1)))?;
    for column in <R::Entity as EntityTrait>::PrimaryKey::iter() {
        active.not_set(column.into_column());
    }
    let done = R::Entity::update_many()
        .set(active)
        .filter(R::at(row.key()))
        .filter(R::VERSION.eq(read))
        .exec(db)
        .await?;
    Ok(done.rows_affected == 1)
}

async fn delete<R: Kept>(db: &impl ConnectionTrait, version: Nat, key: R::Key) -> Result<bool, Stop> {
    let read = to_int(version, "version")?;
    let done = R::Entity::delete_many().filter(R::at(key)).filter(R::VERSION.eq(read)).exec(db).await?;
    Ok(done.rows_affected == 1)
}

async fn rehash_token(db: &impl ConnectionTrait, id: Uuid, old: &Phc, new: &Phc) -> Result<(), Stop> {
    use entity::token::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::Digest, Expr::value(new.0.clone()))
        .filter(Column::Id.eq(text(id)))
        .filter(Column::Digest.eq(old.0.clone()))
        .exec(db)
        .await?;
    Ok(())
}

async fn rehash_password(db: &impl ConnectionTrait, user: Uuid, old: &Phc, new: &Phc) -> Result<(), Stop> {
    use entity::password::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::Digest, Expr::value(new.0.clone()))
        .filter(Column::User.eq(text(user)))
        .filter(Column::Digest.eq(old.0.clone()))
        .exec(db)
        .await?;
    Ok(())
}

/// The ids among these whose change was applied before.
pub(crate) async fn replayed<C: ConnectionTrait>(db: &C, ids: &[Uuid]) -> Result<Vec<Uuid>, DbErr> {
    use entity::{applied, event};
    let list = crate::list::ids(ids.iter().copied());
    let mut known: Vec<String> = event::Entity::find()
        .select_only()
        .column(event::Column::Id)
        .filter(crate::list::in_list(event::Column::Id, list.clone()))
        .into_tuple()
        .all(db)
        .await?;
    let others: Vec<String> = applied::Entity::find()
        .select_only()
        .column(applied::Column::Id)
        .filter(crate::list::in_list(applied::Column::Id, list))
        .into_tuple()
        .all(db)
        .await?;
    known.extend(others);
    Ok(known.iter().filter_map(|id| Uuid::try_parse(id).ok()).collect())
}

/// Remembers a change that has no event of its own id. Only the newest ten thousand or so are kept: a replay comes
/// within seconds.
pub(crate) async fn remember<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<(), DbErr> {
    use entity::applied::{ActiveModel, Column, Entity};
    let kept = Entity::insert(ActiveModel { id: Set(text(id)), ..Default::default() }).exec(db).await?;
    if kept.last_insert_id % 1000 == 0 {
        Entity::delete_many().filter(Column::Position.lte(kept.last_insert_id - 10_000)).exec(db).await?;
    }
    Ok(())
}
