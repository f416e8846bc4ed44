//! Size and offset assertions: a change that moves a field fails to compile. Must never hold anything else.

use core::mem::{offset_of, size_of};

use crate::{Bytes, Create, Hasher, Host, Out, Plugin, Request, Service};

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<Bytes>() == 16 && offset_of!(Bytes, len) == 8);
    assert!(size_of::<Out>() == 16 && offset_of!(Out, write) == 8);

    assert!(size_of::<Host>() == 56);
    assert!(offset_of!(Host, abi_major) == 4 && offset_of!(Host, abi_minor) == 6);
    assert!(offset_of!(Host, ctx) == 8 && offset_of!(Host, log) == 16 && offset_of!(Host, metric) == 24);
    assert!(offset_of!(Host, now_unix_ms) == 32 && offset_of!(Host, complete) == 40);
    assert!(offset_of!(Host, get_extension) == 48);

    assert!(size_of::<Create>() == 40);
    assert!(offset_of!(Create, instance) == 8 && offset_of!(Create, host) == 16);
    assert!(offset_of!(Create, config_json) == 24);

    assert!(size_of::<Hasher>() == 64);
    assert!(offset_of!(Hasher, flags) == 8 && offset_of!(Hasher, create) == 16);
    assert!(offset_of!(Hasher, destroy) == 24 && offset_of!(Hasher, describe) == 32);
    assert!(offset_of!(Hasher, new_params) == 40 && offset_of!(Hasher, derive) == 48);
    assert!(offset_of!(Hasher, needs_rehash) == 56);

    assert!(size_of::<Request>() == 56);
    assert!(offset_of!(Request, op) == 4 && offset_of!(Request, id) == 8);
    assert!(offset_of!(Request, timeout_ms) == 16 && offset_of!(Request, encoding) == 20);
    assert!(offset_of!(Request, traceparent) == 24 && offset_of!(Request, payload) == 40);

    assert!(size_of::<Service>() == 56);
    assert!(offset_of!(Service, flags) == 8 && offset_of!(Service, create) == 16);
    assert!(offset_of!(Service, destroy) == 24 && offset_of!(Service, describe) == 32);
    assert!(offset_of!(Service, submit) == 40 && offset_of!(Service, cancel) == 48);

    assert!(size_of::<Plugin>() == 72);
    assert!(offset_of!(Plugin, struct_size) == 8 && offset_of!(Plugin, abi_major) == 12);
    assert!(offset_of!(Plugin, abi_minor) == 14 && offset_of!(Plugin, id) == 16);
    assert!(offset_of!(Plugin, version) == 32 && offset_of!(Plugin, build_info) == 48);
    assert!(offset_of!(Plugin, get_factory) == 64);
};
