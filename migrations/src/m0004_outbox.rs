//! Cursors per sink and site, dead letters, and leases on pumps.
//!
//! A cursor's key is the sink's name alone (all events), or the name, `/` and the site's LUID or `directory`. A sink's
//! cursor for all events counts for each site too, so cursors from before need no change.

use sea_orm_migration::prelude::*;

use crate::table::*;

#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_outbox"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_index(index("events_outbox", "events", &["site", "position"])).await?;
        manager
            .create_table(
                table("dead_letters")
                    .col(name("sink", 200))
                    .col(int("position"))
                    .col(id_null("site"))
                    // JSON: it stays when the event's own row goes.
                    .col(text("event"))
                    .col(text("reason"))
                    .col(int("at"))
                    .primary_key(Index::create().col("sink").col("position"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("outbox_leases")
                    .col(name("name", 200).primary_key())
                    // Absent when it was given back; the beat goes on.
                    .col(id_null("holder"))
                    .col(int("beat"))
                    .to_owned(),
            )
            .await
    }
}
