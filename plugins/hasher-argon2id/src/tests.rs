//! Tests of the hasher's own rules; the boundary is tested by the daemon's loader.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

fn hasher() -> Argon2id {
    Argon2id { cost: Cost { memory_kib: 64, iterations: 1, lanes: 1 } }
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
fn the_reference_implementations_64_mib_answer_holds() {
    let digest = hasher().derive(b"password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ").expect("derives");
    assert_eq!(URL_SAFE_NO_PAD.encode(digest), "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
}

#[test]
fn params_are_phc_text_and_read_back() {
    let text = hasher().new_params(b"0123456789abcdef").expect("params");
    assert_eq!(text, "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg");
    assert_eq!(text.parse::<Params>().expect("reads").to_string(), text);
}

#[test]
fn hostile_params_are_refused_not_computed() {
    #[expect(clippy::disallowed_methods, reason = "a measured duration")]
    let started = std::time::Instant::now();
    for params in [
        "",
        "$",
        "$pbkdf2-sha256$i=1,l=32$c2FsdA",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$m=256,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=4294967297,t=1,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=4294967295,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=8,t=1025,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=1048576,t=5,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=2,p=17$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=2,p=16777215$c29tZXNhbHQ",
        "$argon2id$v=19$m=7,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=15,t=2,p=2$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=2,p=0$c29tZXNhbHQ",
        "$argon2id$v=19$m=+256,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=0256,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$t=2,m=256,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=2$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=2,p=1,keyid=AA$c29tZXNhbHQ",
        "$argon2id$v=19$m=,t=,p=$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=2,p=1$",
        "$argon2id$v=19$m=256,t=2,p=1$c2FsdA",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ=",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHQ",
    ] {
        assert!(hasher().derive(b"secret", params).is_err(), "{params}");
        assert!(hasher().needs_rehash(params).is_err(), "{params}");
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(1), "a refusal computes nothing");
}

#[test]
fn another_cost_needs_a_rehash() {
    let asks = |params: &str| hasher().needs_rehash(params).expect("own params");
    assert!(!asks("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ"));
    assert!(asks("$argon2id$v=19$m=65,t=1,p=1$c29tZXNhbHQ"));
    assert!(asks("$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ"));
    assert!(asks("$argon2id$v=19$m=64,t=1,p=2$c29tZXNhbHQ"));
}

#[test]
fn salts_outside_the_bounds_are_refused() {
    assert!(hasher().new_params(&[0; 7]).is_err());
    assert!(hasher().new_params(&[0; 65]).is_err());
    assert!(hasher().new_params(&[0; 64]).is_ok());
}
