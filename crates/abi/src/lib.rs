//! The C ABI between patd and its plug-ins: the structs, numbers and names that both sides compile.
//!
//! This crate must never know what a token, a site or a payload is, and never allocate: it only fixes layout.
//! A plug-in exports one object, [`Plugin`] under the symbol [`ENTRY_SYMBOL`]; everything else is reached from it by
//! a factory id with a revision. Structs grow at their end only, and their `struct_size` says how much is there, so
//! neither side reads past what the other one wrote. Function pointers are `Option` because C can leave them NULL.
//!
//! The C header `include/patd_plugin.h` is written from this crate by `cargo xtask codegen`; comments on types, fields and
//! constants land in it and are the reference for authors in C, so each function says there which thread calls it
//! (`[init]`: nothing else runs on the object; `[thread-safe]`; `[never-blocks]`; `[cpu-bound]`) and who owns what for how long.
#![no_std]
#![expect(unsafe_code, reason = "the ABI's shared tables hold raw pointers and must be declared Sync")]

use core::ffi::c_void;

mod layout;
mod numbers;

pub use numbers::{flags, level, metric, op, status};

/// Outcome of a call; one of the `PATD_STATUS_…` constants. An integer, so that an unknown value is no undefined behaviour:
/// it is read as [`status::INTERNAL`].
pub type Status = i32;

/// First field of [`Plugin`]: "PATDPLG1" in memory on a little-endian machine.
pub const PATD_PLUGIN_MAGIC: u64 = 0x3147_4C50_4454_4150;
/// Major version of this ABI; a plug-in of another major is refused.
pub const ABI_MAJOR: u16 = 1;
/// Minor version of this ABI; any minor is accepted, the lower one is in force.
pub const ABI_MINOR: u16 = 0;
/// Name of the one exported object.
pub const ENTRY_SYMBOL: &str = "patd_plugin_v1";
/// Factory id of a hasher; the factory is a [`Hasher`].
pub const FACTORY_HASHER: &str = "patd.hasher/1";
/// Factory id of a store; the factory is a [`Service`].
pub const FACTORY_STORE: &str = "patd.store/1";
/// Factory id of an audit sink; the factory is a [`Service`].
pub const FACTORY_AUDIT: &str = "patd.audit/1";
/// [`Request::encoding`]: JSON.
pub const ENCODING_JSON: u32 = 0;

/// Bytes borrowed for the call, not terminated by a zero. Whoever made them frees them; the receiver copies what it keeps.
/// `ptr` is not NULL even when `len` is 0; readers test `len` first all the same. Text is UTF-8.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    /// First byte.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

impl Bytes {
    /// Lends a slice.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self::of(&[])
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    /// `ptr` must be valid for `len` bytes for as long as `'a`, unless `len` is 0.
    #[must_use]
    pub const unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 || self.ptr.is_null() {
            return &[];
        }
        // SAFETY: the caller vouches for ptr and len.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// Where a function writes its output. It is valid until that function returns, on the thread that called it; the receiver
/// copies. An output that is not written is empty.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Out {
    /// Handed back to `write`; the receiver's.
    pub ctx: *mut c_void,
    /// Takes the next piece; may be called any number of times, and copies before it returns: the piece stays the
    /// caller's. Beyond the receiver's limit (answers 8 MiB, params and digests 1 KiB, details 4 KiB) pieces are dropped and
    /// the call counts as failed, a detail is cut. `[never-blocks]`
    pub write: Option<unsafe extern "C" fn(ctx: *mut c_void, piece: Bytes)>,
}

/// What the host offers to one instance. Table and `ctx` are valid for the life of the process, also after `destroy`.
/// Every function is `[thread-safe] [never-blocks]` from any thread of the plug-in, never calls back into the plug-in (so
/// it may be called under the plug-in's own lock), and copies what it is lent before it returns. Look at `struct_size`
/// before you use a function, and at the pointer: a host may leave one NULL. A `create` whose plug-in cannot do without a
/// function that is not there (a service without `complete`) is INVALID.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Host {
    /// Bytes of this struct that are there; 56 in ABI 1.0.
    pub struct_size: u32,
    /// The host's ABI major.
    pub abi_major: u16,
    /// The host's ABI minor.
    pub abi_minor: u16,
    /// Handed back to every function below; the host's.
    pub ctx: *mut c_void,
    /// Writes a log line. `instance` is the number from `create`, `level` one of `PATD_LEVEL_…`, `fields_json` a JSON
    /// object or empty. Never log a secret, a digest, a key or a part of one. `[thread-safe] [never-blocks]`
    pub log: Option<
        unsafe extern "C" fn(ctx: *mut c_void, instance: u64, level: u32, message: Bytes, fields_json: Bytes),
    >,
    /// Records a figure under `patd_plugin_<name>`; `kind` is one of `PATD_METRIC_…`, `name` is of `a-z 0-9 _`, at most 64
    /// characters; at most 64 names per instance are kept. `[thread-safe] [never-blocks]`
    pub metric:
        Option<unsafe extern "C" fn(ctx: *mut c_void, instance: u64, kind: u32, name: Bytes, value: f64)>,
    /// The host's clock: milliseconds since 1970, UTC. `[thread-safe] [never-blocks]`
    pub now_unix_ms: Option<unsafe extern "C" fn(ctx: *mut c_void) -> i64>,
    /// Answers a request that `submit` took, exactly once, from any thread, also from within `submit`. `payload` is the
    /// operation's answer when `status` is OK, and `detail` is then empty (OK with a detail counts as a failure); else `detail` is
    /// one sentence for the operator's log. Both stay the caller's. A number that nobody waits for is counted and otherwise
    /// ignored. After the answer to STOP the instance may be destroyed at once, on another thread: touch nothing of it any
    /// more. `[thread-safe] [never-blocks]`
    pub complete: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            request_id: u64,
            status: Status,
            payload: Bytes,
            detail: Bytes,
        ),
    >,
    /// Optional services by id, e.g. "patd.x/1"; NULL when unknown. What it gives is valid for the life of the process.
    /// `[thread-safe] [never-blocks]`
    pub get_extension: Option<unsafe extern "C" fn(ctx: *mut c_void, id: Bytes) -> *const c_void>,
}

/// Input of `create`; borrowed for the call, but for `host`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Create {
    /// Bytes of this struct that are there; 40 in ABI 1.0.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Number of the instance, unique for the life of the process; hand it to `log` and `metric`.
    pub instance: u64,
    /// The host's functions; valid for the life of the process.
    pub host: *const Host,
    /// The plug-in's own configuration table as a JSON object, `{}` when there is none. It may hold secrets (the daemon has
    /// read them from their files): wipe your copies, never log or echo a value.
    pub config_json: Bytes,
}

/// Makes an instance: `[init]`, no IO, no threads.
pub type CreateFn =
    unsafe extern "C" fn(input: *const Create, out_self: *mut *mut c_void, detail: Out) -> Status;
/// Frees an instance: `[init]`, nothing else is running on it.
pub type DestroyFn = unsafe extern "C" fn(me: *mut c_void);
/// Describes the plug-in as JSON: `[thread-safe]`, `me` may be NULL.
pub type DescribeFn = unsafe extern "C" fn(me: *mut c_void, json: Out) -> Status;

/// Factory [`FACTORY_HASHER`]: direct calls. The table is constant and valid for the life of the process. All functions are
/// required. A hasher does no IO, starts no thread, never sees a stored digest and gives no verdict: it derives, and the
/// daemon compares in constant time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Hasher {
    /// Bytes of this struct that are there; 64 in ABI 1.0.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// `PATD_FLAG_…`; 0 for a hasher.
    pub flags: u64,
    /// Makes an instance from its configuration. Unknown keys and wrong types are INVALID, with one sentence in `detail` that
    /// names the key (an unknown one too, if it is short and printable) and what is accepted, never a value. On OK the plug-in has stored its own pointer in `*out_self`; it
    /// is only ever handed back. No IO, no threads. `[init]`
    pub create:
        Option<unsafe extern "C" fn(input: *const Create, out_self: *mut *mut c_void, detail: Out) -> Status>,
    /// Frees an instance. Nothing else runs on it and nothing follows. It is not called for an instance that was taken out
    /// of service. `[init]`
    pub destroy: Option<unsafe extern "C" fn(me: *mut c_void)>,
    /// Writes the description, a JSON object (see the guide). `me` is NULL before `create`. `[thread-safe]`
    pub describe: Option<unsafe extern "C" fn(me: *mut c_void, json: Out) -> Status>,
    /// Writes the public text `$scheme$cost$salt` for a new digest: printable ASCII without blanks, not ending in `$`, at
    /// most 1 KiB. The host makes the salt (16 random bytes); the plug-in needs no randomness. `[thread-safe]`
    pub new_params:
        Option<unsafe extern "C" fn(me: *mut c_void, salt: Bytes, params: Out, detail: Out) -> Status>,
    /// Writes the digest of `secret` under `params`, 16 to 1024 bytes. `params` come from a database row and may be hostile:
    /// whatever `new_params` could not have written is INVALID, absurd costs are refused and never computed. Every byte of
    /// the secret counts, zero bytes too; it may be empty. Same input, same digest, on every thread at once. `secret` is
    /// borrowed: wipe whatever you copied or computed from it, never put it into `detail`. `[thread-safe] [cpu-bound]`
    pub derive: Option<
        unsafe extern "C" fn(
            me: *mut c_void,
            secret: Bytes,
            params: Bytes,
            digest: Out,
            detail: Out,
        ) -> Status,
    >,
    /// Stores 1 in `*answer` when `params` are not what `new_params` would give today, else 0. The daemon then derives anew
    /// at the next good sign-in. Params that are not this hasher's are INVALID. `[thread-safe]`
    pub needs_rehash:
        Option<unsafe extern "C" fn(me: *mut c_void, params: Bytes, answer: *mut u32) -> Status>,
}

/// One request to a [`Service`]; it and what it points to are borrowed for `submit` only: copy what outlives it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Request {
    /// Bytes of this struct that are there; 56 in ABI 1.0.
    pub struct_size: u32,
    /// One of `PATD_OP_…`.
    pub op: u32,
    /// Number for `complete`; unique for the life of the process.
    pub id: u64,
    /// Budget; the host's own timer decides, and it waits no longer.
    pub timeout_ms: u32,
    /// Of the payload; [`ENCODING_JSON`]. Others are INVALID.
    pub encoding: u32,
    /// W3C trace context, or empty.
    pub traceparent: Bytes,
    /// The operation's input, JSON or empty.
    pub payload: Bytes,
}

/// Factories [`FACTORY_STORE`] and [`FACTORY_AUDIT`]: submit and completion. The table is constant and valid for the life of
/// the process. All functions but `cancel` are required. The plug-in owns its threads.
///
/// `submit` answers OK exactly when one [`Host::complete`] for that id follows (or has already happened). The host sends
/// START first (HEALTH and a store's SCHEMA_STATUS and MIGRATE may come before it; after a failed START it may try again)
/// and STOP last, also when there was no START or none that worked; it comes again only when it failed or was not answered in
/// time. `destroy` comes after STOP was answered.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Service {
    /// Bytes of this struct that are there; 56 in ABI 1.0.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// `PATD_FLAG_…` that hold for this service.
    pub flags: u64,
    /// Makes an instance from its configuration, as a hasher's does. Resources are opened by START, not here: no IO, no
    /// threads. `[init]`
    pub create:
        Option<unsafe extern "C" fn(input: *const Create, out_self: *mut *mut c_void, detail: Out) -> Status>,
    /// Frees an instance after STOP was answered, or one that never got a request. Joins what threads are left. Nothing else
    /// runs on it, but for what is left of the call to `complete` that answered STOP, and nothing follows. It is not called for
    /// an instance that did not stop in time. `[init]`
    pub destroy: Option<unsafe extern "C" fn(me: *mut c_void)>,
    /// Writes the description, a JSON object (see the guide). `me` is NULL before `create`. `[thread-safe]`
    pub describe: Option<unsafe extern "C" fn(me: *mut c_void, json: Out) -> Status>,
    /// Takes a request: queue it and return within microseconds, work on a thread of your own. OK: `complete` is called
    /// exactly once for its id. Anything else: never, the request was not taken ([`status::BUSY`] when too many are in
    /// flight). Copy what you need of the request before you return. `[thread-safe] [never-blocks]`
    pub submit: Option<unsafe extern "C" fn(me: *mut c_void, request: *const Request) -> Status>,
    /// A hint that nobody waits for this request any more; the id may be unknown by now. The request is still to be completed,
    /// with [`status::CANCELLED`] if the work was given up. May be NULL. `[thread-safe] [never-blocks]`
    pub cancel: Option<unsafe extern "C" fn(me: *mut c_void, request_id: u64)>,
}

/// The only export, under [`ENTRY_SYMBOL`]. Constant, valid for the life of the process, frozen for major 1.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Plugin {
    /// [`PATD_PLUGIN_MAGIC`].
    pub magic: u64,
    /// Bytes of this struct that are there; 72.
    pub struct_size: u32,
    /// [`ABI_MAJOR`].
    pub abi_major: u16,
    /// [`ABI_MINOR`].
    pub abi_minor: u16,
    /// `[a-z0-9.-]{3,64}`: the name by which the configuration calls it; its file is `lib<id>.so`.
    pub id: Bytes,
    /// Semantic version, e.g. "1.0.0".
    pub version: Bytes,
    /// A JSON object for messages only: compiler, SDK, commit. Or empty.
    pub build_info: Bytes,
    /// The constant table of that factory id, compared byte by byte, or NULL. Reads nothing but the id and calls nothing: it
    /// runs before any instance exists. `[thread-safe] [never-blocks]`
    pub get_factory: Option<unsafe extern "C" fn(factory_id: Bytes) -> *const c_void>,
}

// SAFETY: the object is constant; its pointers lead to constant data of a library that is never unloaded.
unsafe impl Sync for Plugin {}
// SAFETY: as above.
unsafe impl Send for Plugin {}
