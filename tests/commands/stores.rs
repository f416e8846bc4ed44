//! `patd store status`, `migrate` and `backup`: what they say and make, beside a daemon and without one.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::refusals::patd;
use super::text;
use crate::harness::{Daemon, sample};

const SITE: &[&str] = &["m0001_tokens", "m0003_event_detail", "m0004_outbox", "m0005_notices"];
const DIRECTORY: &[&str] = &[
    "m0001_tokens",
    "m0002_directory",
    "m0003_event_detail",
    "m0004_outbox",
    "m0005_notices",
    "m0006_muted",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_store_says_where_it_is_and_which_migrations_it_has() {
    let daemon = Daemon::start("").await;
    let mut patd = patd(&daemon);
    let beside = patd.json(&["store", "status"], "");
    assert_eq!(patd.json(&["store", "migrate"], ""), beside);
    daemon.stop().await;
    for words in [["store", "status"], ["store", "migrate"]] {
        assert_eq!(patd.json(&words, ""), beside, "the same without a daemon");
    }
    let stores = beside.as_array().expect("stores");
    assert_eq!(stores.len(), 3, "{beside}");
    for store in stores {
        let name = text(store, "/store");
        let location = text(store, "/location");
        let file = location.strip_prefix("sqlite://").expect("an embedded store");
        assert_eq!(std::path::Path::new(file), daemon.data_dir().join(format!("{name}.db")));
        let wanted = if name == "directory" { DIRECTORY } else { SITE };
        assert_eq!((&store["applied"], &store["pending"]), (&json!(wanted), &json!([])), "{store}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_of_a_new_site_are_migrated_when_they_are_opened() {
    let daemon = Daemon::start("").await;
    daemon.stop().await;
    daemon.edit("[sites.globex]", "[sites.initech]\n\n[sites.globex]");
    let migrated = patd(&daemon).json(&["store", "migrate"], "");
    let stores = migrated.as_array().expect("stores");
    assert_eq!(stores.len(), 4, "{migrated}");
    assert!(stores.iter().all(|store| store["pending"] == json!([])), "{migrated}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_names_the_sites_that_have_left_the_config_and_are_not_in_it() {
    let daemon = Daemon::start("").await;
    daemon.stop().await;
    daemon.edit("[sites.globex]\nname = \"Globex\"\nswitch_site = true\n", "");
    let folder = daemon.folder().join("backup");
    let made = patd(&daemon).json(&["store", "backup", folder.to_str().expect("a plain path")], "");
    assert_eq!(made["files"].as_array().map(Vec::len), Some(2), "{made}");
    assert_eq!(made["without_sites"], json!(["globex"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_a_private_file_of_every_store_and_overwrites_nothing() {
    let daemon = Daemon::start("").await;
    sample(&daemon).await;
    let folder = daemon.folder().join("backup");
    let words = ["store", "backup", folder.to_str().expect("a plain path")];
    let made = patd(&daemon).json(&words, "");
    let stores = patd(&daemon).json(&["store", "status"], "");
    let names = stores.as_array().expect("stores").iter().map(|store| text(store, "/store"));
    let mut expected: Vec<Value> = names.map(|name| json!(folder.join(format!("{name}.db")))).collect();
    let mut files = made["files"].as_array().expect("files").clone();
    for all in [&mut expected, &mut files] {
        all.sort_by_key(ToString::to_string);
    }
    assert_eq!(files, expected);
    let mode = |path: &std::path::Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in &files {
        assert_eq!(mode(std::path::Path::new(file.as_str().expect("a path"))), 0o600, "{file}");
    }
    patd(&daemon).run(&words, "").with_code(1).says(&["does not exist yet"]);
    let nowhere = daemon.folder().join("no/such/parent");
    let nowhere = nowhere.to_str().expect("a plain path");
    patd(&daemon).run(&["store", "backup", nowhere], "").with_code(1).says(&[nowhere]);
}
