//! The pump over a store and a sink in memory: who gets what, in which order, how often, and who is refused meanwhile.
//!
//! Time passes by itself whenever nobody has anything to do.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use patd_core::name::SiteRole;
use patd_service::error::Error;
use patd_service::ports::{OnFull, Terms};
use patd_service::service::Service;

use crate::desk::{Book, start, until};
use crate::shelf::{Kept, Shelf};

/// A store, a sink's book, and how to start services on them.
#[derive(Default)]
struct House {
    kept: Arc<Kept>,
    book: Arc<Book>,
}

impl House {
    async fn service(&self, number: u64, shared: bool, terms: Terms) -> Arc<Service> {
        start(
            number,
            Shelf { kept: Arc::clone(&self.kept), shared, name: "shelf".to_owned() },
            &self.book,
            terms,
        )
        .await
    }

    /// Ids of the store's events of a site, in order.
    fn of(&self, service: &Service, site: &str) -> Vec<String> {
        let site = service.site(&patd_service::service::SiteRef(site));
        let events = self.kept.events().into_iter().filter(|event| event.site == site);
        events.map(|event| event.id.to_string()).collect()
    }

    /// What the sink got of a site, in order.
    fn got(&self, service: &Service, site: &str) -> Vec<String> {
        let luid = service.site(&patd_service::service::SiteRef(site)).expect("the site");
        let source = format!("/sites/{luid}");
        let got = self.book.got().into_iter().filter(|delivery| delivery.source == source);
        got.map(|delivery| delivery.id).collect()
    }

    /// Waits until the sink has as many events as the store has.
    async fn settled(&self) {
        until(|| {
            let all: HashSet<_> = self.book.ids().into_iter().collect();
            all.len() == self.kept.events().len()
        })
        .await;
    }
}

async fn invite(service: &Service, name: &str, site: &str) -> Result<(), Error> {
    service.operator_invite(name, site, SiteRole::Viewer).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_cannot_take_of_one_site_holds_up_that_site_alone_and_comes_in_order() {
    let house = House::default();
    let service = house.service(1, false, Terms::default()).await;
    house.settled().await;
    let acme = service.site(&patd_service::service::SiteRef("acme")).expect("the site").to_string();
    house.book.fail(&[&acme]);
    for number in 0..20 {
        for site in ["acme", "globex"] {
            invite(&service, &format!("{site}-{number}"), site).await.expect("invited");
        }
    }
    let globex = house.of(&service, "globex");
    until(|| house.got(&service, "globex") == globex).await;
    assert_eq!(house.got(&service, "acme").len(), 1);
    let status = service.sinks_status();
    let backlog = |site: &str| status.iter().find(|status| status.site == site).expect("is told").backlog;
    assert_eq!((backlog("acme"), backlog("globex"), backlog("directory")), (20, 0, 0));
    assert!(status.iter().find(|status| status.site == "acme").expect("is told").lag_us > 0);
    house.book.fail(&[]);
    house.settled().await;
    assert_eq!(house.got(&service, "acme"), house.of(&service, "acme"));
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_rejects_is_kept_alone_and_can_be_replayed_or_dropped() {
    let house = House::default();
    let service = house.service(1, false, Terms::default()).await;
    house.settled().await;
    house.book.fail(&["/sites/"]);
    for number in 0..30 {
        invite(&service, &format!("person-{number}"), "acme").await.expect("invited");
    }
    let all = house.of(&service, "acme");
    let bad = [all[7].as_str(), all[21].as_str()];
    house.book.reject(&bad);
    house.book.fail(&[]);
    let good: Vec<_> = all.iter().filter(|id| !bad.contains(&id.as_str())).cloned().collect();
    until(|| house.got(&service, "acme") == good).await;
    let letters = service.operator_dead_letters("file", Some("acme")).await.expect("listed");
    let ids: Vec<_> = letters.iter().map(|kept| kept.letter.event.id.to_string()).collect();
    assert_eq!(ids, bad);
    assert_eq!(letters[0].letter.reason, "told to reject");
    assert!(service.operator_dead_letters("file", Some("globex")).await.expect("listed").is_empty());
    for (sink, site) in [("hook", None), ("file", Some("initech"))] {
        let unknown = service.operator_dead_letters(sink, site).await;
        assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
    }

    // One is taken now, the other rejected again.
    house.book.reject(&bad[1..]);
    let done = service.operator_replay_dead_letters("file", None).await.expect("replayed");
    assert_eq!((done.delivered, done.rejected, done.failed), (1, 1, None));
    assert_eq!(house.got(&service, "acme").last(), Some(&all[7]));
    house.book.fail(&["/sites/"]);
    let done = service.operator_replay_dead_letters("file", None).await.expect("replayed");
    assert!(done.delivered == 0 && done.failed.is_some(), "{done:?}");
    assert_eq!(service.operator_drop_dead_letters("file", Some("acme")).await.expect("dropped"), 1);
    assert!(service.operator_dead_letters("file", None).await.expect("listed").is_empty());
    let status = service.sinks_status();
    assert!(status.iter().all(|status| status.dead_letters == 0), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_denies_what_gives_and_never_what_takes_away_until_there_is_room() {
    let house = House::default();
    let terms = Terms { max_backlog: 3, on_full: OnFull::Deny, ..Terms::default() };
    let service = house.service(1, false, terms).await;
    house.settled().await;
    house.book.fail(&["/"]);
    for number in 0..3 {
        invite(&service, &format!("person-{number}"), "acme").await.expect("there is room");
    }
    assert_eq!(invite(&service, "one-more", "acme").await, Err(Error::AuditUnavailable));
    // Another site has room, and its own limit.
    invite(&service, "person-0", "globex").await.expect("there is room");
    service.operator_set_disabled("person-0", true).await.expect("disabled");
    assert!(service.sinks_status().iter().any(|status| status.site == "acme" && status.full));
    house.book.fail(&[]);
    house.settled().await;
    invite(&service, "one-more", "acme").await.expect("there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_that_is_buffered_denies_nothing() {
    let house = House::default();
    let service = house.service(1, false, Terms { max_backlog: 1, ..Terms::default() }).await;
    house.book.fail(&["/"]);
    for number in 0..5 {
        invite(&service, &format!("person-{number}"), "acme").await.expect("nothing is refused");
    }
    house.book.fail(&[]);
    house.settled().await;
}

#[tokio::test(start_paused = true)]
async fn filters_leave_events_out_and_the_cursor_goes_on() {
    let house = House::default();
    let terms = Terms { types: vec!["patd.user.*".into()], sites: vec!["globex".into()], ..Terms::default() };
    let service = house.service(1, false, terms).await;
    invite(&service, "ann", "acme").await.expect("invited");
    invite(&service, "ben", "globex").await.expect("invited");
    service.operator_set_disabled("ann", true).await.expect("disabled");
    let all = house.of(&service, "globex");
    // The site's own enrolment is of another type.
    until(|| house.book.ids() == all[1..]).await;
    until(|| service.sinks_status().iter().all(|status| status.backlog == 0)).await;
    assert_eq!(all.len(), 2);
    assert!(service.sinks_status().iter().all(|status| status.site != "acme"));
}

#[tokio::test(start_paused = true)]
async fn cursors_cost_a_few_writes_a_second_however_many_commits_there_are() {
    let house = House::default();
    let service = house.service(1, false, Terms::default()).await;
    house.settled().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = house.kept.acks();
    for number in 0..100 {
        invite(&service, &format!("person-{number}"), "acme").await.expect("invited");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    house.settled().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    // One lane and the relay.
    let acks = house.kept.acks() - before;
    assert!((2..=9).contains(&acks), "{acks} writes of cursors in a second");
    // All that was delivered is known to the store: another life delivers nothing again.
    let got = house.book.ids().len();
    service.stop(Duration::from_secs(5)).await;
    let again = house.service(2, false, Terms::default()).await;
    invite(&again, "one-more", "acme").await.expect("invited");
    house.settled().await;
    assert_eq!(house.book.ids().len(), got + 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_daemons_one_delivers_and_the_other_only_when_the_first_has_stopped() {
    let house = House::default();
    let first = house.service(1, true, Terms::default()).await;
    house.settled().await;
    let second = house.service(2, true, Terms::default()).await;
    // Both commit; both lives of time are longer than any lease.
    for number in 0..30 {
        let service = if number % 2 == 0 { &first } else { &second };
        invite(service, &format!("person-{number}"), "acme").await.expect("invited");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    house.settled().await;
    let got = house.book.got();
    assert!(got.iter().all(|delivery| delivery.by == 1), "the second delivered as well");
    assert_eq!(got.len(), house.kept.events().len(), "an event came twice");

    // The first cannot renew any more, and goes on committing.
    house.kept.cut_holders_off();
    for number in 30..60 {
        let service = if number % 2 == 0 { &first } else { &second };
        invite(service, &format!("person-{number}"), "acme").await.expect("invited");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    house.settled().await;
    let got = house.book.got();
    let last_of_first = got.iter().filter(|delivery| delivery.by == 1).map(|delivery| delivery.at).max();
    let first_of_second = got.iter().filter(|delivery| delivery.by == 2).map(|delivery| delivery.at).min();
    assert!(
        last_of_first.expect("delivered") < first_of_second.expect("delivered"),
        "both delivered at once"
    );

    // One that stops gives its leases back: the next need not wait.
    let third = house.service(3, true, Terms::default()).await;
    second.stop(Duration::from_secs(5)).await;
    let stopped = tokio::time::Instant::now();
    invite(&third, "one-more", "acme").await.expect("invited");
    house.settled().await;
    assert!(stopped.elapsed() < Duration::from_secs(5), "it took {:?}", stopped.elapsed());
    assert_eq!(house.book.got().last().expect("delivered").by, 3);
}
