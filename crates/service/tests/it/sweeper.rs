//! The sweeper keeps up: many tokens that time has ended, and rows of people who are not there.
//!
//! Time passes by itself whenever nobody has anything to do.

use std::time::Duration;

use patd_core::event::EventType;
use patd_core::id::UserLuid;
use patd_core::time::Span;
use uuid::Uuid;

use crate::house::{House, MINTED};

/// As the sweeper has them.
const ROUND: Duration = Duration::from_secs(60);

/// Ends of tokens of which a site's store has the event.
fn expired(house: &House) -> usize {
    let events = house.store("acme").events();
    events.iter().filter(|event| event.kind == EventType::TokenExpired).count()
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_done_within_a_round_also_when_it_is_more_than_a_batch() {
    let mut house = House::new();
    let service = house.service().await;
    let admin = house.admin(&service, "acme").await;
    let ann = house.member(&[&admin], "ann");
    for _ in 0..1200 {
        house.token("acme", admin.site, ann, |token| token.expires_at = MINTED.plus(Span(1)));
    }
    // Into the first round, and not until the second.
    tokio::time::sleep(ROUND + ROUND / 2).await;
    assert_eq!(expired(&house), 1200);
}

#[tokio::test(start_paused = true)]
async fn tokens_of_people_who_are_not_there_keep_nobody_elses_waiting() {
    let mut house = House::new();
    let service = house.service().await;
    let admin = house.admin(&service, "acme").await;
    let ann = house.member(&[&admin], "ann");
    for n in 0..1100 {
        house.token("acme", admin.site, ann, |token| {
            token.owner = UserLuid(Uuid::from_u128(n));
            token.expires_at = MINTED.plus(Span(1));
        });
    }
    house.token("acme", admin.site, ann, |token| token.expires_at = MINTED.plus(Span(2)));
    tokio::time::sleep(ROUND + ROUND / 2).await;
    assert_eq!(expired(&house), 1);
}
