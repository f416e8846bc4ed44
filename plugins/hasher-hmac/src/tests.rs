//! Tests of the hasher's own rules; the boundary is tested by the daemon's loader.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;

fn key(fill: u8) -> String {
    STANDARD.encode([fill; 32])
}

fn read(config: serde_json::Value) -> Result<KeyedHasher, Failure> {
    let config: Config =
        serde_json::from_value(config).map_err(|error| Failure::invalid(error.to_string()))?;
    Keys::read(config).map(|keys| KeyedHasher { keys })
}

fn hasher(keys: &[(&str, u8)]) -> KeyedHasher {
    let keys: Vec<_> = keys.iter().map(|(kid, fill)| json!({ "kid": kid, "key": key(*fill) })).collect();
    read(json!({ "keys": keys })).expect("good keys")
}

fn refusal(config: serde_json::Value) -> String {
    read(config).err().expect("must be refused").to_string()
}

#[test]
fn known_answers_hold() {
    for answer in self_test() {
        let secret = URL_SAFE_NO_PAD.decode(&answer.secret).expect("base64url");
        let digest = hasher(&[("a", 1)]).derive(&secret, &answer.params).expect("derives");
        assert_eq!(URL_SAFE_NO_PAD.encode(digest), answer.digest, "{}", answer.params);
    }
}

#[test]
fn the_published_keys_of_the_known_answers_are_no_scheme_of_stored_digests() {
    let description = KeyedHasher::describe(None);
    assert_eq!(description.schemes, [SCHEME]);
    for answer in description.self_test {
        assert!(answer.params.starts_with("$hmac-sha256-selftest$"));
        let params = answer.params.replace("-selftest", "");
        assert!(hasher(&[("a", 1)]).derive(b"secret", &params).is_err(), "{params}");
        assert!(hasher(&[("a", 1)]).needs_rehash(&answer.params).is_err());
    }
}

#[test]
fn params_name_the_newest_key_and_read_back() {
    let text = hasher(&[("2026-11", 2), ("2025-11", 1)]).new_params(b"0123456789abcdef").expect("params");
    assert_eq!(text, "$hmac-sha256$kid=2026-11$MDEyMzQ1Njc4OWFiY2RlZg");
    assert_eq!(text.parse::<Params>().expect("reads").to_string(), text);
}

#[test]
fn after_a_rotation_old_digests_verify_and_need_a_rehash() {
    let before = hasher(&[("2025-11", 1)]);
    let params = before.new_params(b"0123456789abcdef").expect("params");
    let digest = before.derive(b"secret", &params).expect("derives");
    assert!(!before.needs_rehash(&params).expect("own params"));

    let after = hasher(&[("2026-11", 2), ("2025-11", 1)]);
    assert_eq!(after.derive(b"secret", &params).expect("derives"), digest);
    assert!(after.needs_rehash(&params).expect("own params"));
    let renewed = after.new_params(b"0123456789abcdef").expect("params");
    assert_ne!(after.derive(b"secret", &renewed).expect("derives"), digest);
    assert!(!after.needs_rehash(&renewed).expect("own params"));

    let dropped = hasher(&[("2026-11", 2)]);
    let why = dropped.derive(b"secret", &params).expect_err("no key").to_string();
    assert!(why.contains("2025-11"), "{why}");
}

#[test]
fn the_digest_depends_on_key_salt_and_secret() {
    let derive = |fill: u8, salt: &[u8], secret: &[u8]| {
        let hasher = hasher(&[("a", fill)]);
        hasher.derive(secret, &hasher.new_params(salt).expect("params")).expect("derives")
    };
    let one = derive(1, b"0123456789abcdef", b"secret");
    assert_eq!(one.len(), 32);
    assert_ne!(one, derive(2, b"0123456789abcdef", b"secret"));
    assert_ne!(one, derive(1, b"0123456789abcdeF", b"secret"));
    assert_ne!(one, derive(1, b"0123456789abcdef", b"secreT"));
}

#[test]
fn hostile_params_are_refused() {
    for params in [
        "",
        "$",
        "$pbkdf2-sha256$i=1,l=32$c2FsdA",
        "$hmac-sha256$MDEyMzQ1Njc4OWFiY2RlZg",
        "$hmac-sha256$kid=$MDEyMzQ1Njc4OWFiY2RlZg",
        "$hmac-sha256$kid=b$MDEyMzQ1Njc4OWFiY2RlZg",
        "$hmac-sha256$kid=a/../a$MDEyMzQ1Njc4OWFiY2RlZg",
        "$hmac-sha256$kid=a$",
        "$hmac-sha256$kid=a$c2FsdA",
        "$hmac-sha256$kid=a$MDEyMzQ1Njc4OWFiY2RlZg==",
        "$hmac-sha256$kid=a$MDEyMzQ1Njc4OWFiY2RlZg$x",
        "$hmac-sha512$kid=a$MDEyMzQ1Njc4OWFiY2RlZg",
    ] {
        assert!(hasher(&[("a", 1)]).derive(b"secret", params).is_err(), "{params}");
        assert!(hasher(&[("a", 1)]).needs_rehash(params).is_err(), "{params}");
    }
}

#[test]
fn bad_keys_are_refused_by_place_and_never_quoted() {
    let canary = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnk=";
    for (config, part) in [
        (json!({ "keys": [] }), "0 entries"),
        (
            json!({ "keys": [{ "kid": "a", "key": canary }] }),
            "keys[0].key (a) must be 32 to 128 random bytes",
        ),
        (json!({ "keys": [{ "kid": "a", "key": "canary? no base64" }] }), "keys[0].key (a)"),
        (json!({ "keys": [{ "kid": "a", "key": key(1) }, { "kid": "a", "key": key(2) }] }), "same kid"),
        (json!({ "keys": [{ "kid": "a", "key": key(1) }, { "kid": "b", "key": key(1) }] }), "same key"),
        (json!({ "keys": [{ "kid": "canary$", "key": key(1) }] }), "keys[0].kid must be"),
        (json!({ "keys": [{ "kid": "a" }] }), "missing field `key`"),
        (json!({ "keys": [{ "kid": "a", "key": key(1), "canary_file": "x" }] }), "unknown field"),
        (json!({}), "missing field `keys`"),
    ] {
        let text = refusal(config);
        assert!(text.contains(part), "{text}");
        assert!(!text.contains(canary) && !text.contains("canary?") && !text.contains("canary$"), "{text}");
    }
}

#[test]
fn keys_may_be_wrapped_and_lack_padding_as_tools_write_them() {
    let long = STANDARD.encode([7; 96]);
    let wrapped = format!("{}\n{}\n", &long[..64], &long[64..]);
    for text in [wrapped.as_str(), key(1).trim_end_matches('=')] {
        read(json!({ "keys": [{ "kid": "a", "key": text }] })).expect("reads");
    }
}

#[test]
fn the_example_works_and_is_known_as_the_example() {
    let example = read(KeyedHasher::describe(None).example_config).expect("works");
    assert!(example.keys.includes_example());
    assert!(!hasher(&[("a", 1)]).keys.includes_example());
}
