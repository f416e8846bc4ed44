//! The contract of stores as plain maps: the oracle of the conformance kit, and what the deliberately faulty store sins
//! against.
//!
//! It must never be fast, durable or clever: it says in the simplest way what [`patd_proto::store`] means. No IO, no clock.
#![forbid(unsafe_code)]

mod copy;
mod outbox;
mod query;

use std::collections::{BTreeMap, HashMap, HashSet};

use patd_proto::rows::{Event, SiteState};
use patd_proto::store::{Applied, Changes, Conflict, DeadLetter, Expect, Row, RowKey, Scope, Write};
use patd_proto::wire::Nat;
use uuid::Uuid;

pub use copy::{in_order, tally};

/// A store in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    rows: HashMap<RowKey, Row>,
    events: Vec<Event>,
    /// Of the events, in the same order.
    positions: Vec<u64>,
    applied: HashSet<Uuid>,
    cursors: HashMap<(String, Option<Scope>), u64>,
    letters: BTreeMap<(String, u64), DeadLetter>,
    leases: HashMap<String, (Option<Uuid>, u64)>,
}

/// Why a change stops.
enum Stop {
    /// This row is not as expected.
    Row(RowKey),
    /// A new row breaks this rule, unless it exists already, which is said first.
    Taken(RowKey, Conflict),
    /// A rule between rows.
    Rule(Conflict),
}

impl Memory {
    /// The row with this key.
    #[must_use]
    pub fn row(&self, key: RowKey) -> Option<&Row> {
        self.rows.get(&key)
    }

    /// All events, in the order of their commits.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Applies a change whole, or not at all.
    pub fn apply(&mut self, changes: &Changes) -> Applied {
        if self.applied.contains(&changes.id) {
            return Applied::Done;
        }
        let mut next = self.clone();
        match next.attempt(changes) {
            Ok(()) => {
                next.applied.insert(changes.id);
                next.applied.extend(changes.events.iter().map(|event| event.id));
                *self = next;
                Applied::Done
            }
            Err(stop) => Applied::Conflict(self.conflict(stop)),
        }
    }

    /// What a conflict tells: the row as it was before the change.
    fn conflict(&self, stop: Stop) -> Conflict {
        let told = |row: RowKey| Conflict::Row { row, current: self.rows.get(&row).cloned().map(Box::new) };
        match stop {
            Stop::Row(row) => told(row),
            Stop::Taken(row, _) if self.rows.contains_key(&row) => told(row),
            Stop::Taken(_, conflict) | Stop::Rule(conflict) => conflict,
        }
    }

    fn attempt(&mut self, changes: &Changes) -> Result<(), Stop> {
        for expect in &changes.expect {
            self.check(expect)?;
        }
        for write in &changes.write {
            self.write(write)?;
        }
        for event in &changes.events {
            if self.events.iter().any(|known| known.id == event.id) {
                return Err(Stop::Rule(Conflict::Unique("events_id".into())));
            }
            // The newest event is never removed, so none is given twice.
            self.positions.push(self.positions.last().map_or(1, |last| last + 1));
            self.events.push(event.clone());
        }
        Ok(())
    }

    fn check(&self, expect: &Expect) -> Result<(), Stop> {
        match expect {
            Expect::Version { row, version } => self.expect_version(*row, *version),
            Expect::Absent(row) if self.rows.contains_key(row) => Err(Stop::Row(*row)),
            Expect::Absent(_) => Ok(()),
            Expect::LiveTokensAtMost { site, owner, max, besides } => {
                let live = self.tokens().filter(|token| {
                    (token.site, token.owner) == (*site, *owner)
                        && token.ended.is_none()
                        && !besides.contains(&token.id)
                });
                if live.count() > *max as usize { Err(Stop::Rule(Conflict::TooManyTokens)) } else { Ok(()) }
            }
        }
    }

    fn expect_version(&self, row: RowKey, version: Nat) -> Result<(), Stop> {
        let holds = self.rows.get(&row).is_some_and(|kept| kept.version() == version);
        if holds { Ok(()) } else { Err(Stop::Row(row)) }
    }

    fn write(&mut self, write: &Write) -> Result<(), Stop> {
        match write {
            Write::Insert(row) => {
                let key = row.key();
                if self.rows.contains_key(&key) {
                    return Err(Stop::Row(key));
                }
                self.unique(row).map_err(|conflict| Stop::Taken(key, conflict))?;
                self.rows.insert(key, with_version(row.clone(), Nat(1)));
            }
            Write::Update(row) => {
                let key = row.key();
                self.expect_version(key, row.version())?;
                self.unique(row).map_err(Stop::Rule)?;
                self.rows.insert(key, with_version(row.clone(), Nat(row.version().0 + 1)));
            }
            Write::Delete { row, version } => {
                self.expect_version(*row, *version)?;
                self.rows.remove(row);
            }
            Write::RehashToken { id, old, new } => {
                if let Some(Row::Token(token)) = self.rows.get_mut(&RowKey::Token(*id))
                    && token.digest == *old
                {
                    token.digest = new.clone();
                }
            }
            Write::RehashPassword { user, old, new } => {
                if let Some(Row::Password(password)) = self.rows.get_mut(&RowKey::Password(*user))
                    && password.digest == *old
                {
                    password.digest = new.clone();
                }
            }
        }
        Ok(())
    }

    /// The rules of uniqueness, against all rows but the one of the same key.
    fn unique(&self, row: &Row) -> Result<(), Conflict> {
        let key = row.key();
        let others = || self.rows.values().filter(move |other| other.key() != key);
        let fold = str::to_ascii_lowercase;
        match row {
            Row::Token(new) if new.ended.is_none() => {
                let taken = others().any(|other| {
                    matches!(other, Row::Token(token) if token.ended.is_none()
                        && (token.site, token.owner, &token.name) == (new.site, new.owner, &new.name))
                });
                if taken { Err(Conflict::TokenNameTaken(new.name.clone())) } else { Ok(()) }
            }
            Row::Session(new) if new.ended.is_none() => {
                let Some(token) = new.token.map(|token| token.id) else { return Ok(()) };
                let taken = others().any(|other| {
                    matches!(other, Row::Session(session) if session.ended.is_none()
                        && session.token.is_some_and(|of| of.id == token))
                });
                if taken { Err(Conflict::Unique("sessions_live_token".into())) } else { Ok(()) }
            }
            Row::User(new) => {
                let taken = others().any(
                    |other| matches!(other, Row::User(user) if fold(&user.username) == fold(&new.username)),
                );
                if taken { Err(Conflict::UsernameTaken) } else { Ok(()) }
            }
            Row::Site(new) => {
                let sites = || {
                    others().filter_map(|other| match other {
                        Row::Site(site) => Some(site),
                        _ => None,
                    })
                };
                let lives = |state: SiteState| state != SiteState::Deleted;
                let rule = if lives(new.state) && sites().any(|site| lives(site.state) && site.key == new.key)
                {
                    "sites_key"
                } else if lives(new.state)
                    && sites()
                        .any(|site| lives(site.state) && fold(&site.content_url) == fold(&new.content_url))
                {
                    "sites_content_url"
                } else if sites().any(|site| site.home == new.home) {
                    "sites_home"
                } else {
                    return Ok(());
                };
                Err(Conflict::Unique(rule.into()))
            }
            _ => Ok(()),
        }
    }
}

fn with_version(mut row: Row, version: Nat) -> Row {
    *match &mut row {
        Row::Site(row) => &mut row.version,
        Row::User(row) => &mut row.version,
        Row::Membership(row) => &mut row.version,
        Row::Password(row) => &mut row.version,
        Row::Totp(row) => &mut row.version,
        Row::Invitation(row) => &mut row.version,
        Row::Token(row) => &mut row.version,
        Row::Session(row) => &mut row.version,
    } = version;
    row
}
