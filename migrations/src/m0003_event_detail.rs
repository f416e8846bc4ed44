//! What events of some types tell besides, and the order of commits over all stores of a daemon.

use sea_orm_migration::prelude::*;

use crate::table::*;

#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_event_detail"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "events", text_null("detail")).await?;
        add(manager, "events", int("seq").default(0).to_owned()).await?;
        // Events from before follow each other by their time.
        let earlier = Query::update().table("events").value("seq", Expr::col("time")).to_owned();
        manager.execute(earlier).await?;
        manager.create_index(index("events_seq", "events", &["site", "seq"])).await
    }
}
