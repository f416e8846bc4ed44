//! Every bad value is refused where it stands: file, line, key.

use super::parse;
use crate::ConfigError;

/// Asserts that `text` has exactly one mistake, in this line, at this key, and that the message has `part`.
fn check(text: &str, line: usize, key: &str, part: &str) {
    let error = parse(text).expect_err(text);
    let [problem] = error.problems() else { panic!("one mistake in {text:?}, told: {error}") };
    assert_eq!((problem.line, &*problem.key), (Some(line), key), "{text:?}: {error}");
    assert!(problem.message.contains(part), "{text:?}: {error}");
    let shown =
        if key.is_empty() { format!("patd.toml:{line}: ") } else { format!("patd.toml:{line}: {key}: ") };
    assert!(error.to_string().starts_with(&shown), "{error}");
}

#[test]
fn an_unknown_key_is_refused_with_file_line_and_key() {
    check("[server]\nlistn = []\n", 2, "server.listn", "unknown key `listn`, expected one of `listen`");
    check("\n[servr]\n", 2, "servr", "unknown key `servr`");
    check("[log]\nlevel = 'info'\ncolour = true", 3, "log.colour", "unknown key");
    check("[limits]\nmax_bodies = 1", 2, "limits.max_bodies", "unknown key");
    check("[plugins]\nfolder = '/x'", 2, "plugins.folder", "unknown key");
    check(
        "[hashers.tokens]\nplugin = 'x'\n[hashers.passwords]\nplugin = 'x'\nhash = 1",
        5,
        "hashers.passwords.hash",
        "unknown key",
    );
    check("[stores.directory]\nplugin = 'x'\nurl = 'x'", 3, "stores.directory.url", "unknown key");
    check("[sinks.file]\nplugin = 'x'\npath = 'x'", 3, "sinks.file.path", "unknown key");
    check("[defaults]\nswitch_site = true", 2, "defaults.switch_site", "unknown key");
    check("[sites.acme]\n\nluid = 'x'", 3, "sites.acme.luid", "unknown key");
    check("[sites.acme.pat]\n\nmints = true", 3, "sites.acme.pat.mints", "unknown key");
    check("sites.acme.pat.mints = true", 1, "sites.acme.pat.mints", "unknown key");
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    check("[server]\nlisten = [\n\n[log]\n", 4, "", "");
    check("[log]\nlevel = 'info'\nlevel = 'warn'\n", 3, "", "duplicate key");
}

#[test]
fn a_wrong_type_is_refused_with_its_line() {
    check("[server]\nlisten = '127.0.0.1:1'", 2, "server.listen", "invalid type");
    check("[server]\n\nlisten = [\n'127.0.0.1:1',\n5]", 5, "server.listen[1]", "invalid type");
    check("[limits]\nmax_body = '5'", 2, "limits.max_body", "invalid type");
    check("[limits]\nhash_queue = -1", 2, "limits.hash_queue", "invalid value");
    check("[defaults]\nsession_lifetime = 120", 2, "defaults.session_lifetime", "invalid type");
    check("sites = 5", 1, "sites", "invalid type");
    check("[sites]\nacme = 5", 2, "sites.acme", "invalid type");
}

#[test]
fn a_missing_key_is_refused_with_the_line_of_its_table() {
    check("[log]\n[hashers.tokens]\nconfig = {}", 2, "hashers.tokens", "missing key `plugin`");
}

#[test]
fn bad_values_of_server_are_refused() {
    check("[server]\nlisten = []", 2, "server.listen", "at least one");
    check("[server]\nlisten = ['localhost']", 2, "server.listen[0]", "is no address");
    check("[server]\nlisten = ['unix:patd.sock']", 2, "server.listen[0]", "absolute");
    check("[server]\nlisten = ['127.0.0.1:8420',\n'127.0.0.1:8420']", 3, "server.listen[1]", "twice");
    check("[server]\nmanagement = '127.0.0.1:8420'", 2, "server.management", "must differ");
    check("[server]\ndata_dir = 'data'", 2, "server.data_dir", "absolute");
    check(
        "[server]\ntrusted_proxies = ['10.0.0.0/8', '10.0.0.0/33']",
        2,
        "server.trusted_proxies[1]",
        "network",
    );
    for url in [
        "patd.example",
        "ftp://x",
        "https://",
        "https://:80",
        "https://u:p@x",
        "https://x?y",
        "https://x#y",
        "http://x:port",
        "http://a b",
    ] {
        check(&format!("[server]\npublic_url = '{url}'"), 2, "server.public_url", "http://HOST");
    }
}

#[test]
fn bad_values_of_log_limits_and_plugins_are_refused() {
    check("[log]\nformat = 'xml'", 2, "log.format", "unknown variant");
    check("[log]\nlevel = 'loud'", 2, "log.level", "unknown variant");
    check("[audit]\nsigning_key = 'audit.key'", 2, "audit.signing_key", "absolute");
    check("[audit]\n\nkeep = '9s'", 3, "audit.keep", "at least");
    check("[audit]\nkeep = '400'", 2, "audit.keep", "no duration");
    check("[audit]\nkeep = 400", 2, "audit.keep", "invalid type");
    check("[audit]\nkeep = '40000d'", 2, "audit.keep", "no duration");
    check("[limits]\nattempts_per_account = 0", 2, "limits.attempts_per_account", "at least 1");
    check("[limits]\nattempts_per_address = 0", 2, "limits.attempts_per_address", "at least 1");
    check("[limits]\nfirst_delay = '0s'", 2, "limits.first_delay", "longer than nothing");
    check("[limits]\nfirst_delay = '2s'\nmax_delay = '1s'", 3, "limits.max_delay", "not be shorter");
    check("[limits]\nmax_delay = '2d'", 2, "limits.max_delay", "lock-out");
    check("[limits]\nmax_body = 10", 2, "limits.max_body", "between");
    check("[limits]\nheader_timeout = '10'", 2, "limits.header_timeout", "is no duration");
    check("[limits]\nheader_timeout = '2h'", 2, "limits.header_timeout", "between");
    check("[limits]\nrequest_timeout = '0s'", 2, "limits.request_timeout", "between");
    check("[limits]\nmax_connections = 0", 2, "limits.max_connections", "at least 1");
    check("[limits]\nhash_queue = 0", 2, "limits.hash_queue", "at least 1");
    check("[plugins]\ndir = 'plugins'", 2, "plugins.dir", "absolute");
}

#[test]
fn bad_values_of_plugin_entries_are_refused() {
    check("[hashers.tokens]\nplugin = '../x'\n", 2, "hashers.tokens.plugin", "is no name");
    check("[sinks.file]\nplugin = 'x'\nsha256 = '00'", 3, "sinks.file.sha256", "64 hexadecimal");
    let pin = "0".repeat(63);
    check(
        &format!("[sinks.file]\nplugin = 'x'\nsha256 = '{pin}g'"),
        3,
        "sinks.file.sha256",
        "64 hexadecimal",
    );
    check(
        &format!("[sinks.file]\nplugin = 'x'\nsha256 = '{pin}é'"),
        3,
        "sinks.file.sha256",
        "64 hexadecimal",
    );
    check("[sinks.'a b']\nplugin = 'x'", 1, "sinks.a b", "is no name");
    check("[sinks.file]\nplugin = 'x'\ndeadline = '0s'", 3, "sinks.file.deadline", "longer");
    check("[sinks.file]\nplugin = 'x'\nmax_backlog = 0", 3, "sinks.file.max_backlog", "at least 1");
    check("[sinks.file]\nplugin = 'x'\non_full = 'drop'", 3, "sinks.file.on_full", "expected");
    check("[sinks.file]\nplugin = 'x'\nseverity = 'bad'", 3, "sinks.file.severity", "expected");
    check("[sinks.file]\nplugin = 'x'\nretry = { first = '0s' }", 3, "sinks.file.retry.first", "longer");
    check("[sinks.file]\nplugin = 'x'\nretry.max = '500ms'", 3, "sinks.file.retry.max", "shorter");
    check("[sinks.file]\nplugin = 'x'\nretry.times = 5", 3, "sinks.file.retry.times", "unknown key");
    check("[sinks.file]\nplugin = 'x'\nsites = ['acme']", 3, "sinks.file.sites[0]", "no entry of this name");
    check(
        "[sinks.file]\nplugin = 'x'\ntypes = ['patd.token.*', 'token']",
        3,
        "sinks.file.types[1]",
        "no event type",
    );
    check("[stores.sites]\nplugin = 'x'", 1, "stores.directory", "is missing");
    let store = "[stores.sites]\nplugin = 'x'\n[stores.directory]\nplugin = 'x'\n";
    check(
        &format!("{store}config = {{ url = '{{luid}}' }}"),
        5,
        "stores.directory.config",
        "belongs to no site",
    );
    let both = "config.key = { from_file = '/x', from_env = 'X' }";
    check(&format!("[sinks.file]\nplugin = 'x'\n{both}"), 3, "sinks.file.config.key", "never two");
    check(
        "[sinks.file]\nplugin = 'x'\nconfig.key = { from_env = 5 }",
        3,
        "sinks.file.config.key",
        "take a text",
    );
}

#[test]
fn references_to_what_does_not_exist_are_refused() {
    check(
        "[defaults]\ntoken_hasher = 'x'",
        2,
        "defaults.token_hasher",
        "[hashers] has no entry of this name; known: passwords, tokens",
    );
    check(
        "[defaults]\npassword_hasher = 'x'",
        2,
        "defaults.password_hasher",
        "[hashers] has no entry of this name",
    );
    check(
        "[defaults]\nstore = 'x'",
        2,
        "defaults.store",
        "[stores] has no entry of this name; known: directory, sites",
    );
    check("[defaults]\nstore = 'directory'", 2, "defaults.store", "for sites and people alone");
    check(
        "[defaults]\nsinks = ['file',\n'x']",
        3,
        "defaults.sinks[1]",
        "[sinks] has no entry of this name; known: file",
    );
    check("[defaults]\nsinks = ['file',\n'file']", 3, "defaults.sinks[1]", "twice");
    check(
        "[sites.acme]\ntoken_hasher = 'x'",
        2,
        "sites.acme.token_hasher",
        "[hashers] has no entry of this name",
    );
    check(
        "[sites.acme]\npassword_hasher = 'x'",
        2,
        "sites.acme.password_hasher",
        "[hashers] has no entry of this name",
    );
    check("[sites.acme]\nstore = 'x'", 2, "sites.acme.store", "[stores] has no entry of this name");
    check("[sites.acme]\nsinks = ['x']", 2, "sites.acme.sinks[0]", "[sinks] has no entry of this name");
    let implicit = parse("[sinks.other]\nplugin = 'x'").expect_err("`defaults.sinks` names `file`");
    assert_eq!(
        implicit.to_string(),
        "patd.toml: defaults.sinks[0]: [sinks] has no entry of this name; known: other"
    );
}

#[test]
fn bad_values_of_sites_are_refused() {
    check("[sites.acme]\ncontent_url = ''", 2, "sites.acme.content_url", "is no name");
    check("[sites.acme]\ncontent_url = 'a/b'", 2, "sites.acme.content_url", "is no name");
    check(&format!("[sites.{}]", "x".repeat(65)), 1, &format!("sites.{}", "x".repeat(65)), "is no name");
    check("[sites.acme]\nname = ''", 2, "sites.acme.name", "1 to 200");
    check("[sites.acme]\nname = \"a\\u0007\"", 2, "sites.acme.name", "control");
    check("[sites.acme]\nsession_lifetime = '0s'", 2, "sites.acme.session_lifetime", "between");
    check("[defaults]\nsession_lifetime = '366d'", 2, "defaults.session_lifetime", "between");
    check("[sites.acme]\ntokens_per_user = 0", 2, "sites.acme.tokens_per_user", "between");
    check("[defaults]\ntokens_per_user = 10001", 2, "defaults.tokens_per_user", "between");
    check("[sites.acme]\nforeign_tokens = 'ask'", 2, "sites.acme.foreign_tokens", "unknown variant");
    check("[sites.acme]\npat.max_lifetime = '366d'", 2, "sites.acme.pat.max_lifetime", "not lengthen");
    check("[sites.acme]\npat = { idle_limit = '16d' }", 2, "sites.acme.pat.idle_limit", "not lengthen");
    check("[sites.acme]\npat = { idle_limit = '0s' }", 2, "sites.acme.pat.idle_limit", "between");
}

#[test]
fn two_sites_with_one_content_url_are_refused_whatever_the_case() {
    let text = "[sites.acme]\ncontent_url = 'Shop'\n[sites.globex]\ncontent_url = 'sHOP'";
    check(text, 4, "sites.globex.content_url", "that of the site `acme` (line 2) too");
    check("[sites.Acme]\n[sites.acme]", 2, "sites.acme", "that of the site `Acme` (line 1) too");
    let luid = "0b56cd27-4ac6-4f5f-9c07-1c5ba2d50b3c";
    check(&format!("[sites.acme]\ncontent_url = '{luid}'"), 2, "sites.acme.content_url", "look like a LUID");
}

#[test]
fn mistakes_of_meaning_are_told_all_at_once() {
    let error = parse("[defaults]\nstore = 'x'\n[sites.acme]\nsinks = ['y']").expect_err("two mistakes");
    let lines: Vec<_> = error.problems().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(2), Some(4)]);
    assert_eq!(error.to_string().lines().count(), 2);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = crate::Config::load("/nonexistent/patd.toml").expect_err("no such file");
    assert!(matches!(error, ConfigError::Unreadable { .. }));
    assert!(error.to_string().starts_with("/nonexistent/patd.toml: "), "{error}");
}

#[test]
fn no_message_quotes_a_value_that_is_not_what_it_should_be() {
    let secret = "hunter2, expected nothing \\\" of `it`";
    let mut told = 0;
    for (section, key) in [
        ("log", "level"),
        ("log", "format"),
        ("server", "listen"),
        ("server", "management"),
        ("server", "public_url"),
        ("server", "data_dir"),
        ("limits", "max_body"),
        ("limits", "first_delay"),
        ("plugins", "dir"),
        ("plugins", "allow_unpinned"),
        ("hashers.tokens", "plugin"),
        ("sinks.file", "sha256"),
        ("defaults", "store"),
        ("defaults", "session_lifetime"),
        ("sites.acme", "content_url"),
        ("sites.acme", "foreign_tokens"),
        ("sites.acme", "token_hasher"),
        ("sites.acme", "pat"),
    ] {
        for value in [format!("\"{secret}\""), format!("[\"{secret}\"]"), "\"hunter2\"".to_owned()] {
            let Err(error) = parse(&format!("[{section}]\n{key} = {value}\n")) else { continue };
            let text = error.to_string();
            assert!(!text.contains("hunter2"), "{section}.{key}: {text}");
            told += 1;
        }
    }
    let networks = parse("[server]\ntrusted_proxies = ['hunter2']").expect_err("no network").to_string();
    let sinks = parse("[sites.acme]\nsinks = ['hunter2']").expect_err("no sink").to_string();
    assert!(!networks.contains("hunter2") && !sinks.contains("hunter2"), "{networks} {sinks}");
    assert!(told > 40, "{told}");
}

#[test]
fn a_wrong_type_is_told_without_its_value() {
    let told = |text: &str| parse(text).expect_err(text).to_string();
    assert_eq!(
        told("[limits]\nmax_body = 'a, expected b'"),
        "patd.toml:2: limits.max_body: invalid type: string, expected u64"
    );
    assert!(told("[log]\nlevel = 'loud'").contains("unknown variant, expected one of `error`"));
}
