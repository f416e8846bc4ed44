//! What must not start, or not pass, and what it says then.

use std::process::Command;

use super::Program;
use crate::harness::{Daemon, Wire, path_of, sample, say};

/// The program, with the daemon's config file.
pub(super) fn patd(daemon: &Daemon) -> Program {
    Program::new("PATD_TEST_PATD", &["--config", daemon.config().to_str().expect("a plain path")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let daemon = Daemon::start("").await;
    patd(&daemon).run(&["serve"], "").with_code(3).says(&["data"]);
    let mut wire = Wire::connect(&daemon.base_url).await.expect("the first still listens");
    let answer = wire.call("GET", "/.well-known/patd", None, None).await.expect("and answers");
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_clock_ten_minutes_behind_the_newest_event_is_refused() {
    let daemon = Daemon::start("").await;
    sample(&daemon).await;
    daemon.kill();
    let store = daemon.data_dir().join("directory.db");
    let later =
        "UPDATE events SET time = time + 600000000 WHERE position = (SELECT max(position) FROM events)";
    match Command::new("sqlite3").arg(&store).arg(later).status() {
        Ok(status) => assert!(status.success(), "sqlite3 changes the event"),
        Err(error) => return say(&format!("the clock test is skipped: sqlite3 does not run: {error}")),
    }
    patd(&daemon).run(&["serve"], "").with_code(3).says(&["clock", "directory", "behind"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_not_the_pinned_one_is_refused_with_both_digests() {
    let daemon = Daemon::start("").await;
    daemon.kill();
    let file = path_of("PATD_TEST_PLUGIN_DIR").join("libhasher-pbkdf2.so");
    let mut patd = patd(&daemon);
    let found = patd.json(&["plugin", "pin", file.to_str().expect("a plain path")], "");
    let (found, expected) = (super::text(&found, "/sha256"), "0".repeat(64));
    let hasher = "[hashers.tokens]\nplugin = \"hasher-pbkdf2\"\n";
    daemon.edit(hasher, &format!("{hasher}sha256 = \"{expected}\"\n"));
    for words in [["serve"].as_slice(), &["site", "list"]] {
        let place = ": hashers.tokens.sha256: ";
        patd.run(words, "").with_code(3).says(&[
            place,
            "hasher-pbkdf2",
            "expected",
            &expected,
            "found",
            &found,
        ]);
    }
    daemon.edit(&expected, &found);
    // The right pin is no hindrance.
    daemon.restart().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_config_is_told_with_file_line_and_key() {
    let daemon = Daemon::start("").await;
    daemon.kill();
    let mut patd = patd(&daemon);
    let right = std::fs::read_to_string(daemon.config()).expect("the config file");
    for (from, to, key) in [
        ("[plugins]", "[plugins]\nfolder = \"x\"", "plugins.folder"),
        ("hash_queue = 4096", "hash_queue = \"many\"", "limits.hash_queue"),
        ("sinks = [\"file\"]", "sinks = [\"none\"]", "defaults.sinks"),
        ("[sites.globex]", "[sites.globex]\nsession_lifetime = \"soon\"", "sites.globex.session_lifetime"),
    ] {
        std::fs::write(daemon.config(), &right).expect("the config is written");
        daemon.edit(from, to);
        let wrong = std::fs::read_to_string(daemon.config()).expect("the config file");
        let line = wrong.lines().position(|line| Some(line) == to.lines().last()).expect("the mistake") + 1;
        let place = format!("{}:{line}: ", daemon.config().display());
        for words in [["config", "check"].as_slice(), &["serve"], &["doctor"]] {
            patd.run(words, "").with_code(2).says(&[&place, key]);
        }
    }
    std::fs::write(daemon.config(), "[server\n").expect("the config is written");
    patd.run(&["serve"], "").with_code(2).says(&["patd.toml:1"]);
    std::fs::remove_file(daemon.config()).expect("it was there");
    patd.run(&["config", "check"], "").with_code(2).says(&["patd.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_its_plugin_does_not_describe_is_told_with_file_line_and_key_and_without_its_value() {
    let daemon = Daemon::start("").await;
    let mut patd = patd(&daemon);
    let right = std::fs::read_to_string(daemon.config()).expect("the config file");
    let secret = "hunter2-hunter2-hunter2";
    let rounds = "config = { iterations = 1000 }";
    let text = format!("config.iterations = \"{secret}\"");
    let keys = format!(
        "config = {{ iterations = 1000 }}\n[hashers.keyed]\nplugin = \"hasher-hmac\"\n[[hashers.keyed.config.keys]]\nkey = \"x\"\nkid = \"{secret} \""
    );
    let path = "config = { path = \"{data_dir}/audit/{site}.jsonl\" }";
    let url = "config = { url = \"sqlite://{data_dir}/sites/{luid}.db\" }";
    let other = format!("config.url = \"postgres://patd:{secret}@db/patd\"");
    let wrong = [
        (rounds, text.as_str(), "hashers.tokens.config.iterations: expected type \"integer\""),
        (rounds, &keys, "hashers.keyed.config.keys[0].kid: expected pattern"),
        (path, "config.place = \"x\"", "sinks.file.config.place: unknown key"),
        (url, &other, "stores.sites.config.url: expected pattern"),
    ];
    for (from, to, told) in wrong {
        std::fs::write(daemon.config(), &right).expect("the config is written");
        daemon.edit(from, to);
        let wrong = std::fs::read_to_string(daemon.config()).expect("the config file");
        let line = wrong.lines().position(|line| Some(line) == to.lines().last()).expect("the mistake") + 1;
        let place = format!("{}:{line}: {told}", daemon.config().display());
        let check = patd.run(&["config", "check"], "").with_code(2);
        let reload = patd.run(&["reload"], "");
        assert_ne!(reload.code, Some(0), "{}", reload.err);
        for ended in [check, reload] {
            assert!(!ended.err.contains(secret) && !ended.out.contains(secret), "{}", ended.err);
            ended.says(&[&place]);
        }
    }
    assert!(!daemon.log().contains(secret));
    // What runs goes on; what is wrong does not start.
    let mut wire = Wire::connect(&daemon.base_url).await.expect("it still listens");
    assert_eq!(wire.call("GET", "/.well-known/patd", None, None).await.expect("an answer").status, 200);
    daemon.kill();
    patd.run(&["serve"], "").with_code(2).says(&["stores.sites.config.url: expected pattern"]);
}
