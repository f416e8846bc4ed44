//! `kill -9` in the middle of reloads: the daemon starts again with the config that it then reads, and nothing is lost.

use std::time::Duration;

use super::house::{House, command};

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_kill_during_a_reload_leaves_a_daemon_that_starts_with_all_that_was_answered() {
    let house = House::start("").await;
    let person = house.stage.person("acme", "Creator").await;
    let mut tokens = Vec::new();
    for round in 0..8_u64 {
        tokens.push(house.stage.mint(&person, "acme").await);
        house.build("store-sql", &round.to_string());
        house.build("hasher-pbkdf2", &round.to_string());
        if round.is_multiple_of(2) {
            house.append("[sites.initech]");
        } else {
            house.replace("[sites.initech]", "");
        }
        let mut reloading = command(house.daemon()).spawn().expect("patd runs");
        // Somewhere between its beginning and its end.
        tokio::time::sleep(Duration::from_millis(40 * round)).await;
        house.daemon().kill();
        // Refused, cut off or done: all may be.
        reloading.wait().expect("it ends");
        house.daemon().restart().await;
        for token in &tokens {
            house.stage.use_token(token, "acme").await.expect(201);
        }
        let served = house.management("/readyz/initech").await.0;
        assert_eq!(served, if round.is_multiple_of(2) { 200 } else { 404 });
    }
}
