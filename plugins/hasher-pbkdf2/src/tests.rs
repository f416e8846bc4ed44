//! Tests of the hasher's own rules; the boundary is tested by the daemon's loader.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

fn hasher() -> Pbkdf2 {
    Pbkdf2 { iterations: 1000 }
}

#[test]
fn known_answers_hold() {
    for answer in self_test() {
        let secret = URL_SAFE_NO_PAD.decode(&answer.secret).expect("base64url");
        let digest = hasher().derive(&secret, &answer.params).expect("derives");
        assert_eq!(URL_SAFE_NO_PAD.encode(digest), answer.digest, "{}", answer.params);
    }
}

#[test]
fn params_are_phc_text_and_read_back() {
    let text = hasher().new_params(b"0123456789abcdef").expect("params");
    assert_eq!(text, "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg");
    assert_eq!(text.parse::<Params>().expect("reads").to_string(), text);
}

#[test]
fn hostile_params_are_refused_not_computed() {
    for params in [
        "",
        "$",
        "$argon2id$i=1,l=32$c2FsdA",
        "$pbkdf2-sha256$i=0,l=32$c2FsdA",
        "$pbkdf2-sha256$i=10000001,l=32$c2FsdA",
        "$pbkdf2-sha256$i=4294967297,l=32$c2FsdA",
        "$pbkdf2-sha256$i=+1,l=32$c2FsdA",
        "$pbkdf2-sha256$i=01,l=32$c2FsdA",
        "$pbkdf2-sha256$i=1,l=15$c2FsdA",
        "$pbkdf2-sha256$i=1,l=65$c2FsdA",
        "$pbkdf2-sha256$i=1,l=32$",
        "$pbkdf2-sha256$i=1,l=32$c2FsdA==",
        "$pbkdf2-sha256$i=1,l=32$c2FsdA$c2FsdA",
        "$pbkdf2-sha256$i=1$c2FsdA",
        "$pbkdf2-sha256$i=,l=$c2FsdA",
    ] {
        assert!(hasher().derive(b"secret", params).is_err(), "{params}");
        assert!(hasher().needs_rehash(params).is_err(), "{params}");
    }
}

#[test]
fn another_count_or_length_needs_a_rehash() {
    let asks = |params: &str| hasher().needs_rehash(params).expect("own params");
    assert!(!asks("$pbkdf2-sha256$i=1000,l=32$c2FsdA"));
    assert!(asks("$pbkdf2-sha256$i=999,l=32$c2FsdA"));
    assert!(asks("$pbkdf2-sha256$i=1000,l=64$c2FsdA"));
}
