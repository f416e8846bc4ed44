//! Sites, people, memberships, credentials, invitations: what the directory keeps besides.

use sea_orm_migration::prelude::*;

use crate::table::*;

pub(crate) const NAME: &str = "m0002_directory";

#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        NAME
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sites(manager).await?;
        people(manager).await?;
        credentials(manager).await
    }
}

async fn sites(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("sites")
                .col(id("luid").primary_key())
                .col(name("key", 200))
                .col(text("content_url"))
                .col(name("content_url_folded", 64))
                .col(text("name"))
                .col(int("home"))
                .col(name("state", 16))
                .col(flag("pat_enabled"))
                .col(flag("mint_allowed"))
                .col(int("max_lifetime"))
                .col(int("idle_limit"))
                .col(int("session_lifetime"))
                .col(int("tokens_per_user"))
                .col(flag("foreign_tokens"))
                .col(flag("switch_site"))
                .col(int("not_before"))
                .col(text_null("client_id"))
                .col(text_null("client_digest"))
                .col(int("created_at"))
                .col(int("version"))
                .to_owned(),
        )
        .await?;
    // A deleted site keeps its LUID and number for ever; its names are free again.
    for (index_name, column) in [("sites_key", "key"), ("sites_content_url", "content_url_folded")] {
        let unique = index(index_name, "sites", &[column])
            .unique()
            .and_where(Expr::col("state").ne("deleted"))
            .to_owned();
        manager.create_index(unique).await?;
    }
    manager.create_index(index("sites_home", "sites", &["home"]).unique().to_owned()).await
}

async fn people(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("users")
                .col(id("luid").primary_key())
                .col(text("username"))
                .col(name("username_folded", 128))
                .col(text("full_name"))
                .col(text("email"))
                .col(flag("disabled"))
                .col(int("access_epoch"))
                .col(int("credential_epoch"))
                .col(int("created_at"))
                .col(int("version"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("users_username", "users", &["username_folded"]).unique().to_owned()).await?;
    manager
        .create_table(
            table("memberships")
                .col(id("site"))
                .col(id("user"))
                .col(name("role", 32))
                .col(name("state", 16))
                .col(int("access_epoch"))
                .col(int("token_epoch"))
                .col(int("created_at"))
                .col(int("version"))
                .primary_key(Index::create().col("site").col("user"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("memberships_of_user", "memberships", &["user"])).await
}

async fn credentials(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("passwords")
                .col(id("user").primary_key())
                .col(text("digest"))
                .col(int("changed_at"))
                .col(int("version"))
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            table("totps")
                .col(id("user").primary_key())
                .col(text("sealed_secret"))
                .col(flag("confirmed"))
                .col(int("last_step"))
                .col(text("recovery"))
                .col(int("version"))
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            table("invitations")
                .col(id("id").primary_key())
                .col(name("kind", 16))
                .col(id_null("site"))
                .col(id("user"))
                .col(text("digest"))
                .col(int("created_at"))
                .col(int("expires_at"))
                .col(int_null("spent_at"))
                .col(int("version"))
                .to_owned(),
        )
        .await?;
    let open = index("invitations_open", "invitations", &["user", "site"]);
    manager.create_index(where_null(open, "spent_at")).await
}
