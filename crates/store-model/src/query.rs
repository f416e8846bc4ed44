//! Queries, each the obvious filter and order over all rows.

use std::cmp::Reverse;

use patd_proto::rows::{
    Event, Invitation, MemberState, Membership, Password, Session, Site, Token, Totp, User,
};
use patd_proto::store::{
    DigestGroup, Digests, EventFilter, Found, Member, Query, Row, RowKey, TokenAndSession,
};
use patd_proto::wire::{Micros, Nat};
use uuid::Uuid;

use crate::Memory;

macro_rules! rows {
    ($($name:ident: $variant:ident,)+) => {
        impl Memory {
            $(pub(crate) fn $name(&self) -> impl Iterator<Item = &$variant> {
                self.rows.values().filter_map(|row| match row {
                    Row::$variant(row) => Some(row),
                    _ => None,
                })
            })+
        }
    };
}

rows! {
    sites: Site,
    users: User,
    memberships: Membership,
    passwords: Password,
    totps: Totp,
    invitations: Invitation,
    tokens: Token,
    sessions: Session,
}

/// Those that `keep` wants, by `order`, at most `limit`.
fn listed<'a, T: Clone + 'a, K: Ord>(
    all: impl Iterator<Item = &'a T>,
    keep: impl Fn(&T) -> bool,
    order: impl Fn(&T) -> K,
    limit: usize,
) -> Vec<T> {
    let mut kept: Vec<T> = all.filter(|row| keep(row)).cloned().collect();
    kept.sort_by_key(|row| order(row));
    kept.truncate(limit);
    kept
}

/// Whether a filter lets an event through.
fn passes(filter: &EventFilter, event: &Event) -> bool {
    let EventFilter { types, user, token, session, since, until } = filter;
    types.as_ref().is_none_or(|types| types.contains(&event.kind))
        && user.is_none_or(|user| event.user == Some(user))
        && token.is_none_or(|token| event.token == Some(token))
        && session.is_none_or(|session| event.session == Some(session))
        && since.is_none_or(|since| event.time >= since)
        && until.is_none_or(|until| event.time < until)
}

impl Memory {
    /// Counts live digests by their text up to the salt. A digest without parts is a group with others that have none.
    #[must_use]
    pub fn digests(&self, request: &Digests) -> Vec<DigestGroup> {
        let live: Vec<&str> = match request.site {
            None => self.passwords().map(|password| password.digest.0.as_str()).collect(),
            Some(site) => self
                .tokens()
                .filter(|token| token.site == site && token.ended.is_none())
                .map(|token| token.digest.0.as_str())
                .collect(),
        };
        let cut = |text: &'_ str| text.rsplit_once('$').map_or("", |(before, _)| before).to_owned();
        let mut groups: Vec<(String, DigestGroup)> = Vec::new();
        for text in live {
            let sample = cut(text);
            let made = cut(&sample);
            match groups.iter_mut().find(|(known, _)| *known == made) {
                Some((_, group)) => group.count.0 += 1,
                None => groups.push((made, DigestGroup { sample, count: Nat(1) })),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// Answers a query.
    #[must_use]
    pub fn query(&self, query: &Query) -> Found {
        const ALL: usize = usize::MAX;
        match query {
            Query::Sites => Found::Sites(listed(self.sites(), |_| true, |site| site.key.clone(), ALL)),
            Query::User(luid) => {
                Found::Users(listed(self.users(), |row| row.luid == *luid, |row| row.luid, ALL))
            }
            Query::UserByName(folded) => Found::Users(listed(
                self.users(),
                |row| row.username.to_ascii_lowercase() == *folded,
                |row| row.luid,
                ALL,
            )),
            Query::Membership(site, user) => Found::Memberships(listed(
                self.memberships(),
                |row| (row.site, row.user) == (*site, *user),
                |row| row.user,
                ALL,
            )),
            Query::MembershipsOf(user) => {
                Found::Memberships(listed(self.memberships(), |row| row.user == *user, |row| row.site, ALL))
            }
            Query::MembersOf { site, after, offset, limit } => {
                Found::Members(self.members(*site, after.as_deref(), *offset as usize, *limit as usize))
            }
            Query::CountMembers(site) => {
                let present =
                    self.memberships().filter(|row| row.site == *site && row.state != MemberState::Removed);
                Found::Counts(Nat(present.count() as u64), Nat(0))
            }
            Query::Password(user) => {
                Found::Passwords(listed(self.passwords(), |row| row.user == *user, |row| row.user, ALL))
            }
            Query::Totp(user) => {
                Found::Totps(listed(self.totps(), |row| row.user == *user, |row| row.user, ALL))
            }
            Query::Invitation(id) => {
                Found::Invitations(listed(self.invitations(), |row| row.id == *id, |row| row.id, ALL))
            }
            Query::OpenInvitations { user, site } => Found::Invitations(listed(
                self.invitations(),
                |row| (row.user, row.site) == (*user, *site) && row.spent_at.is_none(),
                |row| (row.created_at, row.id),
                ALL,
            )),
            Query::Token(id) => Found::Tokens(listed(self.tokens(), |row| row.id == *id, |row| row.id, ALL)),
            Query::Session(id) => {
                Found::Sessions(listed(self.sessions(), |row| row.id == *id, |row| row.id, ALL))
            }
            Query::TokenAndSession(id) => Found::TokenAndSession(self.token_and_session(*id).map(Box::new)),
            Query::OpenTokensOf { site, owner } => Found::Tokens(listed(
                self.tokens(),
                |row| (row.site, row.owner) == (*site, *owner) && row.ended.is_none(),
                |row| (row.created_at, row.id),
                ALL,
            )),
            Query::Tokens { site, owner, ended_since, after, limit } => Found::Tokens(listed(
                self.tokens(),
                |row| {
                    let shown = row
                        .ended
                        .as_ref()
                        .is_none_or(|ended| ended_since.is_some_and(|since| ended.at >= since));
                    row.site == *site
                        && owner.is_none_or(|owner| row.owner == owner)
                        && shown
                        && after.is_none_or(|after| (row.created_at, row.id) < after)
                },
                |row| Reverse((row.created_at, row.id)),
                *limit as usize,
            )),
            Query::CountMintedBefore { site, before } => self.minted_before(*site, *before),
            Query::CountStale { site, expires_before, used_before } => {
                let open = || self.tokens().filter(|row| row.site == *site && row.ended.is_none());
                let expiring = open().filter(|row| row.expires_at < *expires_before).count();
                let unused = open().filter(|row| row.last_used_at.unwrap_or(row.created_at) < *used_before);
                Found::Counts(Nat(expiring as u64), Nat(unused.count() as u64))
            }
            Query::LiveSessions { now, after, limit } => Found::Sessions(listed(
                self.sessions(),
                |row| {
                    row.ended.is_none() && row.expires_at > *now && after.is_none_or(|after| row.id > after)
                },
                |row| row.id,
                *limit as usize,
            )),
            Query::DueTokens { site, now, limit } => Found::Tokens(listed(
                self.tokens(),
                |row| row.site == *site && row.ended.is_none() && row.due_at <= *now,
                |row| (row.due_at, row.id),
                *limit as usize,
            )),
            Query::PastSessions { before, limit } => Found::Sessions(listed(
                self.sessions(),
                |row| row.expires_at < *before,
                |row| (row.expires_at, row.id),
                *limit as usize,
            )),
            Query::Events { site, filter, after, limit } => Found::Events(listed(
                self.events.iter(),
                |row| {
                    row.site == Some(*site)
                        && passes(filter, row)
                        && after.is_none_or(|after| (row.time, row.id) < after)
                },
                |row| Reverse((row.time, row.id)),
                *limit as usize,
            )),
            Query::EventsInOrder { site, filter, after, through, limit } => Found::Events(listed(
                self.events.iter(),
                |row| {
                    row.site == Some(*site) && row.seq > *after && row.seq <= *through && passes(filter, row)
                },
                |row| row.seq,
                *limit as usize,
            )),
            Query::Event(id) => {
                Found::Events(listed(self.events.iter(), |row| row.id == *id, |row| row.id, ALL))
            }
            Query::NewestSeq => {
                Found::Counts(self.events.iter().map(|event| event.seq).max().unwrap_or(Nat(0)), Nat(0))
            }
            Query::NewestEvent => Found::Time(self.events.iter().map(|event| event.time).max()),
            Query::HomeNumberUsed(home) => {
                let used = self.sites().filter(|site| site.home == *home).count();
                Found::Counts(Nat(used as u64), Nat(0))
            }
        }
    }

    fn members(&self, site: Uuid, after: Option<&str>, offset: usize, limit: usize) -> Vec<Member> {
        let mut members: Vec<(String, Member)> = self
            .memberships()
            .filter(|row| row.site == site && row.state != MemberState::Removed)
            .filter_map(|membership| {
                let Some(Row::User(user)) = self.row(RowKey::User(membership.user)) else { return None };
                let folded = user.username.to_ascii_lowercase();
                Some((folded, Member { membership: membership.clone(), user: user.clone() }))
            })
            .filter(|(folded, _)| after.is_none_or(|after| folded.as_str() > after))
            .collect();
        members.sort_by(|one, other| one.0.cmp(&other.0));
        members.into_iter().skip(offset).take(limit).map(|(_, member)| member).collect()
    }

    fn token_and_session(&self, id: Uuid) -> Option<TokenAndSession> {
        let Some(Row::Token(token)) = self.row(RowKey::Token(id)) else { return None };
        let session = token.session.and_then(|id| match self.row(RowKey::Session(id)) {
            Some(Row::Session(session)) => Some(session.clone()),
            _ => None,
        });
        Some(TokenAndSession { token: token.clone(), session })
    }

    fn minted_before(&self, site: Uuid, before: Micros) -> Found {
        let open: Vec<&Token> = self
            .tokens()
            .filter(|row| row.site == site && row.created_at < before && row.ended.is_none())
            .collect();
        let live = open.iter().filter(|token| {
            token.session.is_some_and(|id| {
                matches!(self.row(RowKey::Session(id)), Some(Row::Session(session)) if session.ended.is_none())
            })
        });
        Found::Counts(Nat(open.len() as u64), Nat(live.count() as u64))
    }
}
