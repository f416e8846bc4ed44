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
/// `export! { id: "audit-x", audit: MySink }`; several kinds may stand in one plug-in. A store or sink is a
/// [`crate::Service`], mostly [`crate::Managed`]`<YourAsyncService>`. The version is the package's.
#[macro_export]
macro_rules! export {
    // Only for the deliberately faulty plug-in, which fills in tables of its own.
    (id: $id:literal, danger_get_factory: $get_factory:path) => {
        $crate::export!(@object $id, $get_factory);
    };
    (id: $id:literal, $($kind:ident: $ty:ty),+ $(,)?) => {
        extern "C" fn patd_get_factory(asked: $crate::abi::Bytes) -> *const ::core::ffi::c_void {
            let mut found: *const ::core::ffi::c_void = ::core::ptr::null();
            $($crate::export!(@factory $kind $ty, asked, found);)+
            found
        }

        $crate::export!(@object $id, patd_get_factory);
    };
    (@object $id:literal, $get_factory:path) => {
        /// What the daemon looks up in this library.
        #[unsafe(no_mangle)]
        #[expect(non_upper_case_globals, reason = "the ABI fixes the symbol's name")]
        pub static patd_plugin_v1: $crate::abi::Plugin = $crate::__private::plugin(
            $id,
            env!("CARGO_PKG_VERSION"),
            concat!("{\"package\":\"", env!("CARGO_PKG_NAME"), "\",\"sdk\":\"rust\"}"),
            $get_factory,
        );
    };
    (@factory hasher $ty:ty, $asked:ident, $found:ident) => {{
        static TABLE: $crate::abi::Hasher = $crate::__private::hasher_table::<$ty>();
        $crate::export!(@pick $crate::abi::FACTORY_HASHER, TABLE, $asked, $found);
    }};
    (@factory store $ty:ty, $asked:ident, $found:ident) => {{
        static TABLE: $crate::abi::Service = $crate::__private::service_table::<$ty>();
        $crate::export!(@pick $crate::abi::FACTORY_STORE, TABLE, $asked, $found);
    }};
    (@factory audit $ty:ty, $asked:ident, $found:ident) => {{
        static TABLE: $crate::abi::Service = $crate::__private::service_table::<$ty>();
        $crate::export!(@pick $crate::abi::FACTORY_AUDIT, TABLE, $asked, $found);
    }};
    (@pick $name:expr, $table:ident, $asked:ident, $found:ident) => {
        if $found.is_null() {
            $found = $crate::__private::factory($asked, $name, ::core::ptr::from_ref(&$table).cast());
        }
    };
}
