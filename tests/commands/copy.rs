//! A store that was copied takes the place of the old one: nothing that was there is lost, nothing that ended lives again.

use serde_json::{Value, json};

use super::refusals::patd;
use super::text;
use crate::harness::{Daemon, Facts, Wire, interactive, sample};

const STORES: &str = r#"
[stores.archive]
plugin = "store-sql"
config = { url = "sqlite://{data_dir}/archive/{luid}.db" }

[stores.together]
plugin = "store-sql"
config = { url = "sqlite://{data_dir}/together.db" }

[stores.people]
plugin = "store-sql"
config = { url = "sqlite://{data_dir}/people.db" }
"#;

const CHECKPOINT: &str = "patd.audit.checkpoint";

async fn get(daemon: &Daemon, path: &str, credential: &str) -> (u16, Value) {
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    let answer = wire.call("GET", path, Some(credential), None).await.expect("an answer");
    (answer.status, answer.json())
}

/// The events of acme; checkpoints come when they come.
async fn events(daemon: &Daemon, admin: &str) -> Vec<Value> {
    let (status, listed) = get(daemon, "/v1/sites/acme/events?limit=1000", admin).await;
    assert_eq!(status, 200);
    let mut events = listed["items"].as_array().expect("items").clone();
    events.retain(|event| event["type"] != CHECKPOINT);
    events
}

async fn sign_in(daemon: &Daemon, facts: &Facts) -> String {
    let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
    let body = json!({"site": "globex", "token_secret": facts.text("/tokens/member/secret")});
    let opened = wire.call("POST", "/v1/sessions", None, Some(&body)).await.expect("an answer");
    assert_eq!(opened.status, 201, "{}", opened.shown());
    text(&opened.json(), "/credential")
}

/// The audit file of a site, as it stands.
fn delivered(daemon: &Daemon, luid: &str) -> String {
    std::fs::read_to_string(daemon.data_dir().join(format!("audit/{luid}.jsonl"))).expect("the audit file")
}

fn move_away(daemon: &Daemon, file: &str) {
    let file = daemon.data_dir().join(file);
    std::fs::rename(&file, file.with_extension("old")).expect("the old store goes");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_sessions_events_and_cursors_hold_in_a_copied_store() {
    let daemon = Daemon::start(STORES).await;
    let facts = sample(&daemon).await;
    let luid = facts.text("/sites/acme/luid").to_owned();
    let admin = interactive(&daemon, &facts.0["users"]["acme-admin"], "acme").await;
    let superseded = sign_in(&daemon, &facts).await;
    let live = sign_in(&daemon, &facts).await;
    let before = events(&daemon, &admin).await;
    let mut patd = patd(&daemon);
    patd.run(&["store", "copy", "--site", "acme", "--to", "archive"], "")
        .with_code(1)
        .says(&["a daemon uses", "stop it first"]);
    daemon.stop().await;
    let audit = delivered(&daemon, &luid);

    let copied = patd.json(&["store", "copy", "--site", "ACME", "--to", "archive"], "");
    assert_eq!((&copied["site"], &copied["verified"]), (&json!("acme"), &json!(true)), "{copied}");
    assert_eq!(
        (&copied["counts"]["tokens"], &copied["counts"]["cursors"]),
        (&json!(2), &json!(2)),
        "{copied}"
    );
    assert!(text(&copied, "/next").contains("store = \"archive\" in [sites.acme]"), "{copied}");
    patd.run(&["store", "copy", "--site", "acme", "--to", "archive"], "").with_code(1).says(&["not empty"]);
    let copied = patd.json(&["store", "copy", "--directory", "--to", "people"], "");
    assert_eq!(copied["counts"]["users"], 5, "{copied}");

    daemon.edit("[sites.acme]\n", "[sites.acme]\nstore = \"archive\"\n");
    daemon.edit("/directory.db", "/people.db");
    move_away(&daemon, &format!("sites/{luid}.db"));
    move_away(&daemon, "directory.db");
    daemon.restart().await;
    assert_eq!(get(&daemon, "/v1/sessions/current", &live).await.0, 200);
    let (status, problem) = get(&daemon, "/v1/sessions/current", &superseded).await;
    assert_eq!((status, &problem["type"]), (401, &json!("urn:patd:problem:session-superseded")));
    assert_eq!(events(&daemon, &admin).await, before);
    // No event is delivered again, and new ones follow the old.
    let next = sign_in(&daemon, &facts).await;
    assert_eq!(get(&daemon, "/v1/sessions/current", &live).await.0, 401);
    assert_eq!(get(&daemon, "/v1/sessions/current", &next).await.0, 200);
    daemon.stop().await;
    let now = delivered(&daemon, &luid);
    let new = now.strip_prefix(&audit).expect("the file goes on from where it was");
    let kinds: Vec<Value> = new
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON")["type"].clone())
        .collect();
    let mut sorted =
        kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != CHECKPOINT).collect::<Vec<_>>();
    sorted.sort_unstable();
    assert_eq!(sorted, ["patd.session.opened", "patd.session.superseded"]);
    for report in patd.json(&["audit", "verify"], "")["files"].as_array().expect("files") {
        assert_eq!((&report["missing"], &report["duplicates"]), (&json!([]), &json!([])), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_would_mix_or_lose_rows_is_refused_and_leaves_nothing() {
    let daemon = Daemon::start(STORES).await;
    let facts = sample(&daemon).await;
    let globex_admin = &facts.0["users"]["globex-admin"];
    daemon.stop().await;
    let mut patd = patd(&daemon);
    let copy = |to: &'static str| ["store", "copy", "--site", "acme", "--to", to];
    patd.run(&copy("sites"), "").with_code(1).says(&["already is"]);
    patd.run(&copy("nowhere"), "").with_code(1).says(&["nowhere", "archive"]);
    patd.run(&["store", "copy", "--site", "nobody", "--to", "archive"], "").with_code(1).says(&["nobody"]);
    patd.run(&["store", "copy", "--to", "archive"], "").with_code(2);
    patd.run(&["store", "copy", "--directory", "--to", "archive"], "").with_code(1).says(&["luid"]);

    // Two sites in one store: it cannot be copied into one that is for acme alone.
    for site in ["acme", "globex"] {
        let header = format!("[sites.{site}]\n");
        daemon.edit(&header, &format!("{header}store = \"together\"\n"));
    }
    patd.run(&copy("archive"), "").with_code(0);
    daemon.restart().await;
    for (owner, site) in [(&facts.0["users"]["acme-admin"], "acme"), (globex_admin, "globex")] {
        let session = interactive(&daemon, owner, site).await;
        let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
        let path = format!("/v1/sites/{site}/tokens");
        let body = json!({"name": "of both"});
        let minted = wire.call("POST", &path, Some(&session), Some(&body)).await.expect("an answer");
        assert_eq!(minted.status, 201, "{}", minted.shown());
    }
    daemon.stop().await;
    std::fs::remove_dir_all(daemon.data_dir().join("archive")).expect("the empty copy goes");
    patd.run(&copy("archive"), "").with_code(1).says(&["nothing was copied", "other sites"]);
    patd.run(&copy("archive"), "").with_code(1).says(&["nothing was copied", "other sites"]);
    let both = patd.json(&copy("people"), "");
    assert_eq!(both["counts"]["tokens"], 2, "{both}");
}
