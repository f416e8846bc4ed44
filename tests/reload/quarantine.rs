//! Plug-ins that go wrong at one site: it fails closed, is not ready, recovers; the other site notices nothing (R8, R9).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::{Value, json};

use super::house::House;
use crate::harness::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn r8_r9_a_hasher_that_panics_takes_one_site_down_until_a_fresh_one_serves() {
    let house = House::start("").await;
    let person = house.stage.person("globex", "Creator").await;
    let token = house.stage.mint(&person, "globex").await;
    let victim = house.stage.person("acme", "Creator").await;
    house.append("[hashers.odd]\nplugin = \"faulty\"\nconfig = { sin = \"panic_on_boom\" }");
    house.replace("name = \"Acme\"", "name = \"Acme\"\ntoken_hasher = \"odd\"\npassword_hasher = \"odd\"");
    house.reload().expect("reloads");
    let (stop, served) = (AtomicBool::new(false), AtomicU32::new(0));
    let neighbour = async {
        while !stop.load(Ordering::Relaxed) {
            let session = house.stage.use_token(&token, "globex").await.expect(201).at("/credential");
            let verify = house.stage.call("GET", "/v1/sites/globex/verify", Some(&session), None).await;
            verify.expect(204);
            served.fetch_add(1, Ordering::Relaxed);
        }
    };
    let trouble = async {
        // A good sign-in moves the password to the new hasher; `boom` makes it panic.
        house.stage.session(&victim, "acme", Kind::Interactive).await;
        let body = json!({"site": "acme", "username": victim.username, "password": "boom"});
        let mut panicked = house.stage.sign_in(&body).await;
        while panicked.status != 503 {
            // The re-hash comes after the answer.
            panicked = house.stage.sign_in(&body).await;
        }
        house.becomes("acme", 503).await;
        let listed = house.plugin("hasher", "odd");
        assert!(listed["quarantined"].as_str().is_some_and(|why| why.contains("panicked")), "{listed}");
        let (status, ready) = house.management("/readyz").await;
        assert_eq!((status, &ready["sites"]["globex"]["ready"]), (503, &Value::Bool(true)), "{ready}");
        assert_eq!(house.management("/readyz/globex").await.0, 200);
        let metrics = house.management("/metrics").await.1.as_str().unwrap_or_default().to_owned();
        assert!(metrics.contains("patd_plugin_quarantined{instance=\"odd\",kind=\"hasher\"} 1"), "{metrics}");
        assert!(metrics.contains("patd_site_instances_out_of_service{site=\"Acme\"} 1"), "{metrics}");
        // Everything of it is refused, never let through.
        let right =
            json!({"site": "acme", "username": victim.username, "password": crate::harness::PASSWORD});
        let refused = house.stage.sign_in(&right).await;
        assert!(refused.status == 503 || house.management("/readyz/acme").await.0 == 200, "{refused}");
        house.becomes("acme", 200).await;
        house.stage.sign_in(&right).await.expect(201);
        let listed = house.plugin("hasher", "odd");
        assert_eq!((&listed["recoveries"], &listed["generation"]), (&json!(1), &json!(2)), "{listed}");
        stop.store(true, Ordering::Relaxed);
    };
    futures_util::future::join(neighbour, trouble).await;
    assert!(served.load(Ordering::Relaxed) > 10, "the neighbour was served {served:?} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_r8_a_sink_that_panics_loses_nothing_and_is_replaced_by_one_that_does_not() {
    let house = House::start("").await;
    house.append("[sinks.odd]\nplugin = \"faulty\"\nconfig = { sin = \"panic_in_call\" }");
    house.replace("name = \"Acme\"", "name = \"Acme\"\nsinks = [\"odd\"]");
    house.reload().expect("reloads");
    let person = house.stage.person("acme", "Creator").await;
    house.stage.mint(&person, "acme").await;
    house.becomes("acme", 503).await;
    // Requests do not need the sink.
    let token = house.stage.mint(&person, "acme").await;
    house.stage.use_token(&token, "acme").await.expect(201);
    assert_eq!(house.management("/readyz/globex").await.0, 200);
    // A fresh one panics again: the delay grows, the count too.
    let recovers = async {
        while house.plugin("audit", "odd")["recoveries"] == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), recovers).await.expect("recovers");
    // The operator puts another one in its place, under the same name.
    let file = house.daemon().data_dir().join("odd.jsonl");
    house.replace(
        "plugin = \"faulty\"\nconfig = { sin = \"panic_in_call\" }",
        &format!("plugin = \"audit-file\"\nconfig = {{ path = \"{}\" }}", file.display()),
    );
    let report = house.reload().expect("reloads");
    let replaced =
        report["plugins"].as_array().expect("plugins").iter().filter(|one| one["action"] == "replaced");
    assert_eq!(replaced.count(), 1, "{report}");
    house.becomes("acme", 200).await;
    let delivered = async {
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if text.lines().filter(|line| line.contains("patd.token.minted")).count() == 2 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(90), delivered)
        .await
        .expect("both mints are delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_never_stops_is_abandoned_and_holds_up_neither_reloads_nor_the_end() {
    let house = House::start("").await;
    house.append("[sinks.odd]\nplugin = \"faulty\"\nconfig = { sin = \"never_stops\" }");
    house.reload().expect("reloads");
    house.replace("never_stops", "none");
    house.reload().expect("reloads");
    let abandoned = async {
        while house.plugin("audit", "odd")["abandoned"] == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(40), abandoned).await.expect("is abandoned");
    assert_eq!(house.plugin("audit", "odd")["generation"], 2);
    house.stage.person("acme", "Viewer").await;
    house.daemon().terminate(std::time::Duration::from_secs(40)).await;
}
