//! Digests that are on their way into a store while a reload takes their hasher away.

use std::sync::Arc;
use std::time::Duration;

use patd_core::name::SiteRole;
use patd_core::secret::PlainText;
use patd_service::error::Error;
use patd_service::ports::{CurrentHasher, HashError, Hasher, HasherPlace, Terms};
use patd_service::reconfigure::{NewConfig, SiteChanges};
use patd_service::redeem::Redeem;
use patd_service::service::Service;
use patd_service::start::StartError;
use patd_service::view::From;

use crate::desk::{Book, plan, start};
use crate::memory::PlainHasher;
use crate::shelf::{Kept, Shelf};

/// A place of a hasher of another scheme, or of the one that there was.
struct Place(Arc<dyn Hasher>);

impl HasherPlace for Place {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn current(&self) -> Result<CurrentHasher, HashError> {
        Ok(CurrentHasher { generation: 1, hasher: Arc::clone(&self.0) })
    }

    fn unready(&self) -> Option<String> {
        None
    }
}

struct Other(Vec<String>);

impl Hasher for Other {
    fn name(&self) -> &str {
        "other"
    }

    fn schemes(&self) -> &[String] {
        &self.0
    }

    fn new_params(&self, _salt: &[u8]) -> Result<String, HashError> {
        Ok("$other$salt".to_owned())
    }

    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, HashError> {
        PlainHasher::new().derive(secret, params)
    }

    fn needs_rehash(&self, _params: &str) -> Result<bool, HashError> {
        Ok(false)
    }
}

async fn reload(service: &Arc<Service>, keep_old: bool) -> Result<SiteChanges, StartError> {
    let mut hashers: Vec<Arc<dyn HasherPlace>> =
        vec![Arc::new(Place(Arc::new(Other(vec!["other".to_owned()]))))];
    if keep_old {
        hashers.push(Arc::new(Place(Arc::new(PlainHasher::new()))));
    }
    let site = |key| patd_service::start::SitePlan {
        token_hasher: "other".to_owned(),
        password_hasher: "other".to_owned(),
        ..plan(key)
    };
    let new = NewConfig {
        hashers,
        abandoned: Vec::new(),
        password_hasher: "other".to_owned(),
        sinks: Vec::new(),
        sites: vec![site("acme"), site("globex")],
    };
    service.reconfigure(new).await
}

/// A service whose store can be held up, and a person who may join it.
async fn house() -> (Arc<Service>, Arc<Kept>, PlainText) {
    let kept = Arc::new(Kept::default());
    let shelf = Shelf { kept: Arc::clone(&kept), shared: false, name: "shelf".to_owned() };
    let service = start(1, shelf, &Arc::new(Book::default()), Terms::default()).await;
    let invited = service.operator_invite("ann", "acme", SiteRole::Viewer).await.expect("invited");
    (service, kept, PlainText::new(invited.invitation.expose().to_owned()))
}

/// Sets a first password.
async fn join(service: Arc<Service>, invitation: PlainText) -> Result<(), Error> {
    let password = Some(PlainText::new("correct horse battery staple".to_owned()));
    service.redeem(None, Redeem { invitation, password, totp: None }, From::default()).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_reload_waits_for_a_digest_that_is_under_way_and_counts_it_before_its_hasher_may_go() {
    let (service, kept, invitation) = house().await;
    let gate = Arc::clone(&kept.gate).write_owned().await;
    let joins = tokio::spawn(join(Arc::clone(&service), invitation));
    // By then the digest is made, and waits at the gate.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other = Arc::clone(&service);
    let reloads = tokio::spawn(async move { reload(&other, false).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!reloads.is_finished(), "it counts without what is under way");
    drop(gate);
    joins.await.expect("no panic").expect("the person joins");
    let refused = reloads.await.expect("no panic").expect_err("a digest needs the old hasher").to_string();
    assert!(refused.contains("no entry of [hashers] can check 1 passwords under plain"), "{refused}");
    // The refused reload leaves nothing behind that refuses digests.
    let invited = service.operator_invite("bob", "acme", SiteRole::Viewer).await.expect("invited");
    join(service, PlainText::new(invited.invitation.expose().to_owned())).await.expect("joins");
}

#[tokio::test(start_paused = true)]
async fn a_reload_gives_up_when_a_digest_under_way_never_arrives_unless_it_does_not_matter() {
    let (service, kept, invitation) = house().await;
    let gate = Arc::clone(&kept.gate).write_owned().await;
    let joins = tokio::spawn(join(Arc::clone(&service), invitation));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let refused = reload(&service, false).await.expect_err("a change does not end").to_string();
    assert!(refused.contains("can check plain") && refused.contains("does not end"), "{refused}");
    // The hasher stays: nobody waits.
    let at = tokio::time::Instant::now();
    reload(&service, true).await.expect("reloaded");
    assert_eq!(at.elapsed(), Duration::ZERO);
    drop(gate);
    joins.await.expect("no panic").expect("the person joins");
}
