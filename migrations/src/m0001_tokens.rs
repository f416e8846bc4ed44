//! Tokens, sessions, events and the cursors of sinks: what every store keeps.

use sea_orm_migration::prelude::*;

use crate::table::*;

#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_tokens"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tokens(manager).await?;
        sessions(manager).await?;
        events(manager).await
    }
}

async fn tokens(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("tokens")
                .col(id("id").primary_key())
                .col(id("site"))
                .col(id("owner"))
                .col(name("name", 200))
                .col(text("digest"))
                .col(int("created_at"))
                .col(int("expires_at"))
                .col(int_null("last_used_at"))
                .col(int("idle_limit"))
                // The earlier of both ends, for the sweeper's index.
                .col(int("ends_at"))
                .col(id_null("session"))
                .col(int_null("ended_at"))
                .col(text_null("ended_reason"))
                .col(id_null("ended_successor"))
                .col(int("person_epoch"))
                .col(int("member_epoch"))
                .col(int("token_epoch"))
                .col(int("version"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("tokens_of_owner", "tokens", &["site", "owner", "created_at", "id"])).await?;
    manager.create_index(index("tokens_of_site", "tokens", &["site", "created_at", "id"])).await?;
    // Those over open tokens come last: between equals SQLite takes the newest index, and most tokens are ended ones.
    let ends = index("tokens_ends", "tokens", &["ends_at"]);
    manager.create_index(where_null(ends, "ended_at")).await?;
    let open = index("tokens_open", "tokens", &["site", "created_at", "id"]);
    manager.create_index(where_null(open, "ended_at")).await?;
    let live_name = index("tokens_live_name", "tokens", &["site", "owner", "name"]).unique().to_owned();
    manager.create_index(where_null(live_name, "ended_at")).await
}

async fn sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("sessions")
                .col(id("id").primary_key())
                .col(name("kind", 16))
                .col(id_null("token"))
                .col(id_null("home"))
                .col(int_null("minted_at"))
                .col(id("user"))
                .col(id("site"))
                .col(text("digest"))
                .col(int("created_at"))
                .col(int("expires_at"))
                .col(int_null("ended_at"))
                .col(text_null("ended_reason"))
                .col(id_null("ended_successor"))
                .col(int("person_epoch"))
                .col(int("credential_epoch"))
                .col(int("member_epoch"))
                .col(int("home_member_epoch"))
                .col(int("token_epoch"))
                .col(int("version"))
                .to_owned(),
        )
        .await?;
    // R3: at most one live session per token. Sessions without a token have NULL here, which is never a duplicate.
    let live = index("sessions_live_token", "sessions", &["token"]).unique().to_owned();
    manager.create_index(where_null(live, "ended_at")).await?;
    manager.create_index(index("sessions_expiry", "sessions", &["expires_at"])).await
}

async fn events(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("events")
                .col(position("position"))
                .col(id("id"))
                .col(int("time"))
                .col(id_null("site"))
                .col(name("type", 64))
                .col(name("actor", 16))
                .col(id_null("actor_luid"))
                .col(text_null("actor_username"))
                .col(id_null("user"))
                .col(id_null("token"))
                .col(id_null("session"))
                .col(text("address"))
                .col(text("user_agent"))
                .col(text("reason"))
                .col(int("count"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("events_id", "events", &["id"]).unique().to_owned()).await?;
    manager.create_index(index("events_of_site", "events", &["site", "time", "id"])).await?;
    manager.create_index(index("events_time", "events", &["time"])).await?;
    manager
        .create_table(
            table("sink_cursors").col(name("sink", 200).primary_key()).col(int("position")).to_owned(),
        )
        .await?;
    // Changes without an event of their own id; only the newest are kept.
    manager.create_table(table("applied").col(position("position")).col(id("id")).to_owned()).await?;
    manager.create_index(index("applied_id", "applied", &["id"]).unique().to_owned()).await
}
