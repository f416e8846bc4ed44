//! The schema of one file: which migrations it has, which it lacks, and that none is unknown.

use patd_migrations::{DIRECTORY, DirectoryStore, SiteStore};
use patd_proto::store::Role;
use sea_orm::DatabaseConnection;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use crate::error::Error;

/// Applied and pending migrations, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Status {
    pub(crate) applied: Vec<String>,
    pub(crate) pending: Vec<String>,
}

fn names(migrations: &[Box<dyn MigrationTrait>]) -> Vec<String> {
    migrations.iter().map(|migration| migration.name().to_owned()).collect()
}

/// What a file that does not exist lacks.
pub(crate) fn of_nothing() -> Status {
    Status { applied: Vec::new(), pending: names(&DirectoryStore::migrations()) }
}

/// Reads it of a file whose role nobody told.
pub(crate) async fn look(db: &DatabaseConnection, location: &str) -> Result<Status, Error> {
    let status = status(db, Some(Role::Site), location).await?;
    if status.applied.is_empty() { Ok(of_nothing()) } else { Ok(status) }
}

/// Reads it.
pub(crate) async fn status(
    db: &DatabaseConnection,
    role: Option<Role>,
    location: &str,
) -> Result<Status, Error> {
    let applied: Vec<String> =
        DirectoryStore::get_migration_models(db).await?.into_iter().map(|model| model.version).collect();
    let known = names(&DirectoryStore::migrations());
    let unknown: Vec<&str> =
        applied.iter().filter(|name| !known.contains(name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(Error::Invalid(format!(
            "{location} was written by a newer version: store-sql {} does not know its migration {}; use that version or a \
             newer one, or a backup from before",
            env!("CARGO_PKG_VERSION"),
            unknown.join(", "),
        )));
    }
    let wanted =
        if directory(role, &applied) { DirectoryStore::migrations() } else { SiteStore::migrations() };
    let pending = names(&wanted).into_iter().filter(|name| !applied.contains(name)).collect();
    Ok(Status { applied, pending })
}

/// Whether the file keeps a directory: a file that once did goes on.
fn directory(role: Option<Role>, applied: &[String]) -> bool {
    role != Some(Role::Site) || applied.iter().any(|name| name == DIRECTORY)
}

/// Whether the file has a directory's tables.
pub(crate) async fn has_directory(db: &DatabaseConnection) -> Result<bool, Error> {
    let applied = DirectoryStore::get_migration_models(db).await?;
    Ok(applied.iter().any(|model| model.version == DIRECTORY))
}

/// Applies what is pending.
pub(crate) async fn migrate(
    db: &DatabaseConnection,
    role: Option<Role>,
    location: &str,
) -> Result<Status, Error> {
    let before = status(db, role, location).await?;
    if !before.pending.is_empty() {
        if directory(role, &before.applied) {
            DirectoryStore::up(db, None).await?;
        } else {
            SiteStore::up(db, None).await?;
        }
        tracing::info!(location, applied = before.pending.join(", "), "the schema was brought up to date");
    }
    status(db, role, location).await
}
