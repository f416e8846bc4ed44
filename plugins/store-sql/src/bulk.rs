//! Plain changes of tokens and sessions, which sign-ins are, written many at once: one statement per table and kind of
//! write for the whole group instead of one per row.
//!
//! It writes only what cannot conflict: rows that no other change written with it touches, at the versions that it has
//! read in the same transaction. It must never refuse a change: whatever it leaves, `change` judges, one by one.

use std::collections::{HashMap, HashSet};

use patd_proto::rows::{Session, Token};
use patd_proto::store::{Changes, Row, RowKey, Write};
use patd_proto::wire::Nat;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, Iden, Iterable,
    PrimaryKeyToColumn, QueryFilter, Statement, TransactionTrait, Value,
};
use uuid::Uuid;

use crate::change;
use crate::conflict;
use crate::entity::{self, Kept, Misfit};
use crate::list;

/// Fewer changes are no quicker together.
const WORTH_IT: usize = 3;

/// Why the group is not written at once after all.
enum Stop {
    /// Something in it has to be judged.
    NotPlain,
    /// The database failed.
    Db(DbErr),
}

impl From<DbErr> for Stop {
    fn from(error: DbErr) -> Self {
        if conflict::unique(&error, None).is_some() { Self::NotPlain } else { Self::Db(error) }
    }
}

impl From<Misfit> for Stop {
    fn from(_: Misfit) -> Self {
        Self::NotPlain
    }
}

/// Writes those of the changes that can be written at once; gives their places.
///
/// # Errors
/// The database failed; the transaction is of no use any more.
pub(crate) async fn carry_out(
    whole: &DatabaseTransaction,
    group: &[(usize, &Changes)],
) -> Result<Vec<usize>, DbErr> {
    let apart = apart(group);
    if apart.len() < WORTH_IT {
        return Ok(Vec::new());
    }
    let savepoint = whole.begin().await?;
    match write(&savepoint, &apart).await {
        Ok(written) => {
            savepoint.commit().await?;
            Ok(written)
        }
        Err(stop) => {
            savepoint.rollback().await?;
            match stop {
                Stop::NotPlain => Ok(Vec::new()),
                Stop::Db(error) => Err(error),
            }
        }
    }
}

/// Plain changes of which no two touch one row.
fn apart<'a>(group: &[(usize, &'a Changes)]) -> Vec<(usize, &'a Changes)> {
    let (mut rows, mut ids) = (HashSet::new(), HashSet::new());
    let mut chosen = Vec::with_capacity(group.len());
    for &(at, changes) in group {
        let plain = changes.write.iter().all(is_plain)
            // What ends goes first here: a change that opens before it ends may be one that has to conflict. Between the tables
            // there is no such rule.
            && changes.write.iter().filter(|write| row(write).and_then(as_session).is_some())
                .is_sorted_by_key(|write| matches!(write, Write::Insert(_)))
            && changes.write.iter().filter_map(row).map(Row::key).collect::<HashSet<_>>().len() == changes.write.len()
            && changes.expect.iter().all(|expect| change::is_covered(expect, &changes.write))
            // Its first event remembers it.
            && changes.events.first().is_some_and(|event| event.id == changes.id);
        let touched: Vec<RowKey> = changes.write.iter().flat_map(touched).collect();
        if plain && touched.iter().all(|row| !rows.contains(row)) && ids.insert(changes.id) {
            rows.extend(touched);
            chosen.push((at, changes));
        }
    }
    chosen
}

fn is_plain(write: &Write) -> bool {
    matches!(write, Write::Update(Row::Token(_) | Row::Session(_)) | Write::Insert(Row::Session(_)))
}

fn row(write: &Write) -> Option<&Row> {
    if let Write::Insert(row) | Write::Update(row) = write { Some(row) } else { None }
}

/// A session counts as its token, too: a token has one live session.
fn touched(write: &Write) -> impl Iterator<Item = RowKey> {
    let row = row(write);
    let token = row.and_then(as_session).and_then(|session| session.token);
    row.map(Row::key).into_iter().chain(token.map(|token| RowKey::Token(token.id)))
}

async fn write(db: &impl ConnectionTrait, group: &[(usize, &Changes)]) -> Result<Vec<usize>, Stop> {
    let updated = |row: fn(&Row) -> Option<Uuid>| -> Vec<Uuid> {
        let writes = group.iter().flat_map(|(_, changes)| &changes.write);
        writes.filter_map(|write| if let Write::Update(new) = write { row(new) } else { None }).collect()
    };
    let tokens: HashMap<Uuid, Token> = now(db, updated(|row| as_token(row).map(|t| t.id))).await?;
    let sessions: HashMap<Uuid, Session> = now(db, updated(|row| as_session(row).map(|s| s.id))).await?;
    let fresh = |write: &&Write| match write {
        Write::Update(Row::Token(new)) => tokens.get(&new.id).is_some_and(|t| t.version == new.version),
        Write::Update(Row::Session(new)) => sessions.get(&new.id).is_some_and(|s| s.version == new.version),
        _ => true,
    };
    let sure: Vec<&(usize, &Changes)> =
        group.iter().filter(|(_, changes)| changes.write.iter().all(|write| fresh(&write))).collect();
    let writes = || sure.iter().flat_map(|(_, changes)| &changes.write);

    // What ends goes first: the rules of uniqueness are over live rows.
    update(db, writes().filter_map(|w| changed(w, as_session)), &sessions).await?;
    update(db, writes().filter_map(|w| changed(w, as_token)), &tokens).await?;
    let opened =
        writes().filter_map(|write| if let Write::Insert(row) = write { as_session(row) } else { None });
    insert(db, &opened.map(|session| session.active(Nat(1))).collect::<Result<Vec<_>, _>>()?).await?;
    let events = sure.iter().flat_map(|(_, changes)| &changes.events);
    insert(db, &events.map(entity::event::active).collect::<Result<Vec<_>, _>>()?).await?;
    Ok(sure.iter().map(|(at, _)| *at).collect())
}

fn as_token(row: &Row) -> Option<&Token> {
    if let Row::Token(token) = row { Some(token) } else { None }
}

fn as_session(row: &Row) -> Option<&Session> {
    if let Row::Session(session) = row { Some(session) } else { None }
}

fn changed<R>(write: &Write, of: fn(&Row) -> Option<&R>) -> Option<&R> {
    if let Write::Update(row) = write { of(row) } else { None }
}

/// The rows with these keys as they are now.
async fn now<R: Kept<Key = Uuid>>(
    db: &impl ConnectionTrait,
    keys: Vec<Uuid>,
) -> Result<HashMap<Uuid, R>, Stop> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = R::Entity::find()
        .filter(list::in_list(key_of::<R::Entity>(), list::ids(keys.into_iter())))
        .all(db)
        .await?;
    rows.into_iter().map(|row| R::read(row).map(|row| (row.key(), row)).map_err(Stop::from)).collect()
}

/// The one column of the primary key.
fn key_of<E: EntityTrait>() -> E::Column {
    let mut columns = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    match (columns.next(), columns.next()) {
        (Some(column), None) => column,
        _ => unreachable!("tables of tokens and sessions have a key of one column"),
    }
}

/// Leaves out the columns that no row changes: SQLite would write their indexes anew.
async fn update<'a, R: Kept<Key = Uuid> + 'a>(
    db: &impl ConnectionTrait,
    rows: impl Iterator<Item = &'a R>,
    before: &HashMap<Uuid, R>,
) -> Result<(), Stop> {
    let mut pairs = Vec::new();
    for new in rows {
        let old = before.get(&new.key()).ok_or(Stop::NotPlain)?;
        let next = Nat(new.version().0.saturating_add(1));
        pairs.push((old.active(old.version())?, new.active(next)?));
    }
    if pairs.is_empty() {
        return Ok(());
    }
    let key = key_of::<R::Entity>();
    let columns: Vec<_> = <R::Entity as EntityTrait>::Column::iter()
        .filter(|column| pairs.iter().any(|(old, new)| old.get(*column) != new.get(*column)))
        .collect();
    let table = R::Entity::default().to_string();
    let sets: Vec<String> = (1..)
        .zip(&columns)
        .map(|(at, column)| format!("\"{}\" = new.value ->> {at}", column.unquoted()))
        .collect();
    let sql = format!(
        "UPDATE \"{table}\" SET {} FROM json_each(?) AS new WHERE \"{table}\".\"{}\" = new.value ->> 0",
        sets.join(", "),
        key.unquoted()
    );
    let kept: Vec<_> = std::iter::once(key).chain(columns).collect();
    let done = run(db, sql, pairs.iter().map(|(_, new)| cells(new, &kept))).await?;
    if done == pairs.len() { Ok(()) } else { Err(Stop::NotPlain) }
}

async fn insert<A: ActiveModelTrait>(db: &impl ConnectionTrait, rows: &[A]) -> Result<(), Stop> {
    let Some(first) = rows.first() else { return Ok(()) };
    let columns: Vec<_> =
        <A::Entity as EntityTrait>::Column::iter().filter(|column| first.get(*column).is_set()).collect();
    let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.unquoted())).collect();
    let values: Vec<String> = (0..columns.len()).map(|at| format!("value ->> {at}")).collect();
    let sql = format!(
        "INSERT INTO \"{}\" ({}) SELECT {} FROM json_each(?)",
        A::Entity::default().to_string(),
        names.join(", "),
        values.join(", ")
    );
    run(db, sql, rows.iter().map(|row| cells(row, &columns))).await.map(drop)
}

/// Runs a statement over all rows, which are its one value: however many there are, it is prepared once.
async fn run(
    db: &impl ConnectionTrait,
    sql: String,
    rows: impl Iterator<Item = Result<serde_json::Value, Stop>>,
) -> Result<usize, Stop> {
    let rows = serde_json::Value::Array(rows.collect::<Result<_, _>>()?).to_string();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [rows.into()]);
    let done = db.execute_raw(statement).await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

fn cells<A: ActiveModelTrait>(
    row: &A,
    columns: &[<A::Entity as EntityTrait>::Column],
) -> Result<serde_json::Value, Stop> {
    columns.iter().map(|column| cell(row.get(*column).into_value())).collect()
}

/// Tables hold whole numbers and texts. JSON keeps both as they are, but for a NUL in a text.
fn cell(value: Option<Value>) -> Result<serde_json::Value, Stop> {
    match value {
        Some(Value::BigInt(number)) => Ok(number.into()),
        Some(Value::String(text)) if text.as_ref().is_none_or(|text| !text.contains('\0')) => Ok(text.into()),
        _ => Err(Stop::NotPlain),
    }
}

#[cfg(test)]
mod tests {
    use patd_proto::rows::{
        Actor, Ended, Event, SessionEpochs, SessionKind, SessionToken, TokenEpochs, Told,
    };
    use patd_proto::wire::{Bytes, Micros, Phc};

    use super::*;

    const TOKEN: Uuid = Uuid::from_u128(1);

    fn token() -> Write {
        Write::Update(Row::Token(Token {
            id: TOKEN,
            site: Uuid::nil(),
            owner: Uuid::nil(),
            name: "ci".to_owned(),
            digest: Phc("$x$y".to_owned()),
            created_at: Micros(0),
            expires_at: Micros(9),
            last_used_at: None,
            idle_limit: Micros(9),
            due_at: Micros(9),
            told: Told { absolute_days: None, idle_days: None },
            networks: Vec::new(),
            session: None,
            ended: None,
            epochs: TokenEpochs { person: Nat(0), member: Nat(0), token: Nat(0) },
            version: Nat(1),
        }))
    }

    fn session(id: u128, of: Uuid, ended: Option<Ended>) -> Row {
        let token = SessionToken {
            id: of,
            home: Uuid::nil(),
            minted_at: Micros(0),
            expires_at: Micros(9),
            idle_expires_at: Micros(9),
        };
        Row::Session(Session {
            id: Uuid::from_u128(id),
            kind: SessionKind::Token,
            token: Some(token),
            user: Uuid::nil(),
            site: Uuid::nil(),
            digest: Bytes(vec![7; 32]),
            created_at: Micros(0),
            expires_at: Micros(9),
            ended,
            epochs: SessionEpochs {
                person: Nat(0),
                credential: Nat(0),
                member: Nat(0),
                home_member: Nat(0),
                token: Nat(0),
            },
            version: Nat(1),
        })
    }

    fn changes(write: Vec<Write>) -> Changes {
        let id = Uuid::from_u128(100);
        let event = Event {
            id,
            time: Micros(0),
            site: None,
            kind: "patd.session.opened".to_owned(),
            actor: Actor::System,
            user: None,
            token: None,
            session: None,
            address: String::new(),
            user_agent: String::new(),
            reason: String::new(),
            count: 1,
            detail: None,
            seq: Nat(0),
        };
        Changes { id, expect: Vec::new(), write, events: vec![event] }
    }

    #[test]
    fn sign_ins_are_written_at_once_in_whichever_order_the_token_comes() {
        let ends = || {
            let ended = Ended { at: Micros(5), reason: "superseded".to_owned(), successor: None };
            Write::Update(session(2, TOKEN, Some(ended)))
        };
        let opens = || Write::Insert(session(3, TOKEN, None));
        for write in [
            vec![token(), opens()],
            vec![opens(), token()],
            vec![ends(), token(), opens()],
            vec![ends(), opens(), token()],
        ] {
            let changes = changes(write);
            assert_eq!(apart(&[(0, &changes)]).len(), 1, "{:?}", changes.write);
        }
        // In this order it conflicts: a token has one live session.
        let conflicts = changes(vec![token(), opens(), ends()]);
        assert_eq!(apart(&[(0, &conflicts)]), []);
    }
}
