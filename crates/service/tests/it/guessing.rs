//! What guessing costs: as many hashes for unknown people as for known ones, and one attempt however often a store
//! conflicts.

use patd_service::error::Error;

use crate::world::{PASSWORD, World};

const WIDE: u32 = 1_000;

async fn known(world: &World, name: &str) {
    let invitation = world.invite(name).await;
    world.redeem(&invitation, PASSWORD).await.expect("joins");
    world.hashes();
}

#[tokio::test]
async fn a_wrong_password_costs_as_many_hashes_for_unknown_names_as_for_known_ones() {
    for site in ["acme", "nowhere"] {
        for first in ["ann", "nobody"] {
            let world = World::start(WIDE).await;
            known(&world, "ann").await;
            // Whoever comes first, and everybody later; people who have not joined yet, too.
            world.invite("pending").await;
            for name in [first, "ann", "nobody", "pending", "two words"] {
                let refused = world.sign_in(site, name, "not the password").await;
                assert!(matches!(refused, Err(Error::CredentialsRejected)), "{refused:?}");
                assert_eq!(world.hashes(), 1, "{name} at {site}, first {first}");
            }
        }
    }
}

#[tokio::test]
async fn the_first_attempt_of_all_costs_the_same_for_known_and_unknown_names() {
    let mut costs = Vec::new();
    for name in ["ann", "nobody"] {
        let world = World::start(WIDE).await;
        world.invite("ann").await;
        world.sign_in("acme", name, "not the password").await.expect_err("wrong");
        costs.push(world.hashes());
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn an_invitation_costs_as_many_hashes_for_new_people_as_for_known_ones() {
    let world = World::start(WIDE).await;
    known(&world, "ann").await;
    let (for_new, for_known) = (world.invite("bob").await, world.invite("cid").await);
    world.redeem(&for_known, PASSWORD).await.expect("joins");
    assert_eq!(world.hashes(), 1);
    world.redeem(&for_new, PASSWORD).await.expect("joins");
    assert_eq!(world.hashes(), 1);
    world.redeem(&for_new, PASSWORD).await.expect_err("spent");
    assert_eq!(world.hashes(), 1, "a known person's password is checked, whatever the invitation is worth");
}

#[tokio::test]
async fn redeeming_counts_one_attempt_and_hashes_once_however_often_the_store_conflicts() {
    let world = World::start(1).await;
    known(&world, "dan").await;
    let invitation = world.invite("ann").await;
    world.conflict(5);
    world.redeem(&invitation, PASSWORD).await.expect("joins in the end");
    assert_eq!(world.hashes(), 1);
}
