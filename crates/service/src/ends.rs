//! Ends sessions because the config no longer allows them: a policy changed, a site left or came back. In the stores, so that
//! taking the change back revives none.

use std::sync::Arc;

use patd_core::id::SiteLuid;
use patd_core::record::{Session, Token};
use patd_core::rules::session::end_sessions;
use patd_core::rules::site::Ends;
use patd_core::time::Timestamp;

use crate::decide::{TRIES, contended};
use crate::enrol::by_system;
use crate::error::Result;
use crate::facts::{ask, nonsense};
use crate::ports::{Found, Query, Random, Store};
use crate::world::World;

/// Sessions in one change.
const BATCH: usize = 100;
/// Sessions read at once.
const PAGE: u32 = 1000;

/// Whether a session is among those that these changes end.
pub(crate) fn ended_by(ended: &[(SiteLuid, Ends)], session: &Session) -> bool {
    let home = session.token.map(|t| t.home);
    ended.iter().any(|(site, ends)| match ends {
        Ends::TokensAtHome => home == Some(*site),
        Ends::Visitors => session.site == *site && home.is_some_and(|home| home != *site),
        Ends::Everything => session.site == *site || home == Some(*site),
    })
}

/// Ends sessions, each in the store that keeps it; those that are over by then are left alone. Answers how many it ended.
pub(crate) async fn end_all(
    world: &Arc<World>,
    random: &dyn Random,
    now: Timestamp,
    sessions: Vec<Session>,
    store_of: impl Fn(Option<SiteLuid>) -> Option<Arc<dyn Store>>,
) -> Result<usize> {
    let mut by_store: Vec<(Arc<dyn Store>, Vec<Session>)> = Vec::new();
    for session in sessions {
        let Some(store) = store_of(session.token.map(|t| t.home)) else { continue };
        match by_store.iter_mut().find(|(known, _)| known.name() == store.name()) {
            Some((_, sessions)) => sessions.push(session),
            None => by_store.push((store, vec![session])),
        }
    }
    let mut count = 0;
    for (store, sessions) in by_store {
        for batch in sessions.chunks(BATCH) {
            if end(world, random, now, &store, batch).await? {
                count += batch.len();
                continue;
            }
            // One of them changed meanwhile: each by itself, as it is by then.
            for session in batch {
                count += usize::from(end_one(world, random, now, &store, session).await?);
            }
        }
    }
    Ok(count)
}

/// Every session in a store that some changes end, whatever the live table knows.
pub(crate) async fn find_all(
    store: &dyn Store,
    now: Timestamp,
    ended: &[(SiteLuid, Ends)],
) -> Result<Vec<Session>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let Found::Sessions(page) = ask(store, Query::LiveSessions { now, after, limit: PAGE }).await? else {
            return Err(nonsense(store));
        };
        let Some(last) = page.last().map(|s| s.id) else { return Ok(found) };
        after = Some(last);
        found.extend(page.into_iter().filter(|session| ended_by(ended, session)));
    }
}

async fn end_one(
    world: &Arc<World>,
    random: &dyn Random,
    now: Timestamp,
    store: &Arc<dyn Store>,
    session: &Session,
) -> Result<bool> {
    for _ in 0..TRIES {
        let Found::Sessions(rows) = ask(&**store, Query::Session(session.id)).await? else {
            return Err(nonsense(&**store));
        };
        let live = rows.first().is_some_and(|row| row.ended.is_none() && now < row.expires_at);
        if !live {
            return Ok(false);
        }
        if end(world, random, now, store, &rows).await? {
            return Ok(true);
        }
    }
    Err(contended())
}

/// `false` on a conflict: nothing happened.
async fn end(
    world: &Arc<World>,
    random: &dyn Random,
    now: Timestamp,
    store: &Arc<dyn Store>,
    sessions: &[Session],
) -> Result<bool> {
    let queries: Vec<_> = sessions.iter().filter_map(|s| s.token).map(|t| Query::Token(t.id)).collect();
    let mut tokens: Vec<Token> = Vec::new();
    if !queries.is_empty() {
        for found in store.query(queries).await? {
            let Found::Tokens(rows) = found else { return Err(nonsense(&**store)) };
            tokens.extend(rows);
        }
    }
    let why = "the config no longer allows it";
    let changes = by_system(random, now, |cx| end_sessions(cx, sessions, &tokens, why));
    Ok(changes.is_empty() || world.commit(store, changes, ()).await?.is_ok())
}
