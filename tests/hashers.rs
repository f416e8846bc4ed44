//! A site's hasher is changed by config, to each hasher that comes with patd, the one in C included: nobody is locked out, and
//! what was made before is renewed at the next sign-in.

mod change;

use std::time::Duration;

use serde_json::json;

use crate::harness::{Daemon, Kind, Stage, path_of};

/// The hasher's section, the scheme of its digests, and whether it is one for passwords too.
const HASHERS: [(&str, &str, bool); 3] = [
    ("plugin = \"example-hasher-c\"\nconfig = { iterations = 500 }", "$example-pbkdf2-sha256$i=500$", true),
    (
        "plugin = \"hasher-argon2id\"\nconfig = { memory_kib = 256, iterations = 1, lanes = 1 }",
        "$argon2id$v=19$m=256,t=1,p=1$",
        true,
    ),
    (
        "plugin = \"hasher-hmac\"\nconfig = { keys = [{ kid = \"one\", key = { from_file = \"KEY\" } }] }",
        "$hmac-sha256$kid=one$",
        false,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_hasher_locks_nobody_out_and_renews_digests() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let mut tokens = vec![stage.mint(&person, "acme").await];
    let first = std::fs::read_to_string(stage.daemon.config()).expect("the config file");
    let key = stage.daemon.folder().join("key");
    write_key(&key, 'k', 0o600);
    for (section, scheme, passwords) in HASHERS {
        let section = section.replace("KEY", key.to_str().expect("a plain path"));
        let password_hasher = if passwords { "next" } else { "passwords" };
        let defaults =
            format!("[defaults]\ntoken_hasher = \"next\"\npassword_hasher = \"{password_hasher}\"\n");
        let config = first.replace("[defaults]\n", &defaults) + "\n[hashers.next]\n" + &section + "\n";
        std::fs::write(stage.daemon.config(), config).expect("the config is written");
        // Digests of the hasher before this one are still understood: it stays in the config under another name.
        keep_the_last(&stage.daemon, tokens.len());
        stage.daemon.restart().await;
        assert!(!stored(&stage.daemon, scheme), "{scheme} is new");
        for token in &tokens {
            stage.use_token(token, "acme").await.expect(201);
        }
        renewed(&stage.daemon, scheme).await;
        let token = stage.mint(&person, "acme").await;
        stage.use_token(&token, "acme").await.expect(201);
        for token in &tokens {
            stage.use_token(token, "acme").await.expect(201);
        }
        stage.session(&person, "acme", Kind::Password).await;
        let wrong =
            json!({"site": "acme", "username": person.username, "password": "correct horse battery stapl"});
        stage.sign_in(&wrong).await.refused("401 credentials-rejected");
        tokens.push(token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_by_reload_and_its_file_belongs_to_its_owner_alone() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let plain = std::fs::read_to_string(stage.daemon.config()).expect("the config file");
    let file = |name: &str| stage.daemon.folder().join(name).display().to_string();
    let configure = |kids: &[&str]| {
        let entry = |kid: &&str| format!("{{ kid = \"{kid}\", key = {{ from_file = \"{}\" }} }}", file(kid));
        let keys = kids.iter().map(entry).collect::<Vec<_>>().join(", ");
        let section =
            format!("\n[hashers.keyed]\nplugin = \"hasher-hmac\"\nconfig = {{ keys = [{keys}] }}\n");
        let config = plain.replace("[defaults]\n", "[defaults]\ntoken_hasher = \"keyed\"\n") + &section;
        std::fs::write(stage.daemon.config(), config).expect("the config is written");
    };
    write_key(file("one").as_ref(), 'k', 0o600);
    configure(&["one"]);
    stage.daemon.patd(&["reload"]);
    let token = stage.mint(&person, "acme").await;
    stage.use_token(&token, "acme").await.expect(201);

    // A key that others can read is refused, and the old one goes on.
    write_key(file("two").as_ref(), 'o', 0o640);
    configure(&["two", "one"]);
    let refused = std::process::Command::new(path_of("PATD_TEST_PATD"))
        .arg("--config")
        .arg(stage.daemon.config())
        .arg("reload")
        .output()
        .expect("patd runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains(&format!("chmod 600 {}", file("two"))), "{said}");
    stage.use_token(&token, "acme").await.expect(201);

    write_key(file("two").as_ref(), 'o', 0o600);
    stage.daemon.patd(&["reload"]);
    stage.use_token(&token, "acme").await.expect(201);
    renewed(&stage.daemon, "$hmac-sha256$kid=two$").await;
    configure(&["two"]);
    stage.daemon.patd(&["reload"]);
    stage.use_token(&token, "acme").await.expect(201);
}

/// A reload that must be refused; what it said.
fn refused_reload(daemon: &Daemon) -> String {
    let refused = std::process::Command::new(path_of("PATD_TEST_PATD"))
        .arg("--config")
        .arg(daemon.config())
        .arg("reload")
        .output()
        .expect("patd runs");
    assert!(!refused.status.success(), "the reload was not refused");
    String::from_utf8_lossy(&refused.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_live_tokens_need_leaves_only_when_they_are_renewed_or_given_up() {
    let stage = Stage::start("").await;
    let person = stage.person("acme", "Creator").await;
    let plain = std::fs::read_to_string(stage.daemon.config()).expect("the config file");
    for (name, letter) in [("one", 'k'), ("two", 'o')] {
        write_key(&stage.daemon.folder().join(name), letter, 0o600);
    }
    // Two hashers of one scheme: the one that no site uses is there to check only.
    let configure = |hashers: &[(&str, &str)], more: &str| {
        let mut config = plain
            .replace("[defaults]\n", "[defaults]\ntoken_hasher = \"keyed\"\n")
            .replace("[plugins]\n", &format!("[plugins]\n{more}\n"));
        for (name, kid) in hashers {
            let file = stage.daemon.folder().join(kid);
            config.push_str(&format!(
                "\n[hashers.{name}]\nplugin = \"hasher-hmac\"\nconfig = {{ keys = [{{ kid = \"{kid}\", key = {{ from_file = \"{}\" }} }}] }}\n",
                file.display()
            ));
        }
        std::fs::write(stage.daemon.config(), config).expect("the config is written");
    };
    configure(&[("keyed", "one")], "");
    stage.daemon.patd(&["reload"]);
    let token = stage.mint(&person, "acme").await;
    let idle = stage.mint(&person, "acme").await;

    configure(&[("keyed", "two")], "");
    // The key that is dropped never serves: not one sign-in meets it, and the instance stays the same one.
    let before = generations(&stage.daemon);
    let said = std::thread::scope(|threads| {
        let refused = threads.spawn(|| (0..5).map(|_| refused_reload(&stage.daemon)).last());
        tokio::task::block_in_place(|| {
            while !refused.is_finished() {
                tokio::runtime::Handle::current().block_on(stage.use_token(&token, "acme")).expect(201);
            }
        });
        refused.join().expect("the reloads end").expect("the last one")
    });
    assert!(said.contains("2 tokens of site `acme` under hmac-sha256 kid=one"), "{said}");
    assert_eq!(generations(&stage.daemon), before);
    stage.use_token(&token, "acme").await.expect(201);

    configure(&[("keyed", "two"), ("old", "one")], "");
    stage.daemon.patd(&["reload"]);
    stage.use_token(&token, "acme").await.expect(201);
    renewed(&stage.daemon, "$hmac-sha256$kid=two$").await;
    stage.use_token(&token, "acme").await.expect(201);
    configure(&[("keyed", "two")], "");
    let said = refused_reload(&stage.daemon);
    assert!(said.contains("1 tokens of site `acme` under hmac-sha256 kid=one"), "{said}");

    configure(&[("keyed", "two")], "abandoned_digests = [\"hmac-sha256 kid=one\"]");
    stage.daemon.patd(&["reload"]);
    stage.use_token(&token, "acme").await.expect(201);
    stage.use_token(&idle, "acme").await.refused("401 credentials-rejected");
    stage.daemon.restart().await;
    stage.use_token(&token, "acme").await.expect(201);
}

/// Every instance with its generation.
fn generations(daemon: &Daemon) -> Vec<(String, u64)> {
    let plugins = daemon.patd(&["plugin", "list"]);
    let one = |plugin: &serde_json::Value| {
        let name = plugin["instance"].as_str().expect("a name").to_owned();
        (name, plugin["generation"].as_u64().expect("a number"))
    };
    plugins.as_array().expect("a list").iter().map(one).collect()
}

/// Adds the hashers of the rounds before, whose digests may still be stored.
fn keep_the_last(daemon: &Daemon, rounds: usize) {
    let mut config = std::fs::read_to_string(daemon.config()).expect("the config file");
    for (number, (section, _, _)) in HASHERS.iter().take(rounds - 1).enumerate() {
        config.push_str(&format!("\n[hashers.before-{number}]\n{section}\n"));
    }
    std::fs::write(daemon.config(), config).expect("the config is written");
}

/// 32 bytes in base64.
fn write_key(file: &std::path::Path, letter: char, mode: u32) {
    use std::os::unix::fs::PermissionsExt;

    std::fs::write(file, format!("{}=\n", letter.to_string().repeat(43))).expect("the key is written");
    std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).expect("its mode");
}

/// Whether the text is in a store's file.
fn stored(daemon: &Daemon, text: &str) -> bool {
    let files = std::fs::read_dir(daemon.data_dir().join("sites")).expect("the stores' folder");
    files.filter_map(Result::ok).any(|file| {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

async fn renewed(daemon: &Daemon, scheme: &str) {
    let seen = async {
        while !stored(daemon, scheme) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), seen).await;
    assert!(in_time.is_ok(), "no digest was renewed under {scheme}");
}
