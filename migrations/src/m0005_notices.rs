//! What owners were told of their tokens' ends, the networks of a token, and a token's ends with its session.

use sea_orm_migration::prelude::*;

use crate::table::*;

#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_notices"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What is due of a token is its end, until its next use or notice says better.
        manager.drop_index(Index::drop().name("tokens_ends").table("tokens").to_owned()).await?;
        let renamed = Table::alter().table("tokens").rename_column("ends_at", "due_at").to_owned();
        manager.alter_table(renamed).await?;
        let due = index("tokens_due", "tokens", &["due_at"]);
        manager.create_index(where_null(due, "ended_at")).await?;
        add(manager, "tokens", int_null("told_absolute_days")).await?;
        add(manager, "tokens", int_null("told_idle_days")).await?;
        add(manager, "tokens", text("networks").default("").to_owned()).await?;
        // Sessions from before tell of their own end instead.
        add(manager, "sessions", int_null("token_expires_at")).await?;
        add(manager, "sessions", int_null("token_idle_expires_at")).await
    }
}
