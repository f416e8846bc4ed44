//! Which rule of uniqueness a failed statement broke.

use patd_proto::store::{Conflict, Row};
use sea_orm::{DbErr, SqlErr};

/// What a unique violation means.
pub(crate) enum Found {
    /// A row with this primary key exists.
    PrimaryKey,
    /// A rule between rows.
    Conflict(Conflict),
}

/// Unique indexes as SQLite reports them (columns) and as other engines do (names).
const INDEXES: [(&str, &str); 8] = [
    ("tokens.site, tokens.owner, tokens.name", "tokens_live_name"),
    ("sessions.token", "sessions_live_token"),
    ("users.username_folded", "users_username"),
    ("sites.content_url_folded", "sites_content_url"),
    ("sites.key", "sites_key"),
    ("sites.home", "sites_home"),
    ("events.id", "events_id"),
    ("applied.id", "applied_id"),
];

/// Reads the error; `None` when it is not a unique violation.
pub(crate) fn unique(error: &DbErr, row: Option<&Row>) -> Option<Found> {
    let Some(SqlErr::UniqueConstraintViolation(message)) = error.sql_err() else { return None };
    let columns =
        message.rsplit_once("UNIQUE constraint failed: ").map_or(message.as_str(), |(_, columns)| columns);
    let index =
        INDEXES.iter().find(|(of, name)| *of == columns || columns.contains(name)).map(|(_, name)| *name);
    Some(match (index, row) {
        (Some("tokens_live_name"), Some(Row::Token(token))) => {
            Found::Conflict(Conflict::TokenNameTaken(token.name.clone()))
        }
        (Some("users_username"), _) => Found::Conflict(Conflict::UsernameTaken),
        (Some(name), _) => Found::Conflict(Conflict::Unique(name.to_owned())),
        (None, Some(_)) => Found::PrimaryKey,
        (None, None) => Found::Conflict(Conflict::Unique(columns.to_owned())),
    })
}
