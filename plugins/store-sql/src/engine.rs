//! A store without the plug-in boundary: what the plug-in's operations call, and what tests can use directly.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use patd_proto::store::{
    Applied, Changes, DeadLetter, DigestGroup, Exported, Found, LeaseClaim, LeaseSeen, OutboxStatus, Piece,
    Query, Role, SCHEMA, SchemaStatus, Scope, Tally, Waiting,
};
use patd_proto::wire::Nat;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, Statement, TransactionTrait,
};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::config::Config;
use crate::entity::dead_letter;
use crate::error::Error;
use crate::file::{self, Claim, Use};
use crate::{copy, digests, outbox, reader, schema, writer};

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
        match self.write(writer::Task::Change(Box::new(changes))).await? {
            writer::Done::Change(applied) => Ok(applied),
            _ => Err(strange()),
        }
    }

    async fn write(&self, task: writer::Task) -> Result<writer::Done, Error> {
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

    /// Events of a scope (or all) after a position (or the sink's cursor), in commit order.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read.
    pub async fn outbox_take(
        &self,
        sink: &str,
        scope: Option<Scope>,
        after: Option<Nat>,
        limit: u32,
    ) -> Result<Vec<Waiting>, Error> {
        outbox::take(&self.reading, sink, scope, after, limit).await
    }

    /// What waits for a sink.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read.
    pub async fn outbox_status(&self, sink: &str, scope: Scope) -> Result<OutboxStatus, Error> {
        outbox::status(&self.reading, sink, scope).await
    }

    /// Live digests by what they were made with; see [`patd_proto::store::Digests`].
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read.
    pub async fn digests(&self, site: Option<Uuid>) -> Result<Vec<DigestGroup>, Error> {
        digests::groups(&self.reading, site).await
    }

    /// Moves a sink's cursor forward and keeps what it will never take.
    ///
    /// # Errors
    /// [`Error`] when it could not be made durable.
    pub async fn outbox_ack(
        &self,
        sink: &str,
        scope: Option<Scope>,
        through: Nat,
        dead: &[DeadLetter],
    ) -> Result<(), Error> {
        let through = outbox::written(through, "through")?;
        let dead = dead.iter().map(|letter| dead_letter::active(sink, letter)).collect::<Result<_, _>>()?;
        let key = outbox::key(sink, scope);
        self.write(writer::Task::Cursor { key, through, dead }).await.map(drop)
    }

    /// A sink's dead letters after a position.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read.
    pub async fn dead_letters(
        &self,
        sink: &str,
        scope: Option<Scope>,
        after: Nat,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        outbox::letters(&self.reading, sink, scope, after, limit).await
    }

    /// Forgets dead letters; how many there were.
    ///
    /// # Errors
    /// [`Error`] when it could not be made durable.
    pub async fn dead_letters_forget(&self, sink: String, positions: &[Nat]) -> Result<u64, Error> {
        let positions =
            positions.iter().map(|at| outbox::written(*at, "positions")).collect::<Result<_, _>>()?;
        match self.write(writer::Task::Forget { sink, positions }).await? {
            writer::Done::Forgotten(count) => Ok(count),
            _ => Err(strange()),
        }
    }

    /// Removes the oldest events of a scope up to a position, but never the newest event of all; how many there were.
    ///
    /// # Errors
    /// [`Error`] when it could not be made durable.
    pub async fn events_remove(&self, scope: Scope, through: Nat, limit: u32) -> Result<u64, Error> {
        let through = outbox::position(through);
        match self.write(writer::Task::Remove { scope, through, limit }).await? {
            writer::Done::Removed(count) => Ok(count),
            _ => Err(strange()),
        }
    }

    /// Claims leases on pumps and gives some back; who holds each of the claimed ones then.
    ///
    /// # Errors
    /// [`Error`] when it could not be made durable.
    pub async fn outbox_lease(
        &self,
        holder: Uuid,
        claims: Vec<LeaseClaim>,
        release: Vec<String>,
    ) -> Result<Vec<LeaseSeen>, Error> {
        match self.write(writer::Task::Lease { holder, claims, release }).await? {
            writer::Done::Leases(leases) => Ok(leases),
            _ => Err(strange()),
        }
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

fn strange() -> Error {
    Error::Failed("the writer answered another task".to_owned())
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}
