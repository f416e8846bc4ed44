//! Hashers: the real one works, the faulty one never becomes a pass.

use patd_plugin_host::{CallError, HasherHandle, Kind, LoadErrorKind};
use serde_json::json;

use crate::world::World;

fn create(plugin: &str, config: serde_json::Value) -> Result<HasherHandle, patd_plugin_host::LoadError> {
    HasherHandle::create(&World::new().load(plugin)?, "tokens", &config)
}

fn sin(name: &str) -> Result<HasherHandle, patd_plugin_host::LoadError> {
    create("faulty", json!({ "sin": name }))
}

#[test]
fn pbkdf2_derives_the_same_again_and_re_hashes_on_another_count() {
    let hasher = create("hasher-pbkdf2", json!({ "iterations": 1000 })).expect("passes its self-test");
    let params = hasher.new_params(b"0123456789abcdef").expect("params");
    assert_eq!(params, "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg");
    let digest = hasher.derive(b"secret", &params).expect("derives");
    assert_eq!(*digest, *hasher.derive(b"secret", &params).expect("derives"));
    assert_ne!(*digest, *hasher.derive(b"Secret", &params).expect("derives"));
    assert_eq!(hasher.needs_rehash(&params), Ok(false));
    assert_eq!(hasher.needs_rehash("$pbkdf2-sha256$i=10,l=32$c2FsdA"), Ok(true));
    assert_eq!(hasher.description().schemes, ["pbkdf2-sha256"]);
}

#[test]
fn foreign_and_absurd_params_are_refused_and_do_not_quarantine() {
    let hasher = create("hasher-pbkdf2", json!({ "iterations": 1000 })).expect("passes its self-test");
    for params in ["", "$argon2id$m=1$c2FsdA", "$pbkdf2-sha256$i=4000000000,l=32$c2FsdA"] {
        assert!(matches!(hasher.derive(b"secret", params), Err(CallError::Invalid(_))), "{params}");
    }
    assert!(!hasher.is_quarantined());
}

#[test]
fn a_bad_configuration_is_refused_by_the_schema_that_the_plug_in_describes() {
    for (config, part) in [
        (json!({ "iterations": 0 }), "config.iterations: expected minimum 1"),
        (json!({ "iterations": 10_000_001 }), "config.iterations: expected maximum"),
        (json!({ "iteration": 5 }), "iteration"),
        (json!({ "iterations": "canary" }), "config.iterations: expected"),
    ] {
        let error = create("hasher-pbkdf2", config).expect_err("must be refused");
        assert_eq!(error.kind(), LoadErrorKind::Config);
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_sink_is_no_hasher() {
    let image = World::new().load("audit-file").expect("loads");
    assert!(image.offers(Kind::Audit) && !image.offers(Kind::Hasher));
    let error = HasherHandle::create(&image, "tokens", &json!({})).expect_err("must be refused");
    assert_eq!(error.kind(), LoadErrorKind::Identity);
}

#[test]
fn the_faulty_hasher_without_a_sin_passes() {
    sin("none").expect("passes its self-test");
}

#[test]
fn the_self_test_refuses_every_hasher_that_must_not_meet_a_secret() {
    for name in [
        "panic_in_derive",
        "ignore_secret",
        "constant_digest",
        "empty_digest",
        "truncate_secret",
        "race",
        "no_rehash",
    ] {
        let error = sin(name).expect_err(name);
        assert_eq!(error.kind(), LoadErrorKind::SelfTest, "{name}: {error}");
    }
}

#[test]
fn a_panic_in_create_is_a_refusal() {
    assert_eq!(sin("panic_in_create").expect_err("must be refused").kind(), LoadErrorKind::Config);
}

#[test]
fn a_panic_in_derive_is_contained_and_quarantines_the_instance() {
    let hasher = sin("panic_on_boom").expect("passes its self-test");
    let params = hasher.new_params(b"0123456789abcdef").expect("params");
    assert!(hasher.derive(b"fine", &params).is_ok());
    assert_eq!(hasher.derive(b"boom", &params), Err(CallError::Panic));
    assert!(hasher.is_quarantined());
    assert!(matches!(hasher.derive(b"fine", &params), Err(CallError::Unavailable(_))));
    // Another instance of the same image is untouched.
    assert!(sin("none").expect("passes its self-test").derive(b"fine", &params).is_ok());
}

#[test]
fn the_default_for_passwords_passes_its_self_test() {
    let hasher = create("hasher-pbkdf2", serde_json::Value::Null).expect("passes its self-test");
    let params = hasher.new_params(b"0123456789abcdef").expect("params");
    assert!(params.starts_with("$pbkdf2-sha256$i=600000,"), "{params}");
}

#[test]
fn argon2id_passes_its_self_test_and_derives_what_the_reference_does() {
    let hasher = create("hasher-argon2id", serde_json::Value::Null).expect("passes its self-test");
    let params = hasher.new_params(b"0123456789abcdef").expect("params");
    assert_eq!(params, "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg");
    let digest = hasher.derive(b"password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ").expect("derives");
    assert_eq!(digest[..4], [0x9d, 0xfe, 0xb9, 0x10]);
    assert_eq!(hasher.needs_rehash("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ"), Ok(true));
    for params in [
        "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=8,t=4294967295,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=1048576,t=1024,p=1$c29tZXNhbHQ",
    ] {
        assert!(matches!(hasher.derive(b"password", params), Err(CallError::Invalid(_))), "{params}");
    }
    assert!(!hasher.is_quarantined());
    let error = create("hasher-argon2id", json!({ "memory_kib": 7 })).expect_err("must be refused");
    assert!(error.to_string().contains("config.memory_kib: expected minimum 8"), "{error}");
}

#[test]
fn a_keyed_hasher_outlives_the_rotation_of_its_key() {
    let key = |fill: &str| fill.repeat(43);
    let entry = |kid: &str, fill: &str| json!({ "kid": kid, "key": key(fill) });
    let old = create("hasher-hmac", json!({ "keys": [entry("2025", "A")] })).expect("passes its self-test");
    let params = old.new_params(b"0123456789abcdef").expect("params");
    let digest = old.derive(b"secret", &params).expect("derives");
    let new = create("hasher-hmac", json!({ "keys": [entry("2026", "E"), entry("2025", "A")] }))
        .expect("passes its self-test");
    assert_eq!(*new.derive(b"secret", &params).expect("derives"), *digest);
    assert_eq!((old.needs_rehash(&params), new.needs_rehash(&params)), (Ok(false), Ok(true)));
    let error = create("hasher-hmac", json!({ "keys": [entry("2026", "canary")] })).expect_err("refused");
    assert!(error.to_string().contains("keys[0].key (2026)"), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[test]
fn a_hasher_in_c_derives_as_the_one_in_rust_does() {
    let c = create("example-hasher-c", json!({ "iterations": 1000 })).expect("passes its self-test");
    let rust = create("hasher-pbkdf2", json!({ "iterations": 1000 })).expect("passes its self-test");
    let salt = b"0123456789abcdef";
    let params = c.new_params(salt).expect("params");
    assert_eq!(params, "$example-pbkdf2-sha256$i=1000$30313233343536373839616263646566");
    assert_eq!((c.needs_rehash(&params), c.description().schemes.len()), (Ok(false), 1));
    let long = vec![0xa5; 4096];
    for secret in [b"".as_slice(), b"secret", b"\0secret\0", &long[..55], &long[..56], &long[..64], &long] {
        let digest = c.derive(secret, &params).expect("derives");
        let expected = rust.derive(secret, &rust.new_params(salt).expect("params")).expect("derives");
        assert_eq!(*digest, *expected, "{} bytes", secret.len());
    }
}

#[test]
fn a_hasher_in_c_refuses_what_it_could_not_have_written() {
    let hasher = create("example-hasher-c", json!({ "iterations": 1000 })).expect("passes its self-test");
    let long = format!("$example-pbkdf2-sha256$i=1${}", "ab".repeat(65));
    for params in [
        "",
        "$",
        "$example-pbkdf2-sha256$",
        "$example-pbkdf2-sha256$i=",
        "$example-pbkdf2-sha256$i=1",
        "$example-pbkdf2-sha256$i=1$",
        "$example-pbkdf2-sha256$i=1$a",
        "$example-pbkdf2-sha256$i=1$AB",
        "$example-pbkdf2-sha256$i=1$ab$",
        "$example-pbkdf2-sha256$i=0$ab",
        "$example-pbkdf2-sha256$i=01$ab",
        "$example-pbkdf2-sha256$i=-1$ab",
        "$example-pbkdf2-sha256$i=10000001$ab",
        "$example-pbkdf2-sha256$i=4294967297$ab",
        "$example-pbkdf2-sha256$i=99999999999999999999$ab",
        "$pbkdf2-sha256$i=1,l=32$c2FsdA",
        long.as_str(),
    ] {
        assert!(matches!(hasher.derive(b"secret", params), Err(CallError::Invalid(_))), "{params}");
        assert!(matches!(hasher.needs_rehash(params), Err(CallError::Invalid(_))), "{params}");
    }
    assert!(!hasher.is_quarantined());
    for config in [
        json!({ "iterations": 0 }),
        json!({ "iterations": 10_000_001 }),
        json!({ "iterations": 1.5 }),
        json!({ "iterations": "canary" }),
        json!({ "iterations": 1, "more": "canary" }),
        json!({ "more": "canary", "iterations": 1 }),
        json!({ "m\u{f6}re": "canary" }),
        json!(["canary"]),
    ] {
        let error = create("example-hasher-c", config.clone()).expect_err("must be refused");
        assert_eq!(error.kind(), LoadErrorKind::Config, "{config}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[test]
fn a_panic_reaches_the_log_with_its_instance_and_place_but_not_its_text() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let hasher = sin("panic_on_boom").expect("passes its self-test");
    let params = hasher.new_params(b"0123456789abcdef").expect("params");
    tracing::subscriber::with_default(subscriber, || {
        assert_eq!(hasher.derive(b"boom", &params), Err(CallError::Panic));
    });
    let text = String::from_utf8(log.0.lock().expect("unpoisoned").clone()).expect("text");
    for part in ["the plug-in panicked", "instance=\"tokens\"", "hasher.rs", "quarantined"] {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
    assert!(!text.contains("asked to panic") && !text.contains("boom"), "{text}");
}

/// Collects log lines.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
