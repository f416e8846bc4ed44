//! New builds of plug-ins: taken whole or refused whole.

use serde_json::{Value, json};

use super::house::House;
use crate::harness::{Kind, until};

fn line<'a>(report: &'a Value, kind: &str, instance: &str) -> &'a Value {
    let mut lines = report["plugins"].as_array().expect("plugins").iter();
    let own = lines.find(|line| line["kind"] == kind && line["instance"] == instance);
    own.unwrap_or_else(|| panic!("no {kind} {instance} in {report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_changes_nothing_does_nothing() {
    let house = House::start("").await;
    let before = house.running();
    for touched in [false, true] {
        if touched {
            house.build("hasher-pbkdf2", "");
            house.edit(|text| format!("# a comment\n{text}"));
        }
        let report = house.reload().expect("reloads");
        assert_eq!(report["result"], "unchanged", "{report}");
        assert!(
            report["plugins"]
                .as_array()
                .is_some_and(|all| all.iter().all(|one| one["action"] == "unchanged"))
        );
    }
    assert_eq!(house.running(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_plug_in_is_replaced_while_sessions_live_on() {
    let house = House::start("").await;
    let person = house.stage.person("acme", "Creator").await;
    let token = house.stage.mint(&person, "acme").await;
    let session = house.stage.use_token(&token, "acme").await.expect(201).at("/credential");
    for (plugin, instances) in [
        ("hasher-pbkdf2", [("hasher", "tokens"), ("hasher", "passwords")].as_slice()),
        ("audit-file", &[("audit", "file")]),
        ("store-sql", &[("store", "directory")]),
    ] {
        let before: Vec<_> = instances.iter().map(|(kind, name)| house.plugin(kind, name)).collect();
        house.build(plugin, "another build");
        let report = house.reload().expect("reloads");
        assert_eq!(report["result"], "reloaded");
        for ((kind, name), before) in instances.iter().zip(before) {
            let (line, now) = (line(&report, kind, name), house.plugin(kind, name));
            assert_eq!((&line["action"], &line["generation"]), (&json!("replaced"), &json!(2)), "{line}");
            assert_eq!(line["old_sha256"], before["sha256"]);
            assert_eq!(line["new_sha256"], now["sha256"]);
            assert_ne!(now["sha256"], before["sha256"]);
            assert_eq!((&now["quarantined"], &now["abandoned"]), (&Value::Null, &json!(0)), "{now}");
        }
        house.stage.who_am_i(&session).await.expect(200);
        house.stage.mint(&person, "acme").await;
    }
    // The token's digest was made by another build; it is the same scheme.
    house.stage.use_token(&token, "acme").await.expect(201);
    house.daemon().patd(&["audit", "verify"]);
    let trail = house.daemon().data_dir().join("audit/directory.jsonl");
    until("four plug-ins are reported as replaced", async || {
        let text = std::fs::read_to_string(&trail).unwrap_or_default();
        text.lines().filter(|line| line.contains("patd.plugin.replaced")).count() >= 4
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_pin_is_refused_with_both_digests_and_the_old_build_serves_on() {
    let house = House::start("").await;
    let before = house.running();
    let pin = "0".repeat(64);
    house.build("audit-file", "another build");
    house.replace(
        "plugin = \"hasher-pbkdf2\"\n",
        &format!("plugin = \"hasher-pbkdf2\"\nsha256 = \"{pin}\"\n"),
    );
    // A site that comes with the same file does not come.
    house.append("[sites.initech]");
    let refused = house.reload().expect_err("is refused");
    assert_eq!(refused.code, Some(1));
    let found = format!("expected sha256 {pin}, found sha256 ");
    assert!(refused.text.contains(&found) && refused.text.contains("on purpose"), "{}", refused.text);
    assert_eq!(house.running(), before);
    assert_eq!(house.daemon().patd(&["site", "list"]).as_array().map(Vec::len), Some(2));
    house.stage.person("acme", "Viewer").await;
    // Taken back, the rest is reloaded.
    house.replace(&format!("sha256 = \"{pin}\"\n"), "");
    assert_eq!(house.reload().expect("reloads")["sites"]["added"], json!(["initech"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_cannot_be_made_or_tested_or_started_undoes_everything_else() {
    let house = House::start("").await;
    let person = house.stage.person("acme", "Creator").await;
    let before = house.running();
    for (section, sin, part) in [
        ("hashers", "panic_in_create", "expected a configuration"),
        ("hashers", "ignore_secret", "depends on every byte"),
        ("hashers", "slow", "still being made or tested"),
        ("sinks", "no_start", "asked not to start"),
    ] {
        // With it come new builds of everything, which must all go back.
        house.build("hasher-pbkdf2", sin);
        house.build("audit-file", sin);
        house.build("store-sql", sin);
        let addition = format!("\n[{section}.bad]\nplugin = \"faulty\"\nconfig = {{ sin = \"{sin}\" }}\n");
        house.append(&addition);
        let refused = house.reload().expect_err(sin);
        assert!(refused.text.contains(&format!(": {section}.bad: ")), "{}", refused.text);
        assert!(refused.code == Some(1) && refused.text.contains(part), "{sin}: {refused:?}");
        house.replace(&addition, "");
        let now = house.running();
        for (old, new) in before.iter().zip(&now) {
            assert_eq!((&old["instance"], &old["sha256"]), (&new["instance"], &new["sha256"]), "{sin}");
            assert_eq!(new["quarantined"], Value::Null, "{new}");
        }
        house.stage.mint(&person, "acme").await;
    }
    house.build("hasher-pbkdf2", "");
    house.build("audit-file", "");
    house.build("store-sql", "");
    assert_eq!(house.reload().expect("reloads")["result"], "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_store_that_does_not_start_is_started_again_as_it_was() {
    let house = House::start("").await;
    let person = house.stage.person("acme", "Creator").await;
    let session = house.stage.session(&person, "acme", Kind::Token).await;
    house.build("hasher-pbkdf2", "comes along");
    // The new settings are taken by `create` and refused by START: the folder is a file.
    std::fs::write(house.daemon().data_dir().join("plug"), "").expect("writes");
    house.replace("sqlite://{data_dir}/directory.db", "sqlite://{data_dir}/plug/directory.db");
    let refused = house.reload().expect_err("is refused");
    assert!(refused.text.contains("expected directory to start"), "{refused:?}");
    house.stage.who_am_i(&session).await.expect(200);
    house.stage.mint(&person, "acme").await;
    assert_eq!(house.plugin("hasher", "tokens")["generation"], 1);
    // Another place that can be opened is refused too: the rows are not there.
    house.replace("sqlite://{data_dir}/plug/directory.db", "sqlite://{data_dir}/other.db");
    let refused = house.reload().expect_err("is refused");
    assert!(refused.text.contains("its rows are not there"), "{refused:?}");
    house.stage.mint(&person, "acme").await;
    house.replace("sqlite://{data_dir}/other.db", "sqlite://{data_dir}/directory.db");
    assert_eq!(house.reload().expect("reloads")["plugins"][0]["action"], "replaced");
    house.becomes("", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_read_at_start_only_are_refused_and_nothing_of_the_file_is_applied() {
    let house = House::start("").await;
    house.replace("max_connections = 20000", "max_connections = 20001");
    house.append("[sites.initech]");
    let refused = house.reload().expect_err("is refused");
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.text.contains("limits.max_connections") && refused.text.contains("Restart"),
        "{refused:?}"
    );
    assert_eq!(house.management("/readyz/initech").await.0, 404);
    // A file that does not read is refused by its line.
    house.replace("max_connections = 20001", "max_connections = many");
    let refused = house.reload().expect_err("is refused");
    assert!(refused.text.contains("patd.toml:"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_limit_of_builds_a_restart_is_required() {
    let house = House::start("").await;
    house.replace("allow_unpinned = true", "allow_unpinned = true\nmax_generations = 3");
    for number in 2..=3 {
        house.build("hasher-pbkdf2", &number.to_string());
        assert_eq!(house.reload().expect("reloads")["plugins"][0]["generation"], number);
    }
    house.build("hasher-pbkdf2", "4");
    let refused = house.reload().expect_err("is refused");
    assert!(refused.text.contains("Restart required"), "{refused:?}");
    // Builds that are loaded already cost no image.
    house.build("hasher-pbkdf2", "2");
    assert_eq!(house.reload().expect("reloads")["plugins"][0]["generation"], 4);
    assert_eq!(house.plugin("hasher", "tokens")["images"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hup_signal_reloads_and_a_bad_file_is_only_logged() {
    let house = House::start("").await;
    let hup = || {
        let pid = rustix::process::Pid::from_raw(house.daemon().pid().cast_signed()).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("is told");
    };
    house.append("this is no toml");
    hup();
    let logged = async {
        while !house.daemon().log().contains("the reload is refused") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), logged).await.expect("it is logged");
    house.replace("this is no toml", "[sites.initech]");
    hup();
    house.becomes("initech", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_at_once_take_turns() {
    let house = House::start("").await;
    house.build("hasher-pbkdf2", "another build");
    let (one, two) = std::thread::scope(|scope| {
        let reload = || house.reload().expect("reloads");
        let (one, two) = (scope.spawn(reload), scope.spawn(reload));
        (one.join().expect("ends"), two.join().expect("ends"))
    });
    let results = [one["result"].as_str(), two["result"].as_str()];
    assert!(results.contains(&Some("reloaded")) && results.contains(&Some("unchanged")), "{results:?}");
    assert_eq!(house.plugin("hasher", "tokens")["generation"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_and_removed_is_told_with_its_digest_and_generation() {
    let house = House::start("").await;
    let entry = "[hashers.second]\nplugin = \"hasher-pbkdf2\"";
    let line = |report: &Value| {
        let mut lines = report["plugins"].as_array().expect("plugins").iter();
        lines.find(|one| one["instance"] == "second").cloned().expect("a line of it")
    };
    house.append(entry);
    let added = line(&house.reload().expect("reloads"));
    assert_eq!((&added["action"], &added["generation"]), (&json!("added"), &json!(1)), "{added}");
    assert_eq!((&added["old_sha256"], added["new_sha256"].is_string()), (&Value::Null, true), "{added}");
    house.replace(entry, "");
    let removed = line(&house.reload().expect("reloads"));
    assert_eq!((&removed["action"], &removed["new_sha256"]), (&json!("removed"), &Value::Null), "{removed}");
    assert_eq!(removed["old_sha256"], added["new_sha256"]);
}
