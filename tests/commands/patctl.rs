//! Every command of `patctl` against a running daemon.

use std::io::{BufReader, Read as _, Write as _};

use serde_json::{Deserializer, Value};

use super::{Program, ended, text};
use crate::harness::{Daemon, sample, totp_code};

#[tokio::test(flavor = "multi_thread")]
async fn every_patctl_command_works_and_ends_as_documented() {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut patctl = Program::new("PATD_TEST_PATCTL", &[]);
    patctl.environment.push(("XDG_CONFIG_HOME", folder.path().to_owned()));
    patctl.environment.push(("NO_PROXY", "*".into()));
    let url = daemon.base_url.as_str();

    patctl.run(&["whoami"], "").with_code(4);
    let nobody =
        ["login", "--server", "http://127.0.0.1:1", "--site", "acme", "--username", "x", "--password-stdin"];
    patctl.run(&nobody, "x\n").with_code(3).says(&["127.0.0.1:1"]);
    patctl.run(&["tokens", "frobnicate"], "").with_code(2);
    patctl.run(&["completions", "bash"], "").with_code(0);

    let login = |user: &str| {
        let words = ["login", "--server", url, "--site", "acme", "--username", user, "--password-stdin"];
        (words.map(str::to_owned), format!("{}\n", facts.text(&format!("/users/{user}/password"))))
    };
    let (words, password) = login("acme-member");
    let words = words.each_ref().map(String::as_str);
    patctl.run(&words, "wrong\n").with_code(1).says(&["reject"]);
    patctl.json(&words, &password);
    assert_eq!(text(&patctl.json(&["whoami"], ""), "/user/username"), "acme-member");
    let minted = patctl.json(&["tokens", "create", "nightly", "--lifetime-days", "90"], "");
    patctl.run(&["tokens", "create", "nightly"], "").with_code(1).says(&["name"]);
    let id = text(&minted, "/id");
    assert!(patctl.json(&["tokens", "list"], "").to_string().contains(&id));
    patctl.run(&["tokens", "list", "--all"], "").with_code(1);
    patctl.run(&["users", "list"], "").with_code(1);
    patctl.run(&["tokens", "revoke", &id], "").with_code(0);
    patctl.run(&["tokens", "revoke", &id], "");
    let profile = patctl.json(&["profile", "--full-name", "A Member", "--email", "member@example.com"], "");
    assert_eq!(text(&profile, "/full_name"), "A Member");
    patctl.run(&["profile", "--email", "no address"], "").with_code(1).says(&["email"]);
    patctl.run(&["revocations", "--issued-before", "2020-01-01T00:00:00Z"], "").with_code(1);
    let old = password.trim_end();
    patctl.run(&["password", "--stdin"], &format!("{old}\na wholly new one\n")).with_code(0);
    let totp = enable_totp(&mut patctl);
    patctl.run(&["totp", "disable", "--code-stdin"], &format!("{totp}\n")).with_code(0);
    patctl.run(&["logout"], "").with_code(0);
    patctl.run(&["whoami"], "").with_code(4);

    let (words, password) = login("acme-admin");
    patctl.json(&words.each_ref().map(String::as_str), &password);
    let invited = patctl.json(&["users", "invite", "newcomer", "--role", "Viewer"], "");
    let luid = text(&invited, "/luid");
    let redeem = ["invitation", "redeem", "--server", url, "--invitation-stdin", "--password-stdin"];
    patctl.run(&redeem, &format!("{}\nbattery staple\n", text(&invited, "/invitation"))).with_code(0);
    patctl.run(&redeem, &format!("{}\nbattery staple\n", text(&invited, "/invitation"))).with_code(1);
    assert_eq!(text(&patctl.json(&["users", "show", &luid], ""), "/username"), "newcomer");
    patctl.json(&["users", "set-role", &luid, "Explorer"], "");
    patctl.json(&["users", "disable", &luid], "");
    patctl.json(&["users", "enable", &luid], "");
    assert!(patctl.json(&["users", "list"], "").to_string().contains("newcomer"));
    patctl.run(&["users", "remove", &luid], "").with_code(0);
    let member = facts.text("/users/acme-member/luid");
    patctl.run(&["tokens", "revoke-all", "--user", member], "").with_code(0);
    assert!(patctl.json(&["events", "--limit", "50"], "").to_string().contains("patd.user.removed"));
    for words in
        [["whoami"].as_slice(), &["tokens", "list", "--all", "--ended"], &["users", "list"], &["events"]]
    {
        patctl.run(words, "").with_code(0);
    }
    let before = ["revocations", "--issued-before", "2020-01-01T00:00:00Z"];
    assert_eq!(patctl.json(&[&before[..], &["--dry-run"]].concat(), "")["tokens"], 0);
    assert_eq!(patctl.json(&before, "")["dry_run"], false);
    patctl.run(&["revocations", "--issued-before", "yesterday"], "").with_code(1).says(&["issued_before"]);
    let secret = format!("{}\n", facts.text("/tokens/member/secret"));
    let token = ["login", "--server", url, "--site", "globex", "--token-stdin"];
    patctl.run(&[&token[..], &["--token-name", "another"]].concat(), &secret).with_code(1);
    patctl.run(&[&token[..], &["--token-name", "sample"]].concat(), &secret).with_code(0);
    patctl.run(&token, &secret).with_code(0);
    patctl.run(&["tokens", "create", "by-a-token"], "").with_code(1).says(&["interactive"]);
    patctl.assert_all_run();
}

/// Answers the secret that `totp enable` shows with a code; gives a recovery code.
fn enable_totp(patctl: &mut Program) -> String {
    let words = ["totp", "enable", "--code-stdin", "--output", "json"];
    let mut child = patctl.command(&words).spawn().expect("the program runs");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut shown = String::new();
    // The first object is printed before the code is read.
    let begun: Value = loop {
        let mut byte = [0];
        assert_eq!(out.read(&mut byte).expect("its output"), 1, "it ended without a secret: {shown}");
        shown.push(char::from(byte[0]));
        match Deserializer::from_str(&shown).into_iter().next() {
            Some(Ok(value)) => break value,
            Some(Err(error)) => assert!(error.is_eof(), "{error}: {shown}"),
            None => {}
        }
    };
    let mut stdin = child.stdin.take().expect("its input");
    writeln!(stdin, "{}", totp_code(&text(&begun, "/secret"))).expect("the code is read");
    drop(stdin);
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("its output");
    ended(&words, child.wait_with_output().expect("it ends")).with_code(0);
    let confirmed: Value = serde_json::from_str(&rest).unwrap_or_else(|error| panic!("{error}: {rest}"));
    text(&confirmed, "/recovery_codes/0")
}
