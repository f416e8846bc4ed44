//! What the operator may do by command: invite, recover, disable people; sites; stores. No HTTP route leads here.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;

use patd_core::event::Actor;
use patd_core::id::{HomeNumber, SiteLuid, TokenId, UserLuid};
use patd_core::name::SiteRole;
use patd_core::record::{MemberState, Site, SiteCredential, SiteState};
use patd_core::rules::{By, invite, person, site as site_rules};
use patd_core::secret::PlainText;

use crate::decide::{TRIES, contended};
use crate::error::{Error, Result};
use crate::facts::{ask, nonsense};
use crate::ports::{Found, Query, SchemaStatus};
use crate::service::{Service, site_view};
use crate::tokens::token_view;
use crate::validate::render_site_secret;
use crate::view::{From, Invited, SiteView, TokenView, UserView};

impl Service {
    /// Invites a person to a site, as its first admin for example.
    ///
    /// # Errors
    /// `NotFound` (site), `BadValue`, `AlreadyMember`, `Unavailable`.
    pub async fn operator_invite(&self, username: &str, site: &str, role: SiteRole) -> Result<Invited> {
        let luid = self.site(&crate::service::SiteRef(site)).ok_or(Error::NotFound("site"))?;
        self.invite_by(None, luid, username, role, From::default()).await
    }

    /// Lets a person set a new password and drop TOTP.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn operator_recover(&self, username: &str) -> Result<Invited> {
        let (text, new) = self.fresh_invitation();
        for _ in 0..TRIES {
            let fact = self.person_by_name(username).await?.ok_or(Error::NotFound("user"))?;
            let user = fact.load_full();
            let open = self.open_invitations(user.luid, None).await?;
            let changes = self.decide(Actor::Operator, &From::default(), |cx| {
                invite::recover(cx, By::Operator, &user, &open, new)
            })?;
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                let user = UserView {
                    luid: user.luid,
                    username: user.username.as_str().to_owned(),
                    full_name: String::new(),
                    email: String::new(),
                    site_role: SiteRole::Unlicensed,
                    state: MemberState::Active,
                };
                return Ok(Invited {
                    user,
                    id: new.id,
                    invitation: text.render(),
                    expires_at: new.expires_at,
                });
            }
        }
        Err(contended())
    }

    /// Disables or enables a person everywhere.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn operator_set_disabled(&self, username: &str, disabled: bool) -> Result<UserLuid> {
        for _ in 0..TRIES {
            let fact = self.person_by_name(username).await?.ok_or(Error::NotFound("user"))?;
            let user = fact.load_full();
            let changes = self.decide(Actor::Operator, &From::default(), |cx| {
                if disabled { person::disable_person(cx, &user) } else { person::enable_person(cx, &user) }
            });
            if changes.is_empty() || self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                return Ok(user.luid);
            }
        }
        Err(contended())
    }

    /// Every site that the directory knows.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn operator_sites(&self) -> Result<Vec<Site>> {
        let directory = &*self.world.directory;
        match ask(directory, Query::Sites).await? {
            Found::Sites(sites) => Ok(sites),
            _ => Err(nonsense(directory)),
        }
    }

    /// A new introspection credential for a site: client id and secret, shown once.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn operator_site_credential(&self, site: &str) -> Result<(String, PlainText)> {
        let luid = self.site(&crate::service::SiteRef(site)).ok_or(Error::NotFound("site"))?;
        let secret = self.fresh_secret();
        let client_id = format!("site-{luid}");
        for _ in 0..TRIES {
            let row = self.served(luid)?.row.load_full();
            let credential = SiteCredential { client_id: client_id.clone(), digest: secret.fast_digest() };
            let changes = self.decide(Actor::Operator, &From::default(), |cx| {
                site_rules::set_credential(cx, &row, credential)
            });
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                return Ok((client_id, render_site_secret(&secret)));
            }
        }
        Err(contended())
    }

    /// Deletes for ever a site that has left the config. Its row stays, so that its LUID and number are never
    /// given out again.
    ///
    /// # Errors
    /// `NotFound`, `NotPermitted` (still in the config), `Unavailable`.
    pub async fn operator_delete_site(&self, site: &str) -> Result<SiteLuid> {
        for _ in 0..TRIES {
            let sites = self.operator_sites().await?;
            let row = sites
                .into_iter()
                .filter(|row| row.state != SiteState::Deleted)
                .find(|row| {
                    row.key == site
                        || row.content_url.as_str().eq_ignore_ascii_case(site)
                        || row.luid.to_string() == site
                })
                .ok_or(Error::NotFound("site"))?;
            if row.state == SiteState::Active {
                return Err(Error::NotPermitted(
                    "the site is in the config: remove it there and reload first",
                ));
            }
            let changes =
                self.decide(Actor::Operator, &From::default(), |cx| site_rules::delete_site(cx, &row));
            if self.world.commit(&self.world.directory, changes, ()).await?.is_ok() {
                return Ok(row.luid);
            }
        }
        Err(contended())
    }

    /// What became of a token, by its home number and public id; nothing secret is needed to ask.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn operator_token(&self, home: HomeNumber, id: TokenId) -> Result<(SiteView, TokenView)> {
        let site = self.world.sites.load().by_home(home).cloned().ok_or(Error::NotFound("site"))?;
        let token = self.tokens_found(&*site.store, Query::Token(id)).await?.into_iter().next();
        let token = token.ok_or(Error::NotFound("token"))?;
        let row = site.row.load_full();
        let (dead, username) = self.dead(&row, &token, self.now()).await?;
        let view = TokenView {
            ended: dead.map(|(reason, at)| (at, reason)),
            ..token_view(&token, &username, &row.policy)
        };
        Ok((site_view(&site), view))
    }

    /// What each store says of its schema, by name.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn operator_stores(&self) -> Result<Vec<(String, SchemaStatus)>> {
        let mut all = Vec::new();
        for store in self.world.stores() {
            all.push((store.name().to_owned(), store.schema().await?));
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all)
    }

    /// Writes a copy of every store into `folder`, which must not exist; answers the files. The default config lays
    /// its stores out in the same way, so that the folder can take the place of a lost one.
    ///
    /// # Errors
    /// `BadValue` (the folder), `Unavailable`.
    pub async fn operator_backup(&self, folder: &str) -> Result<Vec<String>> {
        let refused = |e: std::io::Error| Error::BadValue {
            field: "folder",
            reason: format!("{folder} cannot be made ({e}); name a folder that does not exist yet"),
        };
        let mut private = DirBuilder::new();
        private.mode(0o700).create(folder).map_err(refused)?;
        let mut files = Vec::new();
        for store in self.world.stores() {
            let file = format!("{folder}/{}.db", store.name());
            if let Some(parent) = std::path::Path::new(&file).parent() {
                private.recursive(true).create(parent).map_err(refused)?;
            }
            store.backup(&file).await?;
            files.push(file);
        }
        Ok(files)
    }
}
