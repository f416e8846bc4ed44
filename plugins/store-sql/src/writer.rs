//! The one writer of a file: drains its queue and commits many changes in one transaction, so that durability costs one
//! fsync per group. Nothing is answered before the commit.
//!
//! Plain changes are written at once (`bulk`), all others one by one, a savepoint each: one that conflicts rolls back to
//! its savepoint and leaves the others alone. When the database itself fails, the
//! group is tried again one by one: changes are idempotent by their id, so trying again is safe.

use std::collections::HashSet;

use patd_proto::store::{Applied, Changes, Conflict, LeaseClaim, LeaseSeen, Row, RowKey, Scope};
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::bulk;
use crate::change::{self, Stop};
use crate::entity::dead_letter;
use crate::error::Error;
use crate::outbox;

/// Changes in one transaction at most.
const GROUP: usize = 256;
/// Changes that may wait.
pub(crate) const QUEUE: usize = 4096;

pub(crate) type Outcome = Result<Done, Error>;

/// What became of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Done {
    /// Of a change.
    Change(Applied),
    /// A cursor is where it was asked to be.
    Cursor,
    /// So many dead letters were forgotten.
    Forgotten(u64),
    /// So many events were removed.
    Removed(u64),
    /// Who holds the leases.
    Leases(Vec<LeaseSeen>),
}

/// Something to write, and who waits for it.
pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

pub(crate) enum Task {
    Change(Box<Changes>),
    /// Moves a cursor, never back, and keeps dead letters.
    Cursor {
        key: String,
        through: i64,
        dead: Vec<dead_letter::ActiveModel>,
    },
    /// Forgets dead letters.
    Forget {
        sink: String,
        positions: Vec<i64>,
    },
    /// Removes the oldest events of a scope.
    Remove {
        scope: Scope,
        through: i64,
        limit: u32,
    },
    /// Claims and gives back leases.
    Lease {
        holder: Uuid,
        claims: Vec<LeaseClaim>,
        release: Vec<String>,
    },
}

/// How a transaction failed as a whole.
enum Broken {
    /// It never began.
    Closed(Error),
    /// A statement failed; nothing was committed.
    Rolled(Error),
    /// The commit failed; it may or may not have happened.
    Commit(Error),
}

/// Runs until the queue is closed and empty.
pub(crate) async fn run(location: String, db: DatabaseConnection, mut queue: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        serve(&location, &db, std::mem::take(&mut group)).await;
    }
}

async fn serve(location: &str, db: &DatabaseConnection, group: Vec<Job>) {
    match commit(db, &group).await {
        Ok(outcomes) => {
            for (job, outcome) in group.into_iter().zip(outcomes) {
                tell(job, outcome);
            }
        }
        Err(Broken::Closed(error)) => {
            for job in group {
                tell(job, Err(error.clone()));
            }
        }
        Err(broken) => one_by_one(location, db, group, broken).await,
    }
}

async fn one_by_one(location: &str, db: &DatabaseConnection, group: Vec<Job>, broken: Broken) {
    let (Broken::Rolled(error) | Broken::Commit(error) | Broken::Closed(error)) = &broken;
    tracing::warn!(location, changes = group.len(), %error, "a group of changes failed; trying them one by one");
    // After a failed commit, what is never tried again stays unknown.
    let unsure = matches!(broken, Broken::Commit(_));
    let mut closed: Option<Error> = None;
    for job in group {
        let outcome = match &closed {
            Some(error) => Err(error.clone()),
            None => match commit(db, std::slice::from_ref(&job)).await {
                Ok(mut outcomes) => {
                    outcomes.pop().unwrap_or_else(|| Err(Error::Failed("no outcome".to_owned())))
                }
                Err(Broken::Rolled(error)) => Err(error),
                Err(Broken::Commit(error)) => Err(Error::Unknown(error.to_string())),
                Err(Broken::Closed(error)) => {
                    closed = Some(if unsure { Error::Unknown(error.to_string()) } else { error });
                    Err(closed.clone().unwrap_or_else(|| Error::Unknown("closed".to_owned())))
                }
            },
        };
        tell(job, outcome);
    }
}

fn tell(job: Job, outcome: Outcome) {
    // Whoever asked may have gone; the change stands either way.
    let _ = job.answer.send(outcome);
}

/// Takes the file's write lock at once, so that nothing read is stale when it comes to writing.
pub(crate) fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    }
}

async fn commit(db: &DatabaseConnection, group: &[Job]) -> Result<Vec<Outcome>, Broken> {
    let whole = db.begin_with_options(immediate()).await.map_err(|error| Broken::Closed(error.into()))?;
    let outcomes = match carry_out(&whole, group).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            if let Err(error) = whole.rollback().await {
                tracing::warn!(%error, "a failed transaction could not be rolled back");
            }
            return Err(Broken::Rolled(error.into()));
        }
    };
    whole.commit().await.map_err(|error| Broken::Commit(error.into()))?;
    Ok(outcomes)
}

async fn carry_out(whole: &DatabaseTransaction, group: &[Job]) -> Result<Vec<Outcome>, DbErr> {
    let ids: Vec<Uuid> = group
        .iter()
        .filter_map(|job| match &job.task {
            Task::Change(changes) => Some(changes.id),
            _ => None,
        })
        .collect();
    let mut done: HashSet<Uuid> = if ids.is_empty() {
        HashSet::new()
    } else {
        change::replayed(whole, &ids).await?.into_iter().collect()
    };
    let plain: Vec<(usize, &Changes)> = (0..)
        .zip(group)
        .filter_map(|(at, job)| match &job.task {
            Task::Change(changes) if !done.contains(&changes.id) => Some((at, &**changes)),
            _ => None,
        })
        .collect();
    let at_once: HashSet<usize> = bulk::carry_out(whole, &plain).await?.into_iter().collect();
    done.extend(plain.iter().filter(|(at, _)| at_once.contains(at)).map(|(_, changes)| changes.id));
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        outcomes.push(match &job.task {
            Task::Change(changes) if done.contains(&changes.id) => Ok(Done::Change(Applied::Done)),
            Task::Change(changes) => {
                let outcome = one(whole, changes).await?;
                if outcome == Ok(Applied::Done) {
                    done.insert(changes.id);
                }
                outcome.map(Done::Change)
            }
            Task::Cursor { key, through, dead } => {
                outbox::acknowledge(whole, key, *through, dead).await?;
                Ok(Done::Cursor)
            }
            Task::Forget { sink, positions } => {
                Ok(Done::Forgotten(outbox::forget(whole, sink, positions).await?))
            }
            Task::Remove { scope, through, limit } => {
                Ok(Done::Removed(outbox::remove(whole, *scope, *through, *limit).await?))
            }
            Task::Lease { holder, claims, release } => {
                let leases = outbox::lease(whole, *holder, claims, release).await?;
                leases.map(Done::Leases).map_err(Error::from)
            }
        });
    }
    Ok(outcomes)
}

/// One change in its savepoint.
async fn one(whole: &DatabaseTransaction, changes: &Changes) -> Result<Result<Applied, Error>, DbErr> {
    let savepoint = whole.begin().await?;
    let stop = match change::carry_out(&savepoint, changes).await {
        Ok(()) => {
            if changes.events.first().is_none_or(|event| event.id != changes.id) {
                change::remember(&savepoint, changes.id).await?;
            }
            savepoint.commit().await?;
            return Ok(Ok(Applied::Done));
        }
        Err(stop) => stop,
    };
    savepoint.rollback().await?;
    Ok(match stop {
        Stop::Conflict(conflict) => Ok(Applied::Conflict(conflict)),
        Stop::Taken(row, conflict) => match row_now(whole, row).await? {
            Ok(None) => Ok(Applied::Conflict(conflict)),
            Ok(current) => Ok(Applied::Conflict(Conflict::Row { row, current })),
            Err(error) => Err(error),
        },
        Stop::Stale(row) => {
            row_now(whole, row).await?.map(|current| Applied::Conflict(Conflict::Row { row, current }))
        }
        Stop::Misfit(misfit) => {
            Err(Error::Invalid(format!("the change has a value that does not fit {}", misfit.place)))
        }
        Stop::Db(error) => return Err(error),
    })
}

/// What the row is without the change that was rolled back.
async fn row_now(whole: &DatabaseTransaction, row: RowKey) -> Result<Result<Option<Box<Row>>, Error>, DbErr> {
    match change::current(whole, row).await {
        Ok(current) => Ok(Ok(current.map(Box::new))),
        Err(Stop::Db(error)) => Err(error),
        Err(Stop::Misfit(misfit)) => Ok(Err(misfit.into())),
        Err(Stop::Conflict(_) | Stop::Taken(..) | Stop::Stale(_)) => {
            Ok(Err(Error::Failed("a read cannot conflict".to_owned())))
        }
    }
}
