//! The factories, and the sins that stand in their tables. These come before any configuration, so the environment names
//! them, read once.

use std::ffi::c_void;
use std::sync::LazyLock;

use patd_sdk::abi::{
    Bytes, Create, FACTORY_AUDIT, FACTORY_HASHER, FACTORY_STORE, Hasher, Out, Service, Status, status,
};
use patd_sdk::danger;

use crate::sin::Sin;
use crate::{FaultyHasher, FaultySink, FaultyStore};

static HASHER: LazyLock<Hasher> = LazyLock::new(|| {
    let table = patd_sdk::__private::hasher_table::<FaultyHasher>();
    match Sin::of_environment() {
        Sin::ShortTable => Hasher { struct_size: 12, ..table },
        Sin::NullFunction => Hasher { needs_rehash: None, ..table },
        Sin::UnknownFlag => Hasher { flags: 1 << 63, ..table },
        Sin::DigestWithRefusal => Hasher { derive: Some(digest_with_refusal), ..table },
        Sin::DetailWithDigest => Hasher { derive: Some(detail_with_digest), ..table },
        Sin::DescribesGarbage => Hasher { describe: Some(describe_garbage), ..table },
        _ => table,
    }
});

static SINK: LazyLock<Service> = LazyLock::new(|| {
    let table = patd_sdk::__private::service_table::<FaultySink>();
    match Sin::of_environment() {
        Sin::ShortTable => Service { struct_size: 12, ..table },
        Sin::NullFunction => Service { submit: None, ..table },
        Sin::UnknownFlag => Service { flags: 1 << 63, ..table },
        Sin::TakesShortHost => Service { create: Some(create_nothing), ..table },
        Sin::DescribesGarbage => Service { describe: Some(describe_garbage), ..table },
        _ => table,
    }
});

static STORE: Service = patd_sdk::__private::service_table::<FaultyStore>();

/// The plug-in's `get_factory`.
pub(crate) extern "C" fn get_factory(asked: Bytes) -> *const c_void {
    let hasher: *const c_void = std::ptr::from_ref(&*HASHER).cast();
    if Sin::of_environment() == Sin::AnyFactory {
        return hasher;
    }
    let found = patd_sdk::__private::factory(asked, FACTORY_HASHER, hasher);
    if !found.is_null() {
        return found;
    }
    let found = patd_sdk::__private::factory(asked, FACTORY_STORE, std::ptr::from_ref(&STORE).cast());
    if !found.is_null() {
        return found;
    }
    patd_sdk::__private::factory(asked, FACTORY_AUDIT, std::ptr::from_ref(&*SINK).cast())
}

extern "C" fn digest_with_refusal(
    _me: *mut c_void,
    _secret: Bytes,
    _params: Bytes,
    digest: Out,
    detail: Out,
) -> Status {
    danger::write(digest, &[7; 32]);
    danger::write(detail, b"asked to refuse");
    status::INVALID
}

extern "C" fn detail_with_digest(
    _me: *mut c_void,
    _secret: Bytes,
    _params: Bytes,
    digest: Out,
    detail: Out,
) -> Status {
    danger::write(digest, &[7; 32]);
    danger::write(detail, b"the secret is wrong");
    status::OK
}

extern "C" fn describe_garbage(_me: *mut c_void, json: Out) -> Status {
    danger::write(json, b"\xff{");
    status::OK
}

extern "C" fn create_nothing(_input: *const Create, _out_self: *mut *mut c_void, _detail: Out) -> Status {
    status::OK
}
