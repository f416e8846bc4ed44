//! EXPORT and IMPORT: the whole store in pieces, and an empty store filled with them in one transaction.
//!
//! Nothing is judged or changed on the way: versions and positions are copied as they are. Ids of changes that left no
//! event are not copied: they serve replays within seconds, and nothing uses a store that is being copied.

use patd_proto::rows::{Invitation, Membership, Password, Session, Site, Token, Totp, User};
use patd_proto::store::{Exported, Piece, Row, SCHEMA, Tally, Waiting};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, Iterable, PaginatorTrait,
    PrimaryKeyToColumn, QueryFilter, QueryOrder, QuerySelect,
};

use crate::entity::{self, Kept, Misfit, dead_letter, event, sink_cursor, text, to_int, to_nat};
use crate::error::Error;
use crate::outbox::last_position;

/// Rows of one multi-row insert.
const CHUNK: usize = 100;
/// Pieces of one answer at most.
const MOST: u32 = 5000;

/// The kinds of pieces, in their order. Its words are in the places that EXPORT hands out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sites,
    Users,
    Memberships,
    Passwords,
    Totps,
    Invitations,
    Tokens,
    Sessions,
    Events,
    Cursors,
    DeadLetters,
}

const KINDS: [(Kind, &str); 11] = [
    (Kind::Sites, "sites"),
    (Kind::Users, "users"),
    (Kind::Memberships, "memberships"),
    (Kind::Passwords, "passwords"),
    (Kind::Totps, "totps"),
    (Kind::Invitations, "invitations"),
    (Kind::Tokens, "tokens"),
    (Kind::Sessions, "sessions"),
    (Kind::Events, "events"),
    (Kind::Cursors, "cursors"),
    (Kind::DeadLetters, "dead_letters"),
];

impl Kind {
    /// Whether only a directory has the table.
    fn of_directory(self) -> bool {
        !matches!(self, Self::Tokens | Self::Sessions | Self::Events | Self::Cursors | Self::DeadLetters)
    }
}

/// Where an export goes on: within a kind, after a key.
struct Place {
    kind: usize,
    key: Option<String>,
}

impl Place {
    fn parse(text: &str) -> Result<Self, Error> {
        let (word, key) = text.split_once(' ').map_or((text, None), |(word, key)| (word, Some(key)));
        let kind = KINDS.iter().position(|(_, known)| *known == word).ok_or_else(no_place)?;
        Ok(Self { kind, key: key.map(str::to_owned) })
    }
}

fn no_place() -> Error {
    Error::Invalid("`after` is no place of this store".to_owned())
}

/// Answers EXPORT; `directory` says whether the store has a directory's tables.
pub(crate) async fn export<C: ConnectionTrait>(
    db: &C,
    directory: bool,
    after: Option<&str>,
    limit: u32,
) -> Result<Exported, Error> {
    let mut place = after.map_or(Ok(Place { kind: 0, key: None }), Place::parse)?;
    let limit = limit.clamp(1, MOST);
    let Some((kind, word)) = KINDS.get(place.kind).copied() else { return Err(no_place()) };
    let pieces = if kind.of_directory() && !directory {
        Vec::new()
    } else {
        read(db, kind, place.key.take().as_deref(), limit).await?
    };
    let whole_page = pieces.len() >= limit as usize;
    let next = match pieces.last().filter(|_| whole_page) {
        Some(last) => Some(format!("{word} {}", key_of(last))),
        None => KINDS.get(place.kind + 1).map(|(_, word)| (*word).to_owned()),
    };
    let has = if next.is_none() { Some(tally(db, directory).await?) } else { None };
    Ok(Exported { schema: SCHEMA, pieces, next, has })
}

/// A piece's key within its kind.
fn key_of(piece: &Piece) -> String {
    match piece {
        Piece::Row(row) => match row.key().ids() {
            (one, Some(other)) => format!("{} {}", text(one), text(other)),
            (id, None) => text(id),
        },
        Piece::Event(waiting) => waiting.position.0.to_string(),
        Piece::Cursor { sink, .. } => sink.clone(),
        Piece::DeadLetter { sink, letter } => format!("{sink} {}", letter.position.0),
    }
}

async fn read(
    db: &impl ConnectionTrait,
    kind: Kind,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Piece>, Error> {
    match kind {
        Kind::Sites => rows::<Site>(db, after, limit, Row::Site).await,
        Kind::Users => rows::<User>(db, after, limit, Row::User).await,
        Kind::Memberships => rows::<Membership>(db, after, limit, Row::Membership).await,
        Kind::Passwords => rows::<Password>(db, after, limit, Row::Password).await,
        Kind::Totps => rows::<Totp>(db, after, limit, Row::Totp).await,
        Kind::Invitations => rows::<Invitation>(db, after, limit, Row::Invitation).await,
        Kind::Tokens => rows::<Token>(db, after, limit, Row::Token).await,
        Kind::Sessions => rows::<Session>(db, after, limit, Row::Session).await,
        Kind::Events => events(db, after, limit).await,
        Kind::Cursors => cursors(db, after, limit).await,
        Kind::DeadLetters => dead_letters(db, after, limit).await,
    }
}

async fn rows<R: Kept>(
    db: &impl ConnectionTrait,
    after: Option<&str>,
    limit: u32,
    row: impl Fn(R) -> Row,
) -> Result<Vec<Piece>, Error> {
    let columns: Vec<_> =
        <R::Entity as EntityTrait>::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
    let mut select = R::Entity::find().limit(u64::from(limit));
    for column in &columns {
        select = select.order_by_asc(*column);
    }
    if let Some(after) = after {
        let keys: Vec<&str> = after.split(' ').collect();
        if keys.len() != columns.len() {
            return Err(no_place());
        }
        let mut behind = Condition::any();
        for (n, (column, key)) in columns.iter().zip(&keys).enumerate() {
            let mut this = Condition::all().add(column.gt(*key));
            for (column, key) in columns.iter().zip(&keys).take(n) {
                this = this.add(column.eq(*key));
            }
            behind = behind.add(this);
        }
        select = select.filter(behind);
    }
    let found = select.all(db).await?;
    Ok(found.into_iter().map(|model| Ok(Piece::Row(row(R::read(model)?)))).collect::<Result<_, Misfit>>()?)
}

async fn events(db: &impl ConnectionTrait, after: Option<&str>, limit: u32) -> Result<Vec<Piece>, Error> {
    let after: i64 = after.map_or(Ok(0), str::parse).map_err(|_| no_place())?;
    let found = event::Entity::find()
        .filter(event::Column::Position.gt(after))
        .order_by_asc(event::Column::Position)
        .limit(u64::from(limit))
        .all(db)
        .await?;
    let piece = |model: event::Model| {
        let position = to_nat(model.position, "events.position")?;
        Ok(Piece::Event(Waiting { position, event: event::read(model)? }))
    };
    Ok(found.into_iter().map(piece).collect::<Result<_, Misfit>>()?)
}

async fn cursors(db: &impl ConnectionTrait, after: Option<&str>, limit: u32) -> Result<Vec<Piece>, Error> {
    let mut select =
        sink_cursor::Entity::find().order_by_asc(sink_cursor::Column::Sink).limit(u64::from(limit));
    if let Some(after) = after {
        select = select.filter(sink_cursor::Column::Sink.gt(after));
    }
    let last = last_position(db).await?;
    let piece = |model: sink_cursor::Model| {
        let through = to_nat(model.position.min(last), "sink_cursors.position")?;
        Ok(Piece::Cursor { sink: model.sink, through })
    };
    Ok(select.all(db).await?.into_iter().map(piece).collect::<Result<_, Misfit>>()?)
}

async fn dead_letters(
    db: &impl ConnectionTrait,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Piece>, Error> {
    use dead_letter::{Column, Entity};
    let mut select =
        Entity::find().order_by_asc(Column::Sink).order_by_asc(Column::Position).limit(u64::from(limit));
    if let Some(after) = after {
        let (sink, position) = after.rsplit_once(' ').ok_or_else(no_place)?;
        let position: i64 = position.parse().map_err(|_| no_place())?;
        let same = Condition::all().add(Column::Sink.eq(sink)).add(Column::Position.gt(position));
        select = select.filter(Condition::any().add(Column::Sink.gt(sink)).add(same));
    }
    let piece = |model: dead_letter::Model| {
        let sink = model.sink.clone();
        Ok(Piece::DeadLetter { sink, letter: dead_letter::read(model)? })
    };
    Ok(select.all(db).await?.into_iter().map(piece).collect::<Result<_, Misfit>>()?)
}

/// What the store has.
pub(crate) async fn tally<C: ConnectionTrait>(db: &C, directory: bool) -> Result<Tally, Error> {
    let mut all = Tally {
        tokens: entity::token::Entity::find().count(db).await?,
        sessions: entity::session::Entity::find().count(db).await?,
        events: event::Entity::find().count(db).await?,
        cursors: sink_cursor::Entity::find().count(db).await?,
        dead_letters: dead_letter::Entity::find().count(db).await?,
        ..Tally::default()
    };
    if directory {
        all.sites = entity::site::Entity::find().count(db).await?;
        all.users = entity::user::Entity::find().count(db).await?;
        all.memberships = entity::membership::Entity::find().count(db).await?;
        all.passwords = entity::password::Entity::find().count(db).await?;
        all.totps = entity::totp::Entity::find().count(db).await?;
        all.invitations = entity::invitation::Entity::find().count(db).await?;
    }
    Ok(all)
}

/// Refuses a store that has anything.
pub(crate) async fn must_be_empty<C: ConnectionTrait>(db: &C, directory: bool) -> Result<(), Error> {
    let has = tally(db, directory).await?;
    if has == Tally::default() {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the store to copy into is not empty: it has {} rows, {} of them events",
        has.total(),
        has.events
    )))
}

/// Adds pieces as they are.
pub(crate) async fn import<C: ConnectionTrait>(
    db: &C,
    directory: bool,
    pieces: Vec<Piece>,
) -> Result<(), Error> {
    let mut tables = Tables::default();
    for piece in pieces {
        tables.push(piece)?;
    }
    if !directory && tables.of_directory() {
        return Err(Error::Invalid("a site's store keeps no rows of a directory".to_owned()));
    }
    insert::<entity::site::Entity>(db, tables.sites).await?;
    insert::<entity::user::Entity>(db, tables.users).await?;
    insert::<entity::membership::Entity>(db, tables.memberships).await?;
    insert::<entity::password::Entity>(db, tables.passwords).await?;
    insert::<entity::totp::Entity>(db, tables.totps).await?;
    insert::<entity::invitation::Entity>(db, tables.invitations).await?;
    insert::<entity::token::Entity>(db, tables.tokens).await?;
    insert::<entity::session::Entity>(db, tables.sessions).await?;
    insert::<event::Entity>(db, tables.events).await?;
    insert::<sink_cursor::Entity>(db, tables.cursors).await?;
    insert::<dead_letter::Entity>(db, tables.dead_letters).await
}

/// Pieces as rows of the tables.
#[derive(Default)]
struct Tables {
    sites: Vec<entity::site::ActiveModel>,
    users: Vec<entity::user::ActiveModel>,
    memberships: Vec<entity::membership::ActiveModel>,
    passwords: Vec<entity::password::ActiveModel>,
    totps: Vec<entity::totp::ActiveModel>,
    invitations: Vec<entity::invitation::ActiveModel>,
    tokens: Vec<entity::token::ActiveModel>,
    sessions: Vec<entity::session::ActiveModel>,
    events: Vec<event::ActiveModel>,
    cursors: Vec<sink_cursor::ActiveModel>,
    dead_letters: Vec<dead_letter::ActiveModel>,
}

impl Tables {
    fn push(&mut self, piece: Piece) -> Result<(), Misfit> {
        match piece {
            Piece::Row(Row::Site(row)) => self.sites.push(row.active(row.version)?),
            Piece::Row(Row::User(row)) => self.users.push(row.active(row.version)?),
            Piece::Row(Row::Membership(row)) => self.memberships.push(row.active(row.version)?),
            Piece::Row(Row::Password(row)) => self.passwords.push(row.active(row.version)?),
            Piece::Row(Row::Totp(row)) => self.totps.push(row.active(row.version)?),
            Piece::Row(Row::Invitation(row)) => self.invitations.push(row.active(row.version)?),
            Piece::Row(Row::Token(row)) => self.tokens.push(row.active(row.version)?),
            Piece::Row(Row::Session(row)) => self.sessions.push(row.active(row.version)?),
            Piece::Event(waiting) => self.events.push(event::ActiveModel {
                position: Set(to_int(waiting.position, "events.position")?),
                ..event::active(&waiting.event)?
            }),
            Piece::Cursor { sink, through } => self.cursors.push(sink_cursor::ActiveModel {
                sink: Set(sink),
                position: Set(to_int(through, "sink_cursors.position")?),
            }),
            Piece::DeadLetter { sink, letter } => {
                self.dead_letters.push(dead_letter::active(&sink, &letter)?)
            }
        }
        Ok(())
    }

    fn of_directory(&self) -> bool {
        !(self.sites.is_empty()
            && self.users.is_empty()
            && self.memberships.is_empty()
            && self.passwords.is_empty()
            && self.totps.is_empty()
            && self.invitations.is_empty())
    }
}

async fn insert<E: EntityTrait>(
    db: &impl ConnectionTrait,
    rows: Vec<impl ActiveModelTrait<Entity = E>>,
) -> Result<(), Error> {
    let mut rows = rows.into_iter();
    loop {
        let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        E::insert_many(chunk).exec_without_returning(db).await?;
    }
}

/// Whether the store is what the copy must have become.
pub(crate) async fn check<C: ConnectionTrait>(db: &C, directory: bool, wanted: Tally) -> Result<(), Error> {
    let has = tally(db, directory).await?;
    if has != wanted {
        return Err(Error::Invalid(format!("the copy would have {has:?} instead of {wanted:?}")));
    }
    let beyond = sink_cursor::Entity::find()
        .filter(sink_cursor::Column::Position.gt(last_position(db).await?))
        .one(db)
        .await?;
    match beyond {
        Some(cursor) => Err(Error::Invalid(format!(
            "the cursor of sink `{}` is beyond the last event: new events would not reach it",
            cursor.sink
        ))),
        None => Ok(()),
    }
}
