//! Units of work, and what became of them.

use patd_core::changes::{Changes, Conflict, Expect, Row, RowKey, Write};
use patd_core::id::{InvitationId, SessionId, SiteLuid, TokenId, UserLuid};
use patd_core::name::TokenName;
use patd_proto::store as wire;
use patd_proto::wire::{Nat, Phc};
use patd_service::ports::Applied;

use super::{Malformed, rows};

/// A unit of work for the store.
pub(in crate::adapt) fn outward(changes: Changes) -> wire::Changes {
    wire::Changes {
        id: changes.id,
        expect: changes.expect.into_iter().map(expect_out).collect(),
        write: changes.write.into_iter().map(write_out).collect(),
        events: changes.events.into_iter().map(rows::event_out).collect(),
    }
}

/// What the store says became of it.
pub(in crate::adapt) fn applied(applied: wire::Applied) -> Result<Applied, Malformed> {
    let conflict = match applied {
        wire::Applied::Done => return Ok(Applied::Done),
        wire::Applied::Conflict(conflict) => conflict,
    };
    Ok(Applied::Conflict(match conflict {
        wire::Conflict::Row { row, current } => {
            Conflict::Row(key_in(row), current.map(|row| row_in(*row).map(Box::new)).transpose()?)
        }
        wire::Conflict::TooManyTokens => Conflict::TooManyTokens,
        wire::Conflict::TokenNameTaken(name) => Conflict::TokenNameTaken(
            TokenName::parse(&name).map_err(|_| Malformed::new("conflict", "token name"))?,
        ),
        wire::Conflict::UsernameTaken => Conflict::UsernameTaken,
        wire::Conflict::Unique(rule) => Conflict::Unique(rule),
    }))
}

fn expect_out(expect: Expect) -> wire::Expect {
    match expect {
        Expect::Version(row, version) => wire::Expect::Version { row: key_out(row), version: Nat(version.0) },
        Expect::Absent(row) => wire::Expect::Absent(key_out(row)),
        Expect::LiveTokensAtMost { site, owner, max, besides } => wire::Expect::LiveTokensAtMost {
            site: site.0,
            owner: owner.0,
            max,
            besides: besides.into_iter().map(|token| token.0).collect(),
        },
    }
}

fn write_out(write: Write) -> wire::Write {
    match write {
        Write::Insert(row) => wire::Write::Insert(row_out(row)),
        Write::Update(row) => wire::Write::Update(row_out(row)),
        Write::Delete(row, version) => wire::Write::Delete { row: key_out(row), version: Nat(version.0) },
        Write::RehashToken(id, old, new) => {
            wire::Write::RehashToken { id: id.0, old: Phc(old.0), new: Phc(new.0) }
        }
        Write::RehashPassword(user, old, new) => {
            wire::Write::RehashPassword { user: user.0, old: Phc(old.0), new: Phc(new.0) }
        }
    }
}

pub(super) fn row_out(row: Row) -> wire::Row {
    match row {
        Row::Site(row) => wire::Row::Site(rows::site_out(row)),
        Row::User(row) => wire::Row::User(rows::user_out(row)),
        Row::Membership(row) => wire::Row::Membership(rows::membership_out(row)),
        Row::Password(row) => wire::Row::Password(rows::password_out(row)),
        Row::Totp(row) => wire::Row::Totp(rows::totp_out(row)),
        Row::Invitation(row) => wire::Row::Invitation(rows::invitation_out(row)),
        Row::Token(row) => wire::Row::Token(rows::token_out(row)),
        Row::Session(row) => wire::Row::Session(rows::session_out(row)),
    }
}

pub(super) fn row_in(row: wire::Row) -> Result<Row, Malformed> {
    Ok(match row {
        wire::Row::Site(row) => Row::Site(rows::site_in(row)?),
        wire::Row::User(row) => Row::User(rows::user_in(row)?),
        wire::Row::Membership(row) => Row::Membership(rows::membership_in(row)?),
        wire::Row::Password(row) => Row::Password(rows::password_in(row)),
        wire::Row::Totp(row) => Row::Totp(rows::totp_in(row)?),
        wire::Row::Invitation(row) => Row::Invitation(rows::invitation_in(row)?),
        wire::Row::Token(row) => Row::Token(rows::token_in(row)?),
        wire::Row::Session(row) => Row::Session(rows::session_in(row)?),
    })
}

pub(super) fn key_out(key: RowKey) -> wire::RowKey {
    match key {
        RowKey::Site(site) => wire::RowKey::Site(site.0),
        RowKey::User(user) => wire::RowKey::User(user.0),
        RowKey::Membership(site, user) => wire::RowKey::Membership(site.0, user.0),
        RowKey::Password(user) => wire::RowKey::Password(user.0),
        RowKey::Totp(user) => wire::RowKey::Totp(user.0),
        RowKey::Invitation(id) => wire::RowKey::Invitation(id.0),
        RowKey::Token(id) => wire::RowKey::Token(id.0),
        RowKey::Session(id) => wire::RowKey::Session(id.0),
    }
}

pub(super) fn key_in(key: wire::RowKey) -> RowKey {
    match key {
        wire::RowKey::Site(site) => RowKey::Site(SiteLuid(site)),
        wire::RowKey::User(user) => RowKey::User(UserLuid(user)),
        wire::RowKey::Membership(site, user) => RowKey::Membership(SiteLuid(site), UserLuid(user)),
        wire::RowKey::Password(user) => RowKey::Password(UserLuid(user)),
        wire::RowKey::Totp(user) => RowKey::Totp(UserLuid(user)),
        wire::RowKey::Invitation(id) => RowKey::Invitation(InvitationId(id)),
        wire::RowKey::Token(id) => RowKey::Token(TokenId(id)),
        wire::RowKey::Session(id) => RowKey::Session(SessionId(id)),
    }
}
