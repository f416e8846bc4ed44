//! Every command of `patd`, beside a running daemon and on the folder of a stopped one.

use serde_json::Value;

use super::{Program, text};
use crate::harness::{Daemon, Facts, client, sample};

#[tokio::test(flavor = "multi_thread")]
async fn every_patd_command_does_the_same_beside_a_daemon_and_without_one() {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    let config = daemon.config();
    let mut patd = Program::new("PATD_TEST_PATD", &["--config", config.to_str().expect("a plain path")]);
    every_command(&mut patd, &daemon, &facts, "beside");
    daemon.kill();
    every_command(&mut patd, &daemon, &facts, "without");
    patd.run.insert("serve".to_owned()); // the daemon itself
    patd.assert_all_run();
    // What was made without a daemon is there when it runs again.
    daemon.restart().await;
    let recovered = patd.json(&["user", "recover", "guest-without"], "");
    let body =
        serde_json::json!({"invitation": text(&recovered, "/invitation"), "password": "battery staple"});
    let redeem = format!("{}/v1/invitations/redeem", daemon.base_url);
    let answer = client().post(redeem).json(&body).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

fn every_command(patd: &mut Program, daemon: &Daemon, facts: &Facts, when: &str) {
    for words in
        [["config", "check"].as_slice(), &["routes"], &["problems"], &["events"], &["openapi"], &["doctor"]]
    {
        patd.json(words, "");
        patd.run(words, "").with_code(0);
    }
    patd.run(&["completions", "bash"], "").with_code(0);

    let sites = patd.json(&["site", "list"], "");
    assert_eq!(sites.as_array().map(Vec::len), Some(2), "{sites}");
    let credential = patd.json(&["site", "credential", "ACME"], "");
    assert!(text(&credential, "/client_secret").len() > 20);
    patd.run(&["site", "credential", "nowhere"], "").with_code(1);
    patd.run(&["site", "delete", "acme"], "").with_code(1).says(&["--yes"]);
    patd.run(&["site", "delete", "acme", "--yes"], "").with_code(1);

    let guest = format!("guest-{when}");
    let added = patd.json(&["user", "add", &guest, "--site", "acme", "--role", "Viewer"], "");
    assert!(text(&added, "/link").contains(&text(&added, "/invitation")), "{added}");
    patd.run(&["user", "add", &guest, "--site", "nowhere", "--role", "Viewer"], "").with_code(1);
    patd.run(&["user", "add", &guest, "--site", "acme", "--role", "King"], "")
        .with_code(1)
        .says(&["Creator"]);
    patd.run(&["user", "add", "two words", "--site", "acme", "--role", "Viewer"], "").with_code(1);
    patd.json(&["user", "recover", &guest], "");
    patd.run(&["user", "recover", "nobody"], "").with_code(1);
    assert_eq!(patd.json(&["user", "disable", "acme-member"], "")["disabled"], true);
    assert_eq!(patd.json(&["user", "enable", "acme-member"], "")["disabled"], false);
    patd.run(&["user", "disable", "nobody"], "").with_code(1);

    for verb in ["list", "replay", "drop"] {
        patd.json(&["audit", "dead-letters", verb, "--sink", "file"], "");
    }

    let secret = facts.text("/tokens/member/secret");
    let checked = patd.json(&["token", "check"], &format!("{secret}\n"));
    assert_eq!(
        (&checked["well_formed"], text(&checked, "/id")),
        (&true.into(), facts.text("/tokens/member/id").to_owned())
    );
    let typo = format!("{}{}", &secret[..secret.len() - 1], if secret.ends_with('0') { '1' } else { '0' });
    for other in [typo.as_str(), "", "password"] {
        let said = patd.run(&["token", "check", "--output", "json"], other).with_code(1);
        assert!(!(said.out.contains(&typo[10..]) || said.err.contains(&typo[10..])), "the text is shown");
    }
    let known = patd.json(&["verify"], &format!("{secret}\n"));
    assert_eq!(
        (&known["id"], &known["live"]),
        (&facts.0["tokens"]["member"]["id"], &Value::Bool(true)),
        "{known}"
    );
    patd.run(&["verify"], "patd_nothing\n").with_code(1);

    patd.json(&["store", "status"], "");
    patd.json(&["store", "migrate"], "");
    let folder = daemon.folder().join(format!("backup-{when}"));
    let folder = folder.to_str().expect("a plain path");
    let files = patd.json(&["store", "backup", folder], "");
    assert_eq!(files["files"].as_array().map(Vec::len), Some(3), "{files}");
    patd.run(&["store", "backup", folder], "").with_code(1);

    for refused in [&["--site", "acme", "--to", "nowhere"][..], &["--directory", "--to", "directory"]] {
        let why = if when == "beside" { "stop it first" } else { "to" };
        patd.run(&[&["store", "copy"], refused].concat(), "").with_code(1).says(&[why]);
    }

    let plugins = patd.json(&["plugin", "list"], "");
    assert!(plugins.as_array().is_some_and(|plugins| plugins.len() >= 3), "{plugins}");
    let plugin = crate::harness::path_of("PATD_TEST_PLUGIN_DIR").join("libstore-sql.so");
    let pinned = patd.json(&["plugin", "pin", plugin.to_str().expect("a plain path")], "");
    assert_eq!(text(&pinned, "/sha256").len(), 64);
    assert_eq!(pinned["warning"], serde_json::Value::Null, "{pinned}");
    // What would be refused whatever its pin is said at once; the digest is told all the same.
    let note = daemon.folder().join("note.so");
    std::fs::write(&note, "no library").expect("a file");
    let note = note.to_str().expect("a plain path");
    patd.run(&["plugin", "pin", note], "")
        .with_code(0)
        .says(&["would refuse", "10 bytes that is no library"]);
    patd.run(&["plugin", "pin", "/nowhere.so"], "").with_code(3);
    patd.run(&["plugin", "check", "/nowhere.so"], "").with_code(3);
    // To examine nothing is no success.
    let plugin = plugin.to_str().expect("a plain path");
    patd.run(&["plugin", "check", plugin, "--include", "^hasher"], "").with_code(3).says(&["no case"]);
    patd.run(&["plugin", "check", plugin, "--include", "["], "")
        .with_code(2)
        .says(&["--include", "unclosed"]);
    patd.run(&["plugin", "check", plugin, "--kind", "hasher"], "").with_code(3).says(&["it offers: store"]);
    if when == "beside" {
        assert_eq!(patd.json(&["reload"], "")["result"], "unchanged");
        patd.run(&["reload"], "").with_code(0);
    } else {
        patd.run(&["reload"], "").with_code(1).says(&["no daemon runs"]);
    }
    patd.run(&["audit", "verify"], "").with_code(0);
    patd.json(&["audit", "rotate-key"], "");
    patd.json(&["audit", "verify"], "");
    patd.run(&["user", "frobnicate"], "").with_code(2);
}
