//! The file: who may read it, how it is written, schemas that are unknown, copies.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use patd_migrations::{DIRECTORY, SiteStore};
use patd_proto::store::{Query, Role};
use patd_proto::wire::Nat;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait;
use store_sql::{Config, Engine, Error};

use crate::scratch::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("is there").permissions().mode() & 0o777
}

async fn raw(path: &Path) -> DatabaseConnection {
    Database::connect(format!("sqlite://{}", path.display())).await.expect("connects")
}

async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db
        .query_all_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, sql))
        .await
        .expect("is answered");
    rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
}

const TABLES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";

#[tokio::test]
async fn files_are_for_their_owner_only_and_use_a_write_ahead_log() {
    let store = scratch().await;
    store.done(change(1, vec![])).await;
    let path = store.folder.path().join("in/store.db");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&store.folder.path().join("in/store.db-wal")), 0o600);
    assert_eq!(mode(&store.folder.path().join("in")), 0o700);
    let db = raw(&path).await;
    assert_eq!(texts(&db, "PRAGMA journal_mode").await, ["wal"]);
}

#[tokio::test]
async fn each_role_makes_its_own_tables() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let common = [
        "applied",
        "dead_letters",
        "events",
        "outbox_leases",
        "seaql_migrations",
        "sessions",
        "sink_cursors",
        "tokens",
    ];
    let path = folder.path().join("site.db");
    let engine = Engine::open(Config::at(&path), Some(Role::Site)).await.expect("opens");
    assert_eq!(texts(&raw(&path).await, TABLES).await, common);
    assert!(matches!(engine.query(vec![Query::Sites]).await, Err(Error::Failed(_))));
    engine.health().await.expect("is well after a wrong question");
    engine.close().await.expect("closes");

    let path = folder.path().join("directory.db");
    let engine = Engine::open(Config::at(&path), Some(Role::Directory)).await.expect("opens");
    let mut all =
        [&common[..], &["sites", "users", "memberships", "passwords", "totps", "invitations"]].concat();
    all.sort_unstable();
    assert_eq!(texts(&raw(&path).await, TABLES).await, all);
    engine.close().await.expect("closes");
}

#[tokio::test]
async fn an_unknown_schema_is_refused_by_the_name_of_its_migration() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("store.db");
    Engine::open(Config::at(&path), None).await.expect("opens").close().await.expect("closes");
    let db = raw(&path).await;
    db.execute_unprepared("INSERT INTO seaql_migrations VALUES ('m0099_from_the_future', 0)")
        .await
        .expect("is written");
    db.close().await.expect("closes");
    let error = Engine::open(Config::at(&path), None).await.err().expect("is refused");
    assert!(matches!(&error, Error::Invalid(text) if text.contains("m0099_from_the_future")), "{error}");
    let error = Engine::schema_of(&Config::at(&path)).await.expect_err("is refused");
    assert!(error.to_string().contains("m0099_from_the_future"), "{error}");
}

#[tokio::test]
async fn the_schema_is_told_before_and_after_the_start() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("store.db");
    let status = Engine::schema_of(&Config::at(&path)).await.expect("is told");
    assert!(status.applied.is_empty() && status.pending.iter().any(|name| name == DIRECTORY), "{status:?}");
    assert!(!path.exists());
    let engine = Engine::open(Config::at(&path), Some(Role::Site)).await.expect("opens");
    let status = engine.schema().await.expect("is told");
    assert!(status.applied.iter().any(|name| name == "m0001_tokens"), "{status:?}");
    assert!(!status.applied.iter().any(|name| name == DIRECTORY), "{status:?}");
    assert_eq!(status.pending.len(), 0);
    engine.close().await.expect("closes");
    assert_eq!(Engine::schema_of(&Config::at(&path)).await.expect("is told").applied, status.applied);
}

#[tokio::test]
async fn events_from_before_the_order_of_commits_follow_each_other_by_their_time() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("store.db");
    let old = Database::connect(format!("sqlite://{}?mode=rwc", path.display())).await.expect("connects");
    SiteStore::up(&old, Some(1)).await.expect("the first schema");
    let insert = "INSERT INTO events (id, time, type, actor, address, user_agent, reason, count) VALUES \
                  ('00000000-0000-0000-0000-000000000001', 1700000000000000, 'patd.token.minted', 'system', '', '', '', 1)";
    old.execute_unprepared(insert).await.expect("is written");
    old.close().await.expect("closes");
    let engine = Engine::open(Config::at(&path), Some(Role::Site)).await.expect("opens");
    let events = engine.outbox_take("", None, Some(Nat(0)), 10).await.expect("is answered");
    let told: Vec<_> = events.iter().map(|waiting| (waiting.event.seq, &waiting.event.detail)).collect();
    assert_eq!(told, [(Nat(1_700_000_000_000_000), &None)]);
    engine.close().await.expect("closes");
}

#[tokio::test]
async fn a_file_is_open_once_in_a_process() {
    let store = scratch().await;
    let config = Config::at(&store.folder.path().join("in/../in/store.db"));
    let second = Engine::open(config.clone(), None).await;
    assert!(matches!(second.err(), Some(Error::Invalid(text)) if text.contains("another store instance")));
    store.engine.close().await.expect("closes");
    Engine::open(config, None).await.expect("opens now").close().await.expect("closes");
}

#[tokio::test]
async fn what_is_not_a_store_is_an_error_and_not_a_panic() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("store.db");
    std::fs::write(&path, "this is no database, but long enough to be read as one ".repeat(20))
        .expect("is written");
    let error = Engine::open(Config::at(&path), None).await.err().expect("is refused");
    assert!(error.to_string().contains("not a database"), "{error}");
    for url in
        ["postgres://x/y", "sqlite://", "sqlite://a?mode=memory", "sqlite::memory:", "sqlite://{luid}.db"]
    {
        let config: Config = serde_json::from_value(serde_json::json!({ "url": url })).expect("reads");
        assert!(matches!(Engine::open(config, None).await, Err(Error::Invalid(_))), "{url}");
    }
    let unknown = serde_json::from_value::<Config>(serde_json::json!({ "url": "sqlite://a", "pool": 1 }));
    assert!(unknown.expect_err("is refused").to_string().contains("pool"));
    let error =
        Engine::open(Config::at(Path::new("/proc/no/store.db")), None).await.err().expect("is refused");
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_backup_is_a_store_of_its_own_and_never_overwrites() {
    let store = scratch().await;
    store.done(change(1, vec![insert_token(token(10))])).await;
    let copy = store.folder.path().join("copy.db");
    store.engine.backup(&copy.display().to_string()).await.expect("is copied");
    assert_eq!(mode(&copy), 0o600);
    store.done(change(2, vec![insert_token(token(11))])).await;
    assert!(matches!(store.engine.backup(&copy.display().to_string()).await, Err(Error::Invalid(_))));
    let restored = Engine::open(Config::at(&copy), None).await.expect("opens");
    let restored = Scratch { engine: restored, folder: tempfile::tempdir().expect("a scratch folder") };
    assert_eq!(restored.token(10).await, Some(token(10)));
    assert_eq!(restored.token(11).await, None);
}

#[tokio::test]
async fn a_row_that_was_broken_by_hand_fails_alone_and_names_its_column() {
    let store = scratch().await;
    store.done(change(1, vec![insert_token(token(10)), insert_token(token(11))])).await;
    let db = raw(&store.folder.path().join("in/store.db")).await;
    db.execute_unprepared("UPDATE tokens SET owner = 'canary' WHERE name = 'token 10'")
        .await
        .expect("is written");
    let asked = |n| store.engine.query(vec![Query::TokenAndSession(id(n))]);
    let (broken, good) = tokio::join!(asked(10), asked(11));
    let error = broken.expect_err("cannot be read").to_string();
    assert!(error.contains("tokens.owner") && !error.contains("canary"), "{error}");
    good.expect("is read");
}
