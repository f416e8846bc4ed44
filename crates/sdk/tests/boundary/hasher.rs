//! The hasher's table: what a host may call, with what a host may pass.

use std::ptr::null_mut;

use patd_sdk::abi::{self, Bytes, Out, status};

use crate::host::{Answer, Me, Output, create, host};
use crate::plugin::Toy;

static TABLE: abi::Hasher = patd_sdk::__private::hasher_table::<Toy>();

fn made(config: &str) -> Result<Me, String> {
    create(TABLE.create, host(size_of::<abi::Host>()).0, config)
}

fn derive(me: Me, secret: &[u8], params: &[u8]) -> Answer {
    let (mut digest, mut detail) = (Output::default(), Output::default());
    let function = TABLE.derive.expect("is there");
    // SAFETY: a live instance or NULL; inputs and sinks outlive the call.
    let status = unsafe { function(me.0, Bytes::of(secret), Bytes::of(params), digest.out(), detail.out()) };
    (status, digest.0.clone(), detail.text())
}

fn destroy(me: Me) {
    // SAFETY: made by create, destroyed once.
    unsafe { TABLE.destroy.expect("is there")(me.0) }
}

#[test]
fn params_digests_and_rehash_answers_come_through_the_sinks() {
    let me = made(r#"{"rounds": 3}"#).expect("made");
    let (mut params, mut detail) = (Output::default(), Output::default());
    // SAFETY: a live instance; salt and sinks outlive the call.
    let status =
        unsafe { TABLE.new_params.expect("is there")(me.0, Bytes::of(&[1; 16]), params.out(), detail.out()) };
    assert_eq!((status, params.text().as_str()), (status::OK, "$toy$r=3$16"));
    let (status, digest, _) = derive(me, b"secret", &params.0);
    assert_eq!((status, digest.len()), (status::OK, 32));
    assert_ne!(digest, derive(me, b"secreT", &params.0).1);
    for (params, wanted) in [("$toy$r=3$16", 0), ("$toy$r=2$16", 1)] {
        let mut answer = 9;
        // SAFETY: a live instance; params and the place outlive the call.
        let status = unsafe {
            TABLE.needs_rehash.expect("is there")(me.0, Bytes::of(params.as_bytes()), &raw mut answer)
        };
        assert_eq!((status, answer), (status::OK, wanted));
    }
    destroy(me);
}

#[test]
fn a_bad_config_is_invalid_and_its_detail_names_the_key_but_no_value() {
    for (config, wanted) in [
        (r#"{"round": 3}"#, "unknown field"),
        (r#"{"rounds": "hunter2"}"#, "invalid type"),
        ("[3]", "no table"),
        ("", ""),
    ] {
        match made(config) {
            Err(text) => {
                assert!(text.starts_with(&status::INVALID.to_string()) && text.contains(wanted), "{text}");
                assert!(!text.contains("hunter2"), "{text}");
            }
            Ok(me) => {
                assert_eq!(config, "", "only no config is an empty one");
                destroy(me);
            }
        }
    }
}

#[test]
fn a_panic_is_a_status_and_its_text_goes_nowhere() {
    let (table, heard) = host(size_of::<abi::Host>());
    let me = create(TABLE.create, table, "{}").expect("made");
    let (status, digest, detail) = derive(me, b"panic", b"$toy$");
    assert_eq!((status, digest.len(), detail.as_str()), (status::PANIC, 0, ""));
    assert!(!heard.log().contains("a secret"), "{}", heard.log());
    assert_eq!(derive(me, b"calm", b"$toy$").0, status::OK, "the instance still works");
    destroy(me);
}

#[test]
fn null_empty_and_foreign_inputs_are_refused_or_answered_and_never_read() {
    assert_eq!(derive(Me(null_mut()), b"s", b"$toy$").0, status::INVALID);
    destroy(Me(null_mut()));
    let me = made("{}").expect("made");
    assert_eq!(derive(me, b"", b"$toy$").0, status::OK);
    assert_eq!(derive(me, b"s", b"$other$").0, status::INVALID);
    assert_eq!(derive(me, b"s", b"\xff\xfe").0, status::INVALID);
    let nothing = Bytes { ptr: std::ptr::null(), len: 0 };
    let nowhere = Out { ctx: null_mut(), write: None };
    // SAFETY: a live instance; bytes of length 0 may have any pointer, a sink without a function takes nothing.
    let status =
        unsafe { TABLE.derive.expect("is there")(me.0, nothing, Bytes::of(b"$toy$"), nowhere, nowhere) };
    assert_eq!(status, status::OK);
    destroy(me);
}

#[test]
fn a_cut_host_table_is_read_no_further_than_it_says() {
    // Up to `complete` it must reach; what lies behind is optional.
    let to_complete = std::mem::offset_of!(abi::Host, get_extension);
    let me = create(TABLE.create, host(to_complete).0, "{}").expect("made");
    destroy(me);
    let refused = create(TABLE.create, host(to_complete - 8).0, "{}").expect_err("too short");
    assert!(refused.contains("host table has only"), "{refused}");
}

#[test]
fn many_threads_get_the_same_digests() {
    let me = made("{}").expect("made");
    let alone = derive(me, b"secret", b"$toy$");
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| assert_eq!(derive(me, b"secret", b"$toy$"), alone));
        }
    });
    destroy(me);
}
