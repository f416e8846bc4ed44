//! Questions and answers. An answer must be of the kind that its question has, and a single row the one that was asked
//! for: a store that mixes up rows must not sign anybody in.

use patd_core::time::Timestamp;
use patd_proto::store as wire;
use patd_proto::wire::{Micros, Nat};
use patd_service::ports::{EventFilter, Found, Query};

use super::{Malformed, rows};

/// A question for the store.
pub(in crate::adapt) fn outward(query: Query) -> wire::Query {
    match query {
        Query::Sites => wire::Query::Sites,
        Query::User(user) => wire::Query::User(user.0),
        Query::UserByName(name) => wire::Query::UserByName(name),
        Query::Membership(site, user) => wire::Query::Membership(site.0, user.0),
        Query::MembershipsOf(user) => wire::Query::MembershipsOf(user.0),
        Query::MembersOf { site, after, offset, limit } => {
            wire::Query::MembersOf { site: site.0, after, offset, limit }
        }
        Query::CountMembers(site) => wire::Query::CountMembers(site.0),
        Query::Password(user) => wire::Query::Password(user.0),
        Query::Totp(user) => wire::Query::Totp(user.0),
        Query::Invitation(id) => wire::Query::Invitation(id.0),
        Query::OpenInvitations(user, site) => {
            wire::Query::OpenInvitations { user: user.0, site: site.map(|site| site.0) }
        }
        Query::Token(id) => wire::Query::Token(id.0),
        Query::Session(id) => wire::Query::Session(id.0),
        Query::TokenAndSession(id) => wire::Query::TokenAndSession(id.0),
        Query::OpenTokensOf(site, owner) => wire::Query::OpenTokensOf { site: site.0, owner: owner.0 },
        Query::Tokens { site, owner, ended_since, after, limit } => wire::Query::Tokens {
            site: site.0,
            owner: owner.map(|owner| owner.0),
            ended_since: ended_since.map(micros),
            after: after.map(|(time, id)| (micros(time), id.0)),
            limit,
        },
        Query::CountMintedBefore(site, before) => {
            wire::Query::CountMintedBefore { site: site.0, before: micros(before) }
        }
        Query::CountStale { site, expires_before, used_before } => wire::Query::CountStale {
            site: site.0,
            expires_before: micros(expires_before),
            used_before: micros(used_before),
        },
        Query::LiveSessions { now, after, limit } => {
            wire::Query::LiveSessions { now: micros(now), after: after.map(|id| id.0), limit }
        }
        Query::DueTokens { site, now, limit } => {
            wire::Query::DueTokens { site: site.0, now: micros(now), limit }
        }
        Query::PastSessions { before, limit } => wire::Query::PastSessions { before: micros(before), limit },
        Query::Events { site, filter, after, limit } => wire::Query::Events {
            site: site.0,
            filter: filter_out(filter),
            after: after.map(|(time, id)| (micros(time), id.0)),
            limit,
        },
        Query::EventsInOrder { site, filter, after, through, limit } => wire::Query::EventsInOrder {
            site: site.0,
            filter: filter_out(filter),
            after: Nat(after),
            through: Nat(through),
            limit,
        },
        Query::Event(id) => wire::Query::Event(id.0),
        Query::NewestSeq => wire::Query::NewestSeq,
        Query::NewestEvent => wire::Query::NewestEvent,
        Query::HomeNumberUsed(number) => wire::Query::HomeNumberUsed(number.0),
    }
}

fn filter_out(filter: EventFilter) -> wire::EventFilter {
    wire::EventFilter {
        types: filter.types.map(|types| types.into_iter().map(|kind| kind.as_str().to_owned()).collect()),
        user: filter.user.map(|user| user.0),
        token: filter.token.map(|token| token.0),
        session: filter.session.map(|session| session.0),
        since: filter.since.map(micros),
        until: filter.until.map(micros),
    }
}

fn micros(time: Timestamp) -> Micros {
    Micros(time.0)
}

/// The store's answer to `query`.
pub(in crate::adapt) fn inward(query: &wire::Query, found: wire::Found) -> Result<Found, Malformed> {
    if !answers(query, &found) {
        return Err(Malformed::new("query", "answer"));
    }
    Ok(match found {
        wire::Found::Sites(found) => Found::Sites(each(found, rows::site_in)?),
        wire::Found::Users(found) => Found::Users(each(found, rows::user_in)?),
        wire::Found::Memberships(found) => Found::Memberships(each(found, rows::membership_in)?),
        wire::Found::Members(found) => Found::Members(each(found, |member| {
            Ok((rows::membership_in(member.membership)?, rows::user_in(member.user)?))
        })?),
        wire::Found::Passwords(found) => Found::Passwords(found.into_iter().map(rows::password_in).collect()),
        wire::Found::Totps(found) => Found::Totps(each(found, rows::totp_in)?),
        wire::Found::Invitations(found) => Found::Invitations(each(found, rows::invitation_in)?),
        wire::Found::Tokens(found) => Found::Tokens(each(found, rows::token_in)?),
        wire::Found::Sessions(found) => Found::Sessions(each(found, rows::session_in)?),
        wire::Found::TokenAndSession(found) => {
            Found::TokensAndSessions(each(found.into_iter().collect(), |found| {
                Ok((rows::token_in(found.token)?, found.session.map(rows::session_in).transpose()?))
            })?)
        }
        wire::Found::Events(found) => Found::Events(each(found, rows::event_in)?),
        wire::Found::Time(time) => Found::Time(time.map(|time| Timestamp(time.0))),
        wire::Found::Counts(one, two) => Found::Counts(one.0, two.0),
    })
}

fn each<W, C>(rows: Vec<W>, inward: impl Fn(W) -> Result<C, Malformed>) -> Result<Vec<C>, Malformed> {
    rows.into_iter().map(inward).collect()
}

/// Whether the answer is of the question's kind, and the rows are those that were asked for.
fn answers(query: &wire::Query, found: &wire::Found) -> bool {
    use wire::{Found as F, Query as Q};
    match (query, found) {
        (Q::Sites, F::Sites(_))
        | (Q::NewestEvent, F::Time(_))
        | (
            Q::CountMembers(_)
            | Q::CountMintedBefore { .. }
            | Q::CountStale { .. }
            | Q::HomeNumberUsed(_)
            | Q::NewestSeq,
            F::Counts(..),
        )
        | (Q::LiveSessions { .. } | Q::PastSessions { .. }, F::Sessions(_))
        | (Q::DueTokens { .. }, F::Tokens(_)) => true,
        (Q::User(id), F::Users(rows)) => rows.len() <= 1 && rows.iter().all(|row| row.luid == *id),
        (Q::UserByName(name), F::Users(rows)) => {
            rows.len() <= 1 && rows.iter().all(|row| row.username.eq_ignore_ascii_case(name))
        }
        (Q::Membership(site, user), F::Memberships(rows)) => {
            rows.len() <= 1 && rows.iter().all(|row| (row.site, row.user) == (*site, *user))
        }
        (Q::MembershipsOf(user), F::Memberships(rows)) => rows.iter().all(|row| row.user == *user),
        (Q::MembersOf { site, .. }, F::Members(rows)) => {
            rows.iter().all(|row| row.membership.site == *site && row.membership.user == row.user.luid)
        }
        (Q::Password(user), F::Passwords(rows)) => {
            rows.len() <= 1 && rows.iter().all(|row| row.user == *user)
        }
        (Q::Totp(user), F::Totps(rows)) => rows.len() <= 1 && rows.iter().all(|row| row.user == *user),
        (Q::Invitation(id), F::Invitations(rows)) => rows.len() <= 1 && rows.iter().all(|row| row.id == *id),
        (Q::OpenInvitations { user, site }, F::Invitations(rows)) => {
            rows.iter().all(|row| row.user == *user && row.site == *site)
        }
        (Q::Token(id), F::Tokens(rows)) => rows.len() <= 1 && rows.iter().all(|row| row.id == *id),
        (Q::Session(id), F::Sessions(rows)) => rows.len() <= 1 && rows.iter().all(|row| row.id == *id),
        (Q::TokenAndSession(id), F::TokenAndSession(found)) => found.as_ref().is_none_or(|found| {
            found.token.id == *id
                && found.session.as_ref().is_none_or(|session| {
                    Some(session.id) == found.token.session
                        && session.token.is_some_and(|token| token.id == *id)
                })
        }),
        (Q::OpenTokensOf { site, owner }, F::Tokens(rows)) => {
            rows.iter().all(|row| row.site == *site && row.owner == *owner)
        }
        (Q::Tokens { site, owner, .. }, F::Tokens(rows)) => {
            rows.iter().all(|row| row.site == *site && owner.is_none_or(|owner| row.owner == owner))
        }
        (Q::Events { site, .. }, F::Events(rows)) => rows.iter().all(|row| row.site == Some(*site)),
        (Q::EventsInOrder { site, after, through, .. }, F::Events(rows)) => {
            let (rising, within) =
                (rows.is_sorted_by_key(|row| row.seq), |seq| seq > *after && seq <= *through);
            rising && rows.iter().all(|row| row.site == Some(*site) && within(row.seq))
        }
        (Q::Event(id), F::Events(rows)) => rows.len() <= 1 && rows.iter().all(|row| row.id == *id),
        _ => false,
    }
}
