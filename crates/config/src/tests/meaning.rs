//! What a valid file means.

use std::io::Write as _;
use std::net::IpAddr;

use super::parse;
use crate::*;

#[test]
fn a_site_takes_from_the_defaults_what_it_does_not_say() {
    let text = "
        [defaults]
        session_lifetime = '60m'
        [sites.acme]
        content_url = 'Acme'
        session_lifetime = '5m'
        sinks = []
        [sites.globex]
        switch_site = true
        foreign_tokens = 'refuse'
        pat = { mint = false, max_lifetime = '5s' }";
    let sites = parse(text).unwrap().resolved_sites();
    let [acme, globex] = &sites[..] else { panic!("two sites") };
    assert_eq!((&*acme.key, &*acme.content_url, &*acme.name), ("acme", "Acme", "acme"));
    assert_eq!((acme.session_lifetime, acme.sinks.len(), acme.tokens_per_user), (Span::minutes(5), 0, 104));
    assert_eq!(
        (&*globex.store, &*globex.token_hasher, &*globex.password_hasher),
        ("sites", "tokens", "passwords")
    );
    assert_eq!((globex.session_lifetime, globex.switch_site), (Span::minutes(60), true));
    assert_eq!(globex.foreign_tokens, ForeignTokens::Refuse);
    let pat = Pat { enabled: true, mint: false, max_lifetime: Span::seconds(5), idle_limit: Span::days(15) };
    assert_eq!(globex.pat, pat);
}

#[test]
fn plugin_settings_become_json_with_names_replaced_and_secrets_read() {
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(b"from the file\n").unwrap();
    let folder = secret.path().parent().unwrap().to_str().unwrap();
    let file = secret.path().file_name().unwrap().to_str().unwrap();
    let text = format!(
        "[sinks.file]\nplugin = 'x'\n[sinks.file.config]\nurl = '{{data_dir}}/{{luid}}/{{other}}'\nkey = {{ from_file = '{{data_dir}}/{file}' }}\nhome = {{ from_env = 'PATH' }}\nlist = [1, 2.5, true, {{ a = 'b' }}]"
    );
    let config = parse(&text).unwrap();
    let json = config.sinks["file"].config.to_json(&[("data_dir", folder), ("luid", "L")]).unwrap();
    let expected = serde_json::json!({
        "url": format!("{folder}/L/{{other}}"), "key": "from the file", "home": std::env::var("PATH").unwrap(),
        "list": [1, 2.5, true, {"a": "b"}],
    });
    assert_eq!(json, expected);
    assert!(config.sinks["file"].config.mentions("luid") && !config.sinks["file"].config.mentions("site"));
}

#[test]
fn a_secret_that_cannot_be_read_is_named_by_its_place() {
    let config = parse("[sinks.file]\nplugin = 'x'\nconfig.a.key = { from_file = '/nonexistent' }").unwrap();
    let error = config.sinks["file"].config.to_json(&[]).unwrap_err();
    assert_eq!(error.to_string(), "setting `a.key`: cannot read its value from the file /nonexistent");
    let config =
        parse("[sinks.file]\nplugin = 'x'\nconfig.key = { from_env = 'PATD_NO_SUCH_VARIABLE' }").unwrap();
    let error = config.sinks["file"].config.to_json(&[]).unwrap_err();
    assert!(error.to_string().contains("PATD_NO_SUCH_VARIABLE is not set"), "{error}");
}

#[test]
fn a_secret_that_others_can_read_is_refused_and_not_read() {
    use std::os::unix::fs::PermissionsExt;

    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(b"hunter2").unwrap();
    let path = secret.path().to_str().unwrap().to_owned();
    let config =
        parse(&format!("[sinks.file]\nplugin = 'x'\nconfig.keys = [{{ key = {{ from_file = '{path}' }} }}]"))
            .unwrap();
    for (mode, taken) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o660, false)] {
        secret.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
        match config.sinks["file"].config.to_json(&[]) {
            Ok(json) => assert!(taken && json["keys"][0]["key"] == "hunter2", "{mode:o}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!taken && error.contains(&format!("chmod 600 {path}")), "{mode:o}: {error}");
                assert!(error.contains("`keys.key`") && !error.contains("hunter2"), "{error}");
            }
        }
    }
}

#[test]
fn the_values_of_plugin_settings_never_show() {
    let config = parse("[sinks.file]\nplugin = 'x'\nconfig = { password = 'hunter2' }").unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
    let broken = parse("[sinks.file]\nplugin = 'x'\nconfig = { password = 'hunter2'").unwrap_err();
    assert!(!format!("{broken} {broken:?}").contains("hunter2"));
}

#[test]
fn plugins_without_a_pin_are_listed() {
    let pin = "ab".repeat(32);
    let config = parse(&format!("[sinks.file]\nplugin = 'x'\nsha256 = '{pin}'")).unwrap();
    let keys: Vec<_> = config.unpinned().into_iter().map(|one| one.key).collect();
    assert_eq!(keys, ["hashers.passwords", "hashers.tokens", "stores.directory", "stores.sites"]);
    assert_eq!(config.sinks["file"].sha256.unwrap().bytes(), &[0xab; 32]);
    assert_eq!(config.sinks["file"].sha256.unwrap().to_string(), pin);
}

#[test]
fn addresses_networks_and_files_read_as_written() {
    let text = "
        [server]
        listen = ['[::1]:0', '[::1]:0', 'unix:/run/patd.sock']
        management = 'unix:/run/manage.sock'
        public_url = 'https://pat.example.com:8443/base/'
        trusted_proxies = ['10.0.0.0/8', '::1']
        [plugins]
        dir = '/opt/plugins'";
    let config = parse(text).unwrap();
    assert_eq!(config.server.listen[2].to_string(), "unix:/run/patd.sock");
    assert_eq!(config.server.public_url.as_str(), "https://pat.example.com:8443/base");
    assert!(config.server.public_url.is_https());
    let trusted = |address: &str| {
        let address: IpAddr = address.parse().unwrap();
        config.server.trusted_proxies.iter().any(|network| network.contains(address))
    };
    assert!(trusted("10.1.2.3") && trusted("::1") && !trusted("11.0.0.1") && !trusted("::2"));
    let file = config.plugins.file(&config.hashers["tokens"].plugin);
    assert_eq!(file.to_str(), Some("/opt/plugins/libhasher-pbkdf2.so"));
}

#[test]
fn a_sink_has_terms() {
    let config = parse(
        "[sinks.file]\nplugin = 'x'\ntypes = ['patd.token.*']\nsites = ['acme']\nmax_backlog = 5\non_full = 'deny'\n\
         retry = { first = '250ms' }\n[sites.acme]",
    );
    let sink = &config.unwrap().sinks["file"];
    assert_eq!((&*sink.types, &*sink.sites[0]), (&["patd.token.*".to_owned()][..], "acme"));
    assert_eq!((sink.max_backlog, sink.on_full), (5, OnFull::Deny));
    assert_eq!(sink.retry, Retry { first: Span::millis(250), max: Span::seconds(60) });
}

#[test]
fn a_mistake_that_is_found_later_is_told_by_its_line_or_that_of_the_nearest_key_around_it() {
    let text = "[hashers.tokens]\nplugin = 'x-y'\n[hashers.tokens.config]\na = [\n  1,\n  2]\n\
                [hashers.passwords]\nplugin = 'x-y'\n";
    let config = parse(text).unwrap();
    let told = |path: &[&str]| config.problem(path, "wrong".to_owned()).to_string();
    let within = ["hashers", "tokens", "config", "a", "[1]"];
    assert_eq!(told(&within), "patd.toml:6: hashers.tokens.config.a[1]: wrong");
    assert_eq!(told(&within[..4]), "patd.toml:4: hashers.tokens.config.a: wrong");
    assert_eq!(
        told(&["hashers", "passwords", "config", "b"]),
        "patd.toml:7: hashers.passwords.config.b: wrong"
    );
    assert_eq!(told(&["sinks", "file", "config"]), "patd.toml: sinks.file.config: wrong");
    // Where a key stands is no difference between configs.
    assert_eq!(parse(&format!("# a comment\n{text}")).unwrap(), config);
}
