//! Owners are told after a site's `not_before` rose: each once, whatever fails and however often it is begun anew; over a
//! store for each site, in memory.
//!
//! Time passes by itself whenever nobody has anything to do.

use std::time::Duration;

use patd_core::changes::Row;
use patd_core::event::{EndReason, Event, EventType};
use patd_core::id::{SiteLuid, UserLuid};
use patd_core::record::{Ended, Token};
use patd_core::time::{Span, Timestamp};
use patd_service::ports::{Outlet, Scope};
use patd_service::service::Service;
use patd_service::view::{Caller, From};

use crate::desk::until;
use crate::house::{House, MINTED};

/// What tests revoke: whatever was minted before this.
const STAMP: Timestamp = Timestamp(1_699_999_000_000_000);

impl House {
    /// The notices in a site's store.
    fn notices(&self, store: &str) -> Vec<Event> {
        let mut events = self.store(store).events();
        events.retain(|event| event.kind == EventType::NoticeTokenRevoked);
        events
    }

    /// Whom they are for, in order of their names in these tests.
    fn told(&self, store: &str) -> Vec<UserLuid> {
        let mut told: Vec<_> = self.notices(store).into_iter().filter_map(|event| event.user).collect();
        told.sort_unstable();
        told
    }

    /// Position of the directory's newest revocation.
    fn revocation(&self) -> u64 {
        let events = self.store("directory").events();
        let at = events.iter().rposition(|event| event.kind == EventType::SiteRevokedBefore);
        at.map_or(0, |at| at as u64 + 1)
    }

    /// How far the owners of a site are told.
    fn told_through(&self, site: SiteLuid) -> u64 {
        let outlet = Outlet { sink: "@notices".to_owned(), scope: Some(Scope::Site(site)) };
        self.store("directory").cursor(&outlet)
    }
}

async fn revoke(service: &Service, admin: &Caller, before: Timestamp) {
    let done = service.revoke_before(admin, admin.site, before, false, From::default()).await;
    done.expect("revoked");
}

#[tokio::test(start_paused = true)]
async fn each_owner_gets_one_notice_whatever_the_number_of_tokens_and_pages() {
    let mut house = House::new();
    let service = house.service().await;
    let admin = house.admin(&service, "acme").await;
    // More than a page; every third person has two, far apart.
    let people: Vec<_> = (0..900).map(|n| house.member(&[&admin], &format!("person-{n}"))).collect();
    for (n, person) in (0_i64..).zip(&people) {
        house.token("acme", admin.site, *person, |t| t.created_at = MINTED.plus(Span(n)));
    }
    for person in people.iter().step_by(3) {
        house.token("acme", admin.site, *person, |t| t.created_at = MINTED.plus(Span(5000)));
    }
    revoke(&service, &admin, STAMP).await;
    until(|| house.told_through(admin.site) >= house.revocation()).await;
    assert_eq!(house.told("acme"), people);
    let notices = house.notices("acme");
    let detail = notices[0].detail.as_deref().expect("a detail");
    assert_eq!((detail.not_before, notices[0].token), (Some(STAMP), None));
    // Another revocation that raises nothing tells nobody.
    revoke(&service, &admin, MINTED).await;
    until(|| house.told_through(admin.site) > 0).await;
    service.stop(Duration::from_secs(5)).await;
    assert_eq!(house.notices("acme").len(), people.len());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_tokens_that_were_dead_or_younger_or_of_the_own_revocation() {
    let mut house = House::new();
    let service = house.service().await;
    let admin = house.admin(&service, "acme").await;
    let globex = house.admin(&service, "globex").await;
    let site = admin.site;
    let [expired, unused, ended, before, young, elsewhere, gone, died] =
        ["expired", "unused", "ended", "before", "young", "elsewhere", "gone", "died"]
            .map(|name| house.member(&[&admin, &globex], name));
    let first = MINTED.minus(Span::days(2));
    revoke(&service, &admin, first).await;
    until(|| house.told_through(site) >= house.revocation()).await;
    house.token("acme", site, expired, |t| t.expires_at = MINTED.plus(Span(1)));
    house.token("acme", site, unused, |t| t.idle_limit = Span(1));
    house.token("acme", site, ended, |t| {
        t.ended = Some(Ended { at: STAMP, reason: EndReason::Revoked, successor: None });
    });
    house.token("acme", site, before, |t| t.created_at = first.minus(Span(1)));
    house.token("acme", site, young, |t| t.created_at = STAMP);
    house.token("globex", globex.site, elsewhere, |_| {});
    house.token("acme", site, gone, |t| t.epochs.member = t.epochs.member.next());
    house.token("acme", site, admin.user, |_| {});
    house.token("acme", site, died, |t| t.created_at = first);
    revoke(&service, &admin, STAMP).await;
    until(|| house.told_through(site) >= house.revocation()).await;
    assert_eq!(house.told("acme"), [died]);
    assert_eq!(house.told("globex"), []);
    let notice = &house.notices("acme")[0];
    assert_eq!((notice.site, notice.user), (Some(site), Some(died)));
}

#[tokio::test(start_paused = true)]
async fn what_is_begun_anew_after_a_crash_tells_nobody_twice() {
    let mut house = House::new();
    let service = house.service().await;
    let admin = house.admin(&service, "acme").await;
    let people = ["ann", "ben", "eve"].map(|name| house.member(&[&admin], name));
    for person in people {
        house.token("acme", admin.site, person, |_| {});
    }
    // The notices are written, and that they are is not.
    house.store("directory").hold_cursors(Some("@notices"));
    revoke(&service, &admin, STAMP).await;
    until(|| house.told("acme") == people).await;
    service.stop(Duration::from_secs(5)).await;
    assert_eq!(house.told_through(admin.site), 0);

    // One of the tokens is retired meanwhile, as the next mint does it.
    let acme = house.store("acme");
    let Some(Row::Token(token)) = acme.row_of(|row| matches!(row, Row::Token(_))) else { panic!("no token") };
    let ended = Some(Ended { at: MINTED.plus(Span::days(1)), reason: EndReason::Revoked, successor: None });
    acme.put(Row::Token(Token { ended, ..token }));
    let replays = house.store("acme").replays();
    house.store("directory").hold_cursors(None);
    let again = house.service().await;
    until(|| house.told_through(admin.site) >= house.revocation()).await;
    assert_eq!(house.store("acme").replays() - replays, people.len(), "it was begun anew");
    assert_eq!(house.told("acme"), people);

    // A third life knows that all is done.
    again.stop(Duration::from_secs(5)).await;
    let replays = house.store("acme").replays();
    let third = house.service().await;
    third.stop(Duration::from_secs(5)).await;
    assert_eq!(house.store("acme").replays(), replays);
}

#[tokio::test(start_paused = true)]
async fn r8_a_store_that_is_down_delays_its_own_sites_notices_alone() {
    let mut house = House::new();
    let service = house.service().await;
    let (acme, globex) = (house.admin(&service, "acme").await, house.admin(&service, "globex").await);
    let (ann, ben) = (house.member(&[&acme], "ann"), house.member(&[&globex], "ben"));
    house.token("acme", acme.site, ann, |_| {});
    house.token("globex", globex.site, ben, |_| {});
    house.store("acme").go_down_once_counted();
    revoke(&service, &acme, STAMP).await;
    let of_acme = house.revocation();
    revoke(&service, &globex, STAMP).await;
    until(|| house.told_through(globex.site) >= house.revocation()).await;
    assert_eq!(house.told("globex"), [ben]);
    assert_eq!(house.notices("acme"), []);
    // What retention may remove of each site is said by the site's own cursor.
    assert!(house.told_through(acme.site) < of_acme);

    // A life that ends meanwhile loses nothing of it, and tells the other site nothing again.
    tokio::time::sleep(Duration::from_secs(300)).await;
    service.stop(Duration::from_secs(5)).await;
    assert!(house.told_through(acme.site) < of_acme);
    house.store("acme").come_back();
    let replays = house.store("globex").replays();
    let _again = house.service().await;
    until(|| house.told_through(acme.site) >= of_acme).await;
    assert_eq!(house.told("acme"), [ann]);
    assert_eq!(house.store("globex").replays(), replays);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_has_its_notices_within_seconds() {
    let mut house = House::new();
    let service = house.service().await;
    let admin = house.admin(&service, "acme").await;
    let ann = house.member(&[&admin], "ann");
    house.token("acme", admin.site, ann, |_| {});
    house.store("acme").go_down_once_counted();
    revoke(&service, &admin, STAMP).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(house.notices("acme"), []);
    house.store("acme").come_back();
    let up = tokio::time::Instant::now();
    until(|| house.told("acme") == [ann]).await;
    assert!(up.elapsed() < Duration::from_secs(6), "it took {:?}", up.elapsed());
}
