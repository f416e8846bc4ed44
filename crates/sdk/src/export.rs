//! The exported object. Must never hold more than constant tables: it is read before any instance exists.

use std::ffi::c_void;
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};

use patd_abi::{ABI_MAJOR, ABI_MINOR, Bytes, PATD_PLUGIN_MAGIC, Plugin};

/// Fills in the exported object.
#[must_use]
pub const fn plugin(
    id: &'static str,
    version: &'static str,
    build_info: &'static str,
    get_factory: unsafe extern "C" fn(Bytes) -> *const c_void,
) -> Plugin {
    Plugin {
        magic: PATD_PLUGIN_MAGIC,
        struct_size: size_of::<Plugin>() as u32,
        abi_major: ABI_MAJOR,
        abi_minor: ABI_MINOR,
        id: Bytes::of(id.as_bytes()),
        version: Bytes::of(version.as_bytes()),
        build_info: Bytes::of(build_info.as_bytes()),
        get_factory: Some(get_factory),
    }
}

/// `table` when the host asked for `name`, NULL otherwise.
#[must_use]
pub fn factory(asked: Bytes, name: &str, table: *const c_void) -> *const c_void {
    // SAFETY: the host lends the id for the call.
    catch_unwind(AssertUnwindSafe(|| unsafe { asked.as_slice() } == name.as_bytes()))
        .ok()
        .filter(|same| *same)
        .map_or(std::ptr::null(), |_| table)
}

/// Exports a plug-in: `export! { id: "hasher-x", hasher: MyHasher }`, `export! { id: "store-x", store: MyStore }` or
/// `export! { id: "audit-x", audit: MySink }`. A store or sink is a [`crate::Service`], mostly
/// [`crate::Managed`]`<YourAsyncService>`. The version is the package's.
#[macro_export]
macro_rules! export {
    (id: $id:literal, hasher: $ty:ty) => {
        $crate::export!(@entry $id, $crate::abi::FACTORY_HASHER, $crate::abi::Hasher, $crate::__private::hasher_table::<$ty>());
    };
    (id: $id:literal, store: $ty:ty) => {
        $crate::export!(@entry $id, $crate::abi::FACTORY_STORE, $crate::abi::Service, $crate::__private::service_table::<$ty>());
    };
    (id: $id:literal, audit: $ty:ty) => {
        $crate::export!(@entry $id, $crate::abi::FACTORY_AUDIT, $crate::abi::Service, $crate::__private::service_table::<$ty>());
    };
    (@entry $id:literal, $factory:expr, $table:ty, $make:expr) => {
        extern "C" fn patd_get_factory(
            asked: $crate::abi::Bytes,
        ) -> *const ::core::ffi::c_void {
            static TABLE: $table = $make;
            $crate::__private::factory(asked, $factory, ::core::ptr::from_ref(&TABLE).cast())
        }

        /// What the daemon looks up in this library.
        #[unsafe(no_mangle)]
        #[expect(non_upper_case_globals, reason = "the ABI fixes the symbol's name")]
        pub static patd_plugin_v1: $crate::abi::Plugin = $crate::__private::plugin(
            $id,
            env!("CARGO_PKG_VERSION"),
            concat!("{\"package\":\"", env!("CARGO_PKG_NAME"), "\",\"sdk\":\"rust\"}"),
            patd_get_factory,
        );
    };
}
