//! A service over a store for each site, in memory, with people and tokens that tests put there.

use std::collections::HashMap;
use std::sync::Arc;

use patd_core::changes::Row;
use patd_core::id::{SiteLuid, TokenId, UserLuid, Version};
use patd_core::name::{SiteRole, TokenName, Username};
use patd_core::record::{Membership, Token, TokenEpochs, Told, User};
use patd_core::secret::{PhcDigest, PlainText};
use patd_core::time::{Span, Timestamp};
use patd_service::ports::{Answer, Store, StoreError, StoreOpener, Terms};
use patd_service::redeem::Redeem;
use patd_service::service::{Service, SiteRef};
use patd_service::view::{Caller, From, PasswordSignIn};
use uuid::Uuid;

use crate::desk::start;
use crate::shelf::{Kept, Shelf};
use crate::world::PASSWORD;

/// When tests mint; long before the service's clock begins, and within a token's life.
pub(crate) const MINTED: Timestamp = Timestamp(1_699_990_000_000_000);

/// Opens a store for each name in the config.
struct Shelves(HashMap<&'static str, Arc<Kept>>);

impl StoreOpener for Shelves {
    fn open(&self, store: &str, _: Option<SiteLuid>) -> Answer<Result<Arc<dyn Store>, StoreError>> {
        let kept = Arc::clone(&self.0[store]);
        let store: Arc<dyn Store> = Arc::new(Shelf { kept, shared: false, name: store.to_owned() });
        Box::pin(async move { Ok(store) })
    }
}

/// The stores, and a service on them.
pub(crate) struct House {
    stores: HashMap<&'static str, Arc<Kept>>,
    lives: u64,
    next: u128,
}

impl House {
    pub(crate) fn new() -> Self {
        let stores = ["directory", "acme", "globex"].map(|name| (name, Arc::default()));
        Self { stores: HashMap::from(stores), lives: 0, next: 1 << 64 }
    }

    pub(crate) fn store(&self, name: &str) -> &Kept {
        &self.stores[name]
    }

    pub(crate) async fn service(&mut self) -> Arc<Service> {
        self.lives += 1;
        start(self.lives, Shelves(self.stores.clone()), &Arc::default(), Terms::default()).await
    }

    /// An admin of a site, who is signed in.
    pub(crate) async fn admin(&self, service: &Service, site: &str) -> Caller {
        let name = format!("{site}-admin");
        let role = SiteRole::SiteAdministratorCreator;
        let invited = service.operator_invite(&name, site, role).await.expect("invited");
        let with = Redeem {
            invitation: PlainText::new(invited.invitation.expose().to_owned()),
            password: Some(PlainText::new(PASSWORD.to_owned())),
            totp: None,
        };
        service.redeem(None, with, From::default()).await.expect("redeemed");
        let with = PasswordSignIn {
            username: name,
            password: PlainText::new(PASSWORD.to_owned()),
            totp: None,
            interactive: true,
        };
        let signed_in = service.sign_in_with_password(SiteRef(site), with, From::default()).await;
        service.authenticate(signed_in.expect("signs in").credential.expose()).await.expect("lives")
    }

    fn fresh(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(self.next)
    }

    /// A member of the sites, made from an admin's rows.
    pub(crate) fn member(&mut self, of: &[&Caller], name: &str) -> UserLuid {
        let luid = UserLuid(self.fresh());
        let directory = self.store("directory");
        for caller in of {
            let own = |row: &Row| matches!(row, Row::User(user) if user.luid == caller.user);
            let Some(Row::User(user)) = directory.row_of(own) else { panic!("no admin") };
            let username = Username::parse(name).expect("a name");
            directory.put(Row::User(User { luid, username, version: Version(1), ..user }));
            let own = |row: &Row| matches!(row, Row::Membership(m) if m.user == caller.user);
            let Some(Row::Membership(member)) = directory.row_of(own) else { panic!("no member") };
            let role = SiteRole::Creator;
            directory.put(Row::Membership(Membership { user: luid, role, ..member }));
        }
        luid
    }

    /// Puts a token of a person into a site's store.
    pub(crate) fn token(
        &mut self,
        store: &str,
        site: SiteLuid,
        owner: UserLuid,
        change: impl FnOnce(&mut Token),
    ) {
        let id = TokenId(self.fresh());
        let directory = self.store("directory");
        let here = |row: &Row| matches!(row, Row::Membership(m) if m.user == owner && m.site == site);
        let Some(Row::Membership(member)) = directory.row_of(here) else { panic!("no member") };
        let Some(Row::User(user)) = directory.row_of(|r| matches!(r, Row::User(u) if u.luid == owner)) else {
            panic!("nobody")
        };
        let mut token = Token {
            id,
            site,
            owner,
            name: TokenName::parse(&id.to_string()).expect("a name"),
            digest: PhcDigest("$plain$v=1$salt$x".into()),
            created_at: MINTED,
            expires_at: MINTED.plus(Span::days(365)),
            last_used_at: None,
            idle_limit: Span::days(15),
            session: None,
            ended: None,
            epochs: TokenEpochs {
                person: user.access_epoch,
                member: member.access_epoch,
                token: member.token_epoch,
            },
            told: Told::default(),
            networks: Vec::new(),
            version: Version(1),
        };
        change(&mut token);
        self.store(store).put(Row::Token(token));
    }
}
