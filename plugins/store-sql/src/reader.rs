//! Readers beside the writer: each takes the requests that wait, answers them from one snapshot, and fetches the
//! tokens that they ask for in one statement.

use std::collections::HashMap;
use std::sync::Arc;

use patd_proto::store::{Found, Query, TokenAndSession};
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use crate::error::Error;
use crate::query;

/// Requests answered from one snapshot at most.
const BATCH: usize = 64;
/// Requests that may wait.
pub(crate) const QUEUE: usize = 4096;

/// A request and who waits for it.
pub(crate) struct Job {
    pub(crate) queries: Vec<Query>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Found>, Error>>,
}

/// Runs until the queue is closed and empty.
pub(crate) async fn run(db: DatabaseConnection, queue: Arc<Mutex<mpsc::Receiver<Job>>>) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if queue.lock().await.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        serve(&db, std::mem::take(&mut batch)).await;
    }
}

async fn serve(db: &DatabaseConnection, batch: Vec<Job>) {
    let alone =
        batch.len() == 1 && matches!(batch[0].queries.as_slice(), [one] if query::is_one_statement(one));
    if alone {
        return answer(db, batch, &HashMap::new()).await;
    }
    let snapshot = match db.begin().await {
        Ok(snapshot) => snapshot,
        Err(error) => return refuse(batch, &error.into()),
    };
    let wanted: Vec<Uuid> = batch
        .iter()
        .flat_map(|job| &job.queries)
        .filter_map(|query| match query {
            Query::TokenAndSession(id) => Some(*id),
            _ => None,
        })
        .collect();
    let tokens = match wanted.len() {
        0 | 1 => Ok(HashMap::new()),
        _ => query::tokens_and_sessions(&snapshot, &wanted).await,
    };
    match tokens {
        Ok(tokens) => answer(&snapshot, batch, &tokens).await,
        // One unreadable row must not fail its neighbours: each is read by itself.
        Err(_) => answer(&snapshot, batch, &HashMap::new()).await,
    }
    if let Err(error) = snapshot.commit().await {
        tracing::warn!(%error, "a read transaction could not be ended");
    }
}

async fn answer<C: ConnectionTrait>(
    db: &C,
    batch: Vec<Job>,
    tokens: &HashMap<Uuid, Option<TokenAndSession>>,
) {
    for job in batch {
        let mut found = Vec::with_capacity(job.queries.len());
        let mut failure = None;
        for query in &job.queries {
            match query::answer(db, query, tokens).await {
                Ok(one) => found.push(one),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        // Whoever asked may have gone.
        let _ = job.answer.send(failure.map_or(Ok(found), Err));
    }
}

fn refuse(batch: Vec<Job>, error: &Error) {
    for job in batch {
        let _ = job.answer.send(Err(error.clone()));
    }
}
