//! Sites that come, change and leave by a reload.

use serde_json::json;

use super::house::House;
use crate::harness::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn a_site_comes_by_reload_and_is_served_at_once() {
    let house = House::start("").await;
    house.stage.invite("nobody", "initech", "Viewer").await.expect(404);
    house.append("[sites.initech]\nname = \"Initech\"\nsinks = []");
    let report = house.reload().expect("reloads");
    assert_eq!(report["sites"]["added"], json!(["initech"]));
    house.becomes("initech", 200).await;
    let added = house.daemon().patd(&["user", "add", "peter", "--site", "initech", "--role", "Creator"]);
    house.stage.redeem(added["invitation"].as_str().expect("an invitation")).await.expect(200);
    let peter = crate::harness::Person { username: "peter".to_owned(), luid: String::new() };
    let token = house.stage.mint(&peter, "initech").await;
    // It survives a restart, with what was made in it.
    house.daemon().restart().await;
    house.stage.use_token(&token, "initech").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_site_that_leaves_is_unknown_its_sessions_end_and_none_revives_when_it_returns() {
    let house = House::start("[sites.initech]").await;
    let admin = "SiteAdministratorCreator";
    let added = house.daemon().patd(&["user", "add", "bill", "--site", "initech", "--role", admin]);
    house.stage.redeem(added["invitation"].as_str().expect("an invitation")).await.expect(200);
    let bill = crate::harness::Person { username: "bill".to_owned(), luid: String::new() };
    house.stage.join(&bill.username, "acme", "Creator").await;
    let (home, away) = (house.stage.mint(&bill, "initech").await, house.stage.mint(&bill, "acme").await);
    let at_home = house.stage.use_token(&home, "initech").await.expect(201).at("/credential");
    let visiting = house.stage.use_token(&away, "initech").await.expect(201).at("/credential");
    let person = house.stage.session(&bill, "initech", Kind::Interactive).await;
    let elsewhere = house.stage.session(&bill, "acme", Kind::Interactive).await;
    let sessions = [&at_home, &visiting, &person];
    for session in sessions {
        house.stage.who_am_i(session).await.expect(200);
    }

    house.replace("[sites.initech]", "");
    let report = house.reload().expect("reloads");
    assert_eq!(report["sites"]["removed"], json!(["initech"]));
    // The fourth is the one that minted.
    assert_eq!(report["sites"]["ended_sessions"], 4, "{report}");
    assert_eq!(report["warnings"], json!([]));
    for session in sessions {
        house.stage.who_am_i(session).await.expect(401);
    }
    house.stage.who_am_i(&elsewhere).await.expect(200);
    assert_eq!(house.management("/readyz/initech").await.0, 404);
    house.stage.use_token(&home, "initech").await.refused("401 credentials-rejected");
    house.stage.use_token(&home, "acme").await.refused("401 credentials-rejected");
    house.stage.use_token(&away, "initech").await.refused("401 credentials-rejected");

    house.append("[sites.initech]");
    for restarted in [false, true] {
        if restarted {
            house.daemon().restart().await;
        } else {
            assert_eq!(house.reload().expect("reloads")["sites"]["added"], json!(["initech"]));
        }
        for session in sessions {
            house.stage.who_am_i(session).await.expect(401);
        }
        // The tokens were not revoked: only the site was away.
        house.stage.use_token(&home, "initech").await.expect(201);
        house.stage.use_token(&away, "acme").await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_left_while_the_daemon_was_down_revives_no_session_either() {
    let house = House::start("[sites.initech]").await;
    let added = house.daemon().patd(&["user", "add", "milton", "--site", "initech", "--role", "Creator"]);
    house.stage.redeem(added["invitation"].as_str().expect("an invitation")).await.expect(200);
    let milton = crate::harness::Person { username: "milton".to_owned(), luid: String::new() };
    let session = house.stage.session(&milton, "initech", Kind::Token).await;
    house.replace("[sites.initech]", "");
    house.daemon().restart().await;
    house.stage.who_am_i(&session).await.expect(401);
    house.append("[sites.initech]");
    // This one, and the one that minted its token.
    assert_eq!(house.reload().expect("reloads")["sites"]["ended_sessions"], 2);
    house.stage.who_am_i(&session).await.expect(401);
    house.daemon().restart().await;
    house.stage.who_am_i(&session).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_reloaded_is_in_force_at_once_and_ends_what_it_no_longer_allows() {
    let house = House::start("").await;
    let person = house.stage.person("acme", "Creator").await;
    house.stage.join(&person.username, "globex", "Creator").await;
    let token = house.stage.mint(&person, "acme").await;
    let visit = house.stage.use_token(&token, "globex").await.expect(201).at("/credential");
    house.replace("name = \"Globex\"", "name = \"Globex\"\nforeign_tokens = \"refuse\"\nsinks = []");
    let report = house.reload().expect("reloads");
    assert_eq!(report["sites"]["changed"], json!(["globex"]));
    assert_eq!(report["sites"]["ended_sessions"], 1);
    house.stage.who_am_i(&visit).await.expect(401);
    house.stage.use_token(&token, "globex").await.refused("403 foreign-token-refused");
    house.replace("foreign_tokens = \"refuse\"\nsinks = []", "");
    assert_eq!(house.reload().expect("reloads")["sites"]["changed"], json!(["globex"]));
    house.stage.who_am_i(&visit).await.expect(401);
    house.stage.use_token(&token, "globex").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_keeps_its_store_and_a_taken_content_url_is_refused() {
    let house = House::start("").await;
    house.append(
        "[stores.more]\nplugin = \"store-sql\"\nconfig = { url = \"sqlite://{data_dir}/more/{luid}.db\" }",
    );
    house.replace("name = \"Globex\"", "name = \"Globex\"\nstore = \"more\"");
    let refused = house.reload().expect_err("is refused");
    assert!(refused.text.contains("site `globex`: its store is `sites` and would be `more`"), "{refused:?}");
    house.replace("\nstore = \"more\"", "");
    // The address of a site that left still belongs to it.
    house.append("[sites.initech]");
    house.reload().expect("reloads");
    house.replace("[sites.initech]", "[sites.umbrella]\n[sites.initrode]\ncontent_url = \"initech\"");
    let refused = house.reload().expect_err("is refused");
    assert!(refused.text.contains("content URL"), "{refused:?}");
    house.becomes("initech", 200).await;
    assert_eq!(house.management("/readyz/umbrella").await.0, 404);
    assert_eq!(house.daemon().patd(&["site", "list"]).as_array().map(Vec::len), Some(3));
}
