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
fn a_bad_configuration_is_refused_with_the_plug_ins_reason() {
    for (config, part) in [
        (json!({ "iterations": 0 }), "iterations is 0"),
        (json!({ "iterations": 10_000_001 }), "10000001"),
        (json!({ "iteration": 5 }), "unknown field `iteration`"),
        (json!({ "iterations": "canary" }), "invalid type: string"),
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
