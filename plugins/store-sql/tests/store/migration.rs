//! A file of any earlier schema, with rows in it, is brought up to date and keeps every row.
//!
//! The rows are SQL as it was written under each schema, never through today's entities: a migration that is added must not
//! change this text, only add to it.

use patd_migrations::DirectoryStore;
use patd_proto::rows::{Event, MemberState, SessionToken, Token, Told, User};
use patd_proto::store::{Found, Query, Role};
use patd_proto::wire::{Micros, Nat};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait;
use store_sql::{Config, Engine};

use crate::scratch::*;

/// The rows of [`token`], [`session`] and [`event`], as they lie under m0001.
const UNDER_M0001: &str = "
INSERT INTO tokens (id, site, owner, name, digest, created_at, expires_at, last_used_at, idle_limit, ends_at, session,
    ended_at, ended_reason, ended_successor, person_epoch, member_epoch, token_epoch, version) VALUES
    ('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002',
     'token 10', '$x$i=1$c2FsdA$digest-of-10', 1763000000000000, 1794536000000000, NULL, 1296000000000, 1764296000000000, NULL,
     NULL, NULL, NULL, 1, 2, 3, 1),
    ('00000000-0000-0000-0000-00000000000b', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002',
     'token 11', '$x$i=1$c2FsdA$digest-of-11', 1763000000000000, 1794536000000000, NULL, 1296000000000, 1764296000000000, NULL,
     1763000000000001, 'superseded', NULL, 1, 2, 3, 1);
INSERT INTO sessions (id, kind, token, home, minted_at, user, site, digest, created_at, expires_at, ended_at, ended_reason,
    ended_successor, person_epoch, credential_epoch, member_epoch, home_member_epoch, token_epoch, version) VALUES
    ('00000000-0000-0000-0000-000000000014', 'token', '00000000-0000-0000-0000-00000000000a',
     '00000000-0000-0000-0000-000000000001', 1763000000000000, '00000000-0000-0000-0000-000000000002',
     '00000000-0000-0000-0000-000000000001', 'FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQ', 1763000000000000, 1763086400000000,
     NULL, NULL, NULL, 1, 0, 2, 2, 3, 1);
INSERT INTO events (position, id, time, site, type, actor, actor_luid, actor_username, user, token, session, address,
    user_agent, reason, count) VALUES
    (7, '00000000-0000-0000-0000-000000000001', 1763000000000000, '00000000-0000-0000-0000-000000000001',
     'patd.token.minted', 'user', '00000000-0000-0000-0000-000000000002', 'Ann', '00000000-0000-0000-0000-000000000002', NULL,
     NULL, '192.0.2.1', 'test', '', 1);
INSERT INTO sink_cursors (sink, position) VALUES ('file', 6);
INSERT INTO applied (position, id) VALUES (1, '00000000-0000-0000-0000-000000000063');";

/// The rows of [`site`], [`user`] and [`member`], as they lie under m0002.
const UNDER_M0002: &str = "
INSERT INTO sites (luid, key, content_url, content_url_folded, name, home, state, pat_enabled, mint_allowed, max_lifetime,
    idle_limit, session_lifetime, tokens_per_user, foreign_tokens, switch_site, not_before, client_id, client_digest,
    created_at, version) VALUES
    ('00000000-0000-0000-0000-000000000003', 'site3', 'Site3', 'site3', 'A site', 3, 'active', 1, 1, 31536000000000,
     1296000000000, 86400000000, 104, 1, 0, 0, NULL, NULL, 1763000000000000, 1);
INSERT INTO users (luid, username, username_folded, full_name, email, disabled, access_epoch, credential_epoch, created_at,
    version) VALUES
    ('00000000-0000-0000-0000-00000000001e', 'Ann', 'ann', 'Somebody', '', 0, 0, 0, 1763000000000000, 1);
INSERT INTO memberships (site, user, role, state, access_epoch, token_epoch, created_at, version) VALUES
    ('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-00000000001e', 'Creator', 'active', 0, 0,
     1763000000000000, 1);
INSERT INTO passwords (user, digest, changed_at, version) VALUES
    ('00000000-0000-0000-0000-00000000001e', '$x$i=1$c2FsdA$digest', 1763000000000000, 1);
INSERT INTO totps (user, sealed_secret, confirmed, last_step, recovery, version) VALUES
    ('00000000-0000-0000-0000-00000000001e', 'c2VhbGVk', 1, 5, '', 1);
INSERT INTO invitations (id, kind, site, user, digest, created_at, expires_at, spent_at, version) VALUES
    ('00000000-0000-0000-0000-000000000028', 'join', '00000000-0000-0000-0000-000000000003',
     '00000000-0000-0000-0000-00000000001e', 'FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQ', 1763000000000000, 1763086400000000,
     NULL, 1);";

/// What lies in a file under its first so many migrations; what m0003 to m0006 add is filled from what was there.
const ROWS: [&str; 6] = [UNDER_M0001, UNDER_M0002, "", "", "", ""];

/// A file as the first `migrations` made it, with rows of every table of theirs.
async fn file_of(path: &std::path::Path, migrations: usize) {
    let db: DatabaseConnection =
        Database::connect(format!("sqlite://{}?mode=rwc", path.display())).await.expect("is made");
    for (number, rows) in ROWS.iter().enumerate().take(migrations) {
        let steps = u32::try_from(number + 1).expect("few");
        let applied = DirectoryStore::get_applied_migrations(&db).await.map_or(0, |applied| applied.len());
        let left = steps.saturating_sub(u32::try_from(applied).expect("few"));
        DirectoryStore::up(&db, Some(left)).await.expect("is migrated");
        if !rows.is_empty() {
            db.execute_unprepared(rows).await.expect("rows of that time");
        }
    }
    db.close().await.expect("closes");
}

#[tokio::test]
async fn every_earlier_schema_is_brought_up_to_date_with_every_row() {
    let known = DirectoryStore::migrations().len();
    assert_eq!(ROWS.len(), known, "a migration was added: say what lies in a file under it");
    for migrations in 1..=known {
        for role in [None, Some(Role::Site), Some(Role::Directory)] {
            let folder = tempfile::tempdir().expect("a scratch folder");
            let path = folder.path().join("store.db");
            file_of(&path, migrations).await;
            let before = Engine::schema_of(&Config::at(&path)).await.expect("is told");
            assert_eq!(before.applied.len(), migrations, "{role:?}");
            let engine = Engine::open(Config::at(&path), role).await.expect("opens");
            let after = engine.schema().await.expect("is told");
            assert!(after.pending.is_empty() && after.applied.starts_with(&before.applied), "{after:?}");
            let directory = role != Some(Role::Site) || migrations > 1;
            assert_eq!(after.applied.len() == known, directory, "{migrations} {role:?}: {after:?}");
            let store = Scratch { folder, engine };
            rows_are_right(store, directory, migrations > 1).await;
        }
    }
}

async fn rows_are_right(store: Scratch, directory: bool, had_people: bool) {
    // Before m0005 nobody had been told anything, no network was known, and a session did not tell its token's ends.
    let early =
        |n| Token { told: Told { absolute_days: None, idle_days: None }, networks: Vec::new(), ..token(n) };
    assert_eq!(store.token(10).await, Some(early(10)));
    assert_eq!(store.token(11).await, Some(Token { ended: ended(None), ..early(11) }));
    let mut open = session(20, Some(&token(10)));
    let end = open.expires_at;
    open.token = open.token.map(|token| SessionToken { expires_at: end, idle_expires_at: end, ..token });
    assert_eq!(store.session(20).await, Some(open));
    let waiting = store.engine.outbox_take("file", None, None, 10).await.expect("the store answers");
    assert_eq!(waiting.len(), 1);
    // Before m0003 an event had no detail, and followed others by its time.
    let early = Event { detail: None, seq: Nat(NOW.cast_unsigned()), ..event(1) };
    assert_eq!((waiting[0].position.0, &waiting[0].event), (7, &early));
    if directory {
        let of = |these: bool, found: Found| if these { found } else { nothing_like(&found) };
        for (query, found) in [
            (Query::Sites, Found::Sites(vec![site(3)])),
            (
                Query::UserByName("ann".into()),
                Found::Users(vec![User { muted: Vec::new(), ..user(30, "Ann") }]),
            ),
            (Query::Membership(id(3), id(30)), Found::Memberships(vec![member(3, 30, MemberState::Active)])),
        ] {
            assert_eq!(store.ask(query).await, of(had_people, found));
        }
        let Found::Passwords(passwords) = store.ask(Query::Password(id(30))).await else {
            panic!("passwords")
        };
        let Found::Totps(totps) = store.ask(Query::Totp(id(30))).await else { panic!("second factors") };
        let Found::Invitations(open) = store.ask(Query::Invitation(id(40))).await else {
            panic!("invitations")
        };
        assert_eq!([passwords.len(), totps.len(), open.len()], [usize::from(had_people); 3]);
        if had_people {
            assert_eq!((passwords[0].changed_at, totps[0].confirmed), (Micros(NOW), true));
            assert_eq!((open[0].user, open[0].spent_at), (id(30), None));
        }
    }
    // A change that was applied under the old schema is known, and new rows go in.
    store.done(change(99, vec![insert_token(token(10))])).await;
    store.done(change(100, vec![insert_token(token(12))])).await;
    let newest = store.engine.outbox_take("file", None, None, 10).await.expect("the store answers");
    assert!(newest.last().expect("an event").position.0 > 7);
    store.engine.close().await.expect("closes");
}

/// As many rows as there are in a table that was just made.
fn nothing_like(found: &Found) -> Found {
    match found {
        Found::Sites(_) => Found::Sites(vec![]),
        Found::Users(_) => Found::Users(vec![]),
        _ => Found::Memberships(vec![]),
    }
}
