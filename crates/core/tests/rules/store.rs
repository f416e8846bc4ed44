//! What a store does with a change: all of it, once, if all expectations hold; otherwise nothing.

use patd_core::changes::{Changes, Conflict, Expect, Row, Write};
use patd_core::id::Version;
use patd_core::record::{Session, Token};

use crate::world::{World, index};

fn version(row: &mut Row) -> &mut Version {
    match row {
        Row::Site(r) => &mut r.version,
        Row::User(r) => &mut r.version,
        Row::Membership(r) => &mut r.version,
        Row::Password(r) => &mut r.version,
        Row::Totp(r) => &mut r.version,
        Row::Invitation(r) => &mut r.version,
        Row::Token(r) => &mut r.version,
        Row::Session(r) => &mut r.version,
    }
}

impl World {
    /// Applies a change as a store does, or says which expectation failed.
    pub(crate) fn apply(&mut self, changes: &Changes) -> Result<(), Conflict> {
        if self.applied.contains(&changes.id) {
            return Ok(());
        }
        assert!(
            changes.write.is_empty() || !changes.events.is_empty(),
            "a change without its event: {changes:?}"
        );
        for expect in &changes.expect {
            self.check(expect)?;
        }
        let before = self.rows.clone();
        for write in &changes.write {
            if let Err(conflict) = self.write(write) {
                self.rows = before;
                return Err(conflict);
            }
        }
        self.applied.insert(changes.id);
        self.events.extend(changes.events.iter().cloned());
        Ok(())
    }

    fn check(&self, expect: &Expect) -> Result<(), Conflict> {
        let ok = match expect {
            Expect::Version(key, wanted) => {
                self.rows.get(&index(*key)).is_some_and(|r| *version(&mut r.clone()) == *wanted)
            }
            Expect::Absent(key) => !self.rows.contains_key(&index(*key)),
            Expect::LiveTokensAtMost { site, owner, max, besides } => {
                let open = |t: &&Token| t.site == *site && t.owner == *owner && t.ended.is_none();
                let tokens = self.tokens();
                let count = tokens.iter().filter(open).filter(|t| !besides.contains(&t.id)).count();
                if count > *max as usize {
                    return Err(Conflict::TooManyTokens);
                }
                true
            }
        };
        let (Expect::Version(key, _) | Expect::Absent(key)) = expect else { return Ok(()) };
        if ok { Ok(()) } else { Err(Conflict::Row(*key, None)) }
    }

    fn write(&mut self, write: &Write) -> Result<(), Conflict> {
        match write {
            Write::Insert(row) => {
                if self.rows.contains_key(&index(row.key())) {
                    return Err(Conflict::Row(row.key(), None));
                }
                if let Row::Token(new) = row {
                    let same = |t: &Token| t.owner == new.owner && t.site == new.site && t.name == new.name;
                    if self.tokens().iter().any(|t| t.ended.is_none() && same(t)) {
                        return Err(Conflict::TokenNameTaken(new.name.clone()));
                    }
                }
                if let Row::Session(Session { token: Some(new), ended: None, .. }) = row {
                    let open = |s: &Session| s.ended.is_none() && s.token.is_some_and(|own| own.id == new.id);
                    if self.sessions().iter().any(open) {
                        return Err(Conflict::Unique("one session per token".to_owned()));
                    }
                }
                self.put(row.clone());
            }
            Write::Update(row) => {
                let mut row = row.clone();
                let held = self.rows.get(&index(row.key())).cloned();
                let read = *version(&mut row);
                if held.map(|mut held| *version(&mut held)) != Some(read) {
                    return Err(Conflict::Row(row.key(), None));
                }
                *version(&mut row) = Version(read.0 + 1);
                self.put(row);
            }
            Write::Delete(key, read) => {
                let held = self.rows.remove(&index(*key));
                if held.map(|mut held| *version(&mut held)) != Some(*read) {
                    return Err(Conflict::Row(*key, None));
                }
            }
            Write::RehashToken(..) | Write::RehashPassword(..) => unreachable!("no rule re-hashes"),
        }
        Ok(())
    }
}
