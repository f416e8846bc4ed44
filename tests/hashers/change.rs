//! A site goes from hasher to hasher by reload, as an operator would do it: the new one first, the old one out when no token
//! needs it any more. Taking it out too soon is refused wherever it is tried, with how many tokens need it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{generations, refused_reload, write_key};
use crate::harness::{Daemon, Stage, path_of, until};

/// The hashers in turn: name, scheme as it is told, section.
const HASHERS: [(&str, &str, &str); 3] = [
    ("tokens", "pbkdf2-sha256", "plugin = \"hasher-pbkdf2\"\nconfig = { iterations = 1000 }"),
    (
        "stronger",
        "argon2id",
        "plugin = \"hasher-argon2id\"\nconfig = { memory_kib = 256, iterations = 1, lanes = 1 }",
    ),
    (
        "keyed",
        "hmac-sha256 kid=one",
        "plugin = \"hasher-hmac\"\nconfig = { keys = [{ kid = \"one\", key = { from_file = \"KEY\" } }] }",
    ),
];
/// For passwords, so that none of the schemes above is needed by them.
const PASSWORDS: &str = "[hashers.passwords]\nplugin = \"example-hasher-c\"\nconfig = { iterations = 500 }\n";

/// A config with these of the hashers; the last makes new digests.
struct Configs {
    plain: String,
    key: PathBuf,
}

impl Configs {
    fn of(daemon: &Daemon) -> Self {
        let key = daemon.folder().join("key");
        write_key(&key, 'k', 0o600);
        let plain = std::fs::read_to_string(daemon.config()).expect("the config file");
        let from = plain.find("[hashers.tokens]").expect("the hashers");
        let to = plain.find("[stores.directory]").expect("the stores");
        Self { plain: format!("{}HASHERS{}", &plain[..from], &plain[to..]), key }
    }

    fn write(&self, daemon: &Daemon, hashers: &[(&str, &str, &str)]) {
        let section = |(name, _, section): &(&str, &str, &str)| {
            let section = section.replace("KEY", self.key.to_str().expect("a plain path"));
            format!("[hashers.{name}]\n{section}\n")
        };
        let all: String = hashers.iter().map(section).collect();
        let (default, _, _) = hashers.last().expect("a hasher");
        let config = self.plain.replace("HASHERS", &(all + PASSWORDS));
        let config = config.replace("[defaults]\n", &format!("[defaults]\ntoken_hasher = \"{default}\"\n"));
        std::fs::write(daemon.config(), config).expect("the config is written");
    }
}

fn patd(daemon: &Daemon, words: &[&str]) -> Output {
    let mut patd = Command::new(path_of("PATD_TEST_PATD"));
    patd.arg("--config").arg(daemon.config()).args(["--output", "json"]).args(words);
    patd.output().expect("patd runs")
}

/// A command that must be refused with this code; what it said.
fn refused(daemon: &Daemon, words: &[&str], code: i32) -> (Value, String) {
    let output = patd(daemon, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    (serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

/// How many tokens of the site each scheme has.
fn shares(doctor: &Value) -> BTreeMap<String, u64> {
    let digests = doctor["digests"].as_array().expect("digests").iter();
    let tokens = digests.filter(|one| one["kind"] == "token");
    let share = |one: &Value| {
        let scheme = one["scheme"].as_str().expect("a scheme");
        let kid = one["kid"].as_str().map(|kid| format!(" kid={kid}")).unwrap_or_default();
        (format!("{scheme}{kid}"), one["count"].as_u64().expect("a count"))
    };
    tokens.map(share).collect()
}

async fn until_shares(daemon: &Daemon, expected: &[(&str, u64)]) {
    let expected: BTreeMap<String, u64> =
        expected.iter().map(|(scheme, count)| ((*scheme).to_owned(), *count)).collect();
    let what = format!("the shares are {expected:?}");
    until(&what, async || shares(&daemon.patd(&["doctor"])) == expected).await;
}

/// Every file of the stores with its content.
fn stores(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = |folder: PathBuf| {
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path())
    };
    let all = files(folder.to_owned()).chain(files(folder.join("sites")));
    let stores =
        all.filter(|path| path.extension().is_some_and(|ending| ending.to_string_lossy().starts_with("db")));
    stores.map(|path| (path.clone(), std::fs::read(path).expect("its content"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_changes_hashers_by_reload_and_a_scheme_in_use_leaves_only_when_no_token_needs_it() {
    let daemon = Daemon::start("").await;
    let configs = Configs::of(&daemon);
    configs.write(&daemon, &HASHERS[..1]);
    daemon.patd(&["reload"]);
    daemon.restart().await;
    let stage = Stage::on(daemon).await;
    let daemon = &stage.daemon;
    let person = stage.person("acme", "Creator").await;
    let (busy, idle) = (stage.mint(&person, "acme").await, stage.mint(&person, "acme").await);

    for pair in HASHERS.windows(2) {
        let ((_, old, _), (_, new, _)) = (pair[0], pair[1]);
        configs.write(daemon, pair);
        assert_eq!(daemon.patd(&["config", "check"])["not_checked"], json!([]));
        daemon.patd(&["reload"]);
        until_shares(daemon, &[(old, 2)]).await;
        stage.use_token(&busy, "acme").await.expect(201);
        until_shares(daemon, &[(old, 1), (new, 1)]).await;

        // Too soon: one token has not been used since.
        configs.write(daemon, &pair[1..]);
        let needed = format!("1 tokens of site `acme` under {old}");
        let (before, log) = (generations(daemon), daemon.log().len());
        let (_, said) = refused(daemon, &["config", "check"], 1);
        assert!(said.contains(&needed) && said.contains("keep the old hasher"), "{said}");
        assert_eq!(daemon.log().len(), log, "the check is in the daemon's log: {}", &daemon.log()[log..]);
        let said = refused_reload(daemon);
        assert!(said.contains(&needed), "{said}");
        assert_eq!(generations(daemon), before);
        stage.use_token(&busy, "acme").await.expect(201);
        the_same_without_a_daemon(daemon, &needed, &[(old, 1), (new, 1)]).await;

        // The old goes on serving, and the token comes over by being used.
        configs.write(daemon, pair);
        daemon.restart().await;
        stage.use_token(&idle, "acme").await.expect(201);
        until_shares(daemon, &[(new, 2)]).await;
        configs.write(daemon, &pair[1..]);
        daemon.patd(&["config", "check"]);
        daemon.patd(&["reload"]);
        for token in [&busy, &idle] {
            stage.use_token(token, "acme").await.expect(201);
        }
    }
    daemon.restart().await;
    stage.use_token(&idle, "acme").await.expect(201);
}

/// The config drops a scheme in use: it is told by the check and the doctor, neither changes a store, and it does not start.
async fn the_same_without_a_daemon(daemon: &Daemon, needed: &str, expected: &[(&str, u64)]) {
    daemon.stop().await;
    let before = stores(&daemon.data_dir());
    assert_eq!(before.len(), 3, "the directory and two sites: {:?}", before.keys());
    let (_, said) = refused(daemon, &["config", "check"], 1);
    assert!(said.contains(needed), "{said}");
    let (doctor, said) = refused(daemon, &["doctor"], 1);
    assert!(said.contains("1 of "), "{said}");
    let expected: BTreeMap<String, u64> =
        expected.iter().map(|(scheme, count)| ((*scheme).to_owned(), *count)).collect();
    assert_eq!(shares(&doctor), expected);
    let lines = doctor["lines"].as_array().expect("lines");
    let failed: Vec<_> = lines.iter().filter(|line| line["outcome"] == "fail").collect();
    let [line] = failed[..] else { panic!("one line fails: {failed:?}") };
    let text = |member: &str| line[member].as_str().expect("a text");
    assert!(text("what").contains(needed) && text("do").contains("abandoned_digests"), "{line}");
    for check in ["data folder", "secrets", "disk", "plug-ins", "clock", "stores", "sinks", "digests"] {
        assert!(lines.iter().any(|line| line["check"] == check), "no line of {check}: {lines:?}");
    }
    assert!(stores(&daemon.data_dir()) == before, "a store was changed");
    let (_, said) = refused(daemon, &["serve"], 3);
    assert!(said.contains(needed), "{said}");
    // A backup that was put back has no lock file yet, and gets none by being looked at.
    let lock = daemon.data_dir().join("patd.lock");
    std::fs::remove_file(&lock).expect("a lock file");
    let (_, said) = refused(daemon, &["config", "check"], 1);
    assert!(said.contains(needed), "{said}");
    let (doctor, _) = refused(daemon, &["doctor"], 1);
    assert_eq!(shares(&doctor), expected);
    assert!(!lock.exists() && stores(&daemon.data_dir()) == before, "the folder was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn config_check_has_nothing_to_say_of_a_fresh_folder_and_makes_none() {
    let daemon = Daemon::start("").await;
    daemon.kill();
    let fresh = daemon.folder().join("fresh");
    let data_dir = |folder: &Path| format!("data_dir = \"{}\"", folder.display());
    daemon.edit(&data_dir(&daemon.data_dir()), &data_dir(&fresh));
    let nothing = |checked: &Value| {
        assert_eq!((&checked["digests"], &checked["not_checked"]), (&json!([]), &json!([])), "{checked}");
    };
    nothing(&daemon.patd(&["config", "check"]));
    assert!(!fresh.exists());
    std::fs::create_dir(&fresh).expect("a folder");
    nothing(&daemon.patd(&["config", "check"]));
    assert_eq!(std::fs::read_dir(&fresh).expect("the folder").count(), 0);
    // A folder with something else in it is looked at, and is as it was.
    std::fs::write(fresh.join("note"), "restore here").expect("a file");
    nothing(&daemon.patd(&["config", "check"]));
    assert_eq!(std::fs::read_dir(&fresh).expect("the folder").count(), 1);
}
