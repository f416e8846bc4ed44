//! A store without the plug-in boundary: what the plug-in's operations call, and what tests can use directly.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use patd_proto::store::{
    Applied, Changes, Exported, Found, Piece, Query, Role, SCHEMA, SchemaStatus, Tally, Waiting,
};
use patd_proto::wire::Nat;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement, TransactionTrait,
};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::entity::{event, sink_cursor, to_nat};
use crate::error::Error;
use crate::file::{self, Claim, Use};
use crate::{copy, reader, schema, writer};

/// An open store.
pub struct Engine {
    config: Config,
    role: Option<Role>,
    path: PathBuf,
    write: mpsc::Sender<writer::Job>,
    read: mpsc::Sender<reader::Job>,
    tasks: JoinSet<()>,
    writing: DatabaseConnection,
    reading: DatabaseConnection,
    /// Holds the writer's only connection from the first IMPORT to the last.
    importing: Mutex<Option<DatabaseTransaction>>,
    _claim: Claim,
}

impl Engine {
    /// Opens the store, makes its file where there is none, and brings its schema up to date. It makes the
    /// tables of its role only; without one, all.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a configuration or a schema that this version does not know, [`Error::Unavailable`] or
    /// [`Error::Failed`] when the file cannot be used.
    pub async fn open(config: Config, role: Option<Role>) -> Result<Self, Error> {
        let path = config.file()?;
        let claim = Claim::take(&path)?;
        file::prepare(&path)?;
        let writing = file::connect(&path, Use::Write).await?;
        if let Err(error) = schema::migrate(&writing, role, &config.url).await {
            let _ = writing.close().await;
            return Err(error);
        }
        let reading = file::connect(&path, Use::Read(config.readers)).await?;
        let mut tasks = JoinSet::new();
        let (write, write_queue) = mpsc::channel(writer::QUEUE);
        tasks.spawn(writer::run(config.url.clone(), writing.clone(), write_queue));
        let (read, read_queue) = mpsc::channel(reader::QUEUE);
        let read_queue = Arc::new(Mutex::new(read_queue));
        for _ in 0..config.readers {
            tasks.spawn(reader::run(reading.clone(), Arc::clone(&read_queue)));
        }
        let importing = Mutex::new(None);
        Ok(Self { config, role, path, write, read, tasks, writing, reading, importing, _claim: claim })
    }

    /// Applies one change; answers when it is durable, and alike when it was applied before.
    ///
    /// # Errors
    /// [`Error`]; after [`Error::Unknown`] the change may be sent again as it is.
    pub async fn apply(&self, changes: Changes) -> Result<Applied, Error> {
        self.write(writer::Task::Change(Box::new(changes))).await
    }

    async fn write(&self, task: writer::Task) -> Result<Applied, Error> {
        let (answer, outcome) = oneshot::channel();
        self.write.send(writer::Job { task, answer }).await.map_err(|_| closed())?;
        outcome
            .await
            .unwrap_or_else(|_| Err(Error::Unknown("the writer ended before it answered".to_owned())))
    }

    /// Answers all queries from one consistent read, in order.
    ///
    /// # Errors
    /// [`Error`]; nothing is changed by a read.
    pub async fn query(&self, queries: Vec<Query>) -> Result<Vec<Found>, Error> {
        let (answer, found) = oneshot::channel();
        self.read.send(reader::Job { queries, answer }).await.map_err(|_| closed())?;
        found.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Events after a sink's cursor, in commit order.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read.
    pub async fn outbox_take(&self, sink: &str, limit: u32) -> Result<Vec<Waiting>, Error> {
        let cursor = sink_cursor::Entity::find_by_id(sink.to_owned()).one(&self.reading).await?;
        self.after(cursor.map_or(0, |cursor| cursor.position), limit).await
    }

    /// Events after a position, in commit order; no cursor is read or moved.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read.
    pub async fn events_after(&self, position: Nat, limit: u32) -> Result<Vec<Waiting>, Error> {
        // Beyond any position of this store there is nothing.
        self.after(i64::try_from(position.0).unwrap_or(i64::MAX), limit).await
    }

    async fn after(&self, position: i64, limit: u32) -> Result<Vec<Waiting>, Error> {
        let rows = event::Entity::find()
            .filter(event::Column::Position.gt(position))
            .order_by_asc(event::Column::Position)
            .limit(u64::from(limit))
            .all(&self.reading)
            .await?;
        rows.into_iter()
            .map(|row| {
                let position = to_nat(row.position, "events.position")?;
                Ok(Waiting { position, event: event::read(row)? })
            })
            .collect()
    }

    /// Moves a sink's cursor forward.
    ///
    /// # Errors
    /// [`Error`] when it could not be made durable.
    pub async fn outbox_ack(&self, sink: &str, through: Nat) -> Result<(), Error> {
        let through = i64::try_from(through.0)
            .map_err(|_| Error::Invalid("`through` is beyond any position of this store".to_owned()))?;
        self.write(writer::Task::Cursor { sink: sink.to_owned(), through }).await.map(drop)
    }

    /// Whether it can read, and its writer lives.
    ///
    /// # Errors
    /// [`Error`] saying what is wrong.
    pub async fn health(&self) -> Result<(), Error> {
        if self.write.is_closed() {
            return Err(closed());
        }
        self.query(vec![Query::NewestEvent]).await.map(drop)
    }

    /// Which migrations it has.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read or has an unknown migration.
    pub async fn schema(&self) -> Result<SchemaStatus, Error> {
        let status = schema::status(&self.writing, self.role, &self.config.url).await?;
        Ok(told(&self.config, status))
    }

    /// The same of a store that is not open; makes nothing.
    ///
    /// # Errors
    /// As [`Engine::schema`].
    pub async fn schema_of(config: &Config) -> Result<SchemaStatus, Error> {
        let path = config.file()?;
        if !path.exists() {
            return Ok(told(config, schema::of_nothing()));
        }
        let _claim = Claim::take(&path)?;
        let db = file::connect(&path, Use::Look).await?;
        let status = schema::look(&db, &config.url).await;
        db.close().await?;
        Ok(told(config, status?))
    }

    /// Writes a consistent copy to a file that does not exist yet, readable by its owner only.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the file exists, [`Error`] when it cannot be written.
    pub async fn backup(&self, path: &str) -> Result<(), Error> {
        let target = Path::new(path);
        file::create_new(target)
            .map_err(|error| Error::Invalid(format!("{path} cannot be made: {error}")))?;
        let outcome = self.copy_into(path).await;
        if outcome.is_err() {
            let _ = std::fs::remove_file(target);
        }
        outcome
    }

    async fn copy_into(&self, path: &str) -> Result<(), Error> {
        let db = file::connect(&self.path, Use::Look).await?;
        let copy = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [path.into()]);
        let copied = db.execute_raw(copy).await;
        db.close().await?;
        copied?;
        std::fs::File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(|error| Error::Unavailable(format!("{path} could not be made durable: {error}")))?;
        file::sync_folder(Path::new(path))
    }

    /// Some of the store's pieces, and where to go on; see [`patd_proto::store::Export`].
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read, or `after` is not from here.
    pub async fn export(&self, after: Option<&str>, limit: u32) -> Result<Exported, Error> {
        let directory = schema::has_directory(&self.reading).await?;
        copy::export(&self.reading, directory, after, limit).await
    }

    /// Adds pieces to a store that was empty when the first came; see [`patd_proto::store::Import`].
    ///
    /// # Errors
    /// [`Error`]; nothing of what was imported so far is kept then.
    pub async fn import(&self, pieces: Vec<Piece>, finish: Option<Tally>) -> Result<(), Error> {
        let mut importing = self.importing.lock().await;
        let directory = schema::has_directory(&self.reading).await?;
        // Dropped, and so taken back, wherever this ends early.
        let whole = match importing.take() {
            Some(whole) => whole,
            None => {
                let whole = self.writing.begin_with_options(writer::immediate()).await?;
                copy::must_be_empty(&whole, directory).await?;
                whole
            }
        };
        copy::import(&whole, directory, pieces).await?;
        match finish {
            Some(wanted) => {
                copy::check(&whole, directory, wanted).await?;
                Ok(whole.commit().await?)
            }
            None => {
                *importing = Some(whole);
                Ok(())
            }
        }
    }

    /// Ends the work in flight and closes the file.
    ///
    /// # Errors
    /// [`Error`] when the file could not be closed well; it is closed all the same.
    pub async fn close(mut self) -> Result<(), Error> {
        drop(self.importing);
        drop(self.write);
        drop(self.read);
        while self.tasks.join_next().await.is_some() {}
        let reading = self.reading.close().await;
        let writing = self.writing.close().await;
        reading?;
        Ok(writing?)
    }
}

fn told(config: &Config, status: schema::Status) -> SchemaStatus {
    SchemaStatus {
        schema: SCHEMA,
        location: config.url.clone(),
        applied: status.applied,
        pending: status.pending,
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}
