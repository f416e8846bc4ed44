//! The C ABI between patd and its plug-ins: the structs, numbers and names that both sides compile.
//!
//! This crate must never know what a token, a site or a payload is, and never allocate: it only fixes layout.
//! A plug-in exports one object, [`Plugin`] under the symbol [`ENTRY_SYMBOL`]; everything else is reached from it by
//! a factory id with a revision. Structs grow at their end only, and their `struct_size` says how much is there, so
//! neither side reads past what the other one wrote. Function pointers are `Option` because C can leave them NULL.
//! Functions are marked `[init]` (nothing else runs on the object), `[thread-safe]`, `[never-blocks]`, `[cpu-bound]`.
#![no_std]
#![expect(unsafe_code, reason = "the ABI's shared tables hold raw pointers and must be declared Sync")]

use core::ffi::c_void;

mod layout;

/// Outcome of a call; one of the constants in [`status`]. An integer, so that an unknown value is no undefined behaviour.
pub type Status = i32;

/// Values of [`Status`]. Any other value is read as [`status::INTERNAL`].
pub mod status {
    use super::Status;
    /// Done.
    pub const OK: Status = 0;
    /// The input is wrong; the same call fails again.
    pub const INVALID: Status = 1;
    /// Not possible now; the same call may work later.
    pub const UNAVAILABLE: Status = 2;
    /// The budget ran out; whether the work was done is unknown.
    pub const TIMEOUT: Status = 3;
    /// Given up because the host asked for it.
    pub const CANCELLED: Status = 4;
    /// The plug-in's own code panicked; the guard at its edge answered.
    pub const PANIC: Status = 5;
    /// The plug-in does not know this operation.
    pub const UNSUPPORTED: Status = 6;
    /// Too much in flight.
    pub const BUSY: Status = 7;
    /// Any other failure.
    pub const INTERNAL: Status = 8;
}

/// Operation numbers of [`Request::op`].
pub mod op {
    /// Open resources and begin to serve.
    pub const START: u32 = 1;
    /// Finish what is in flight, close resources, answer last.
    pub const STOP: u32 = 2;
    /// Say whether requests would be served.
    pub const HEALTH: u32 = 3;
    /// Store: which schema version the database has, which one the plug-in needs.
    pub const SCHEMA_STATUS: u32 = 4;
    /// Store: bring the schema to the plug-in's version.
    pub const MIGRATE: u32 = 5;
    /// Store: read rows.
    pub const QUERY: u32 = 256;
    /// Store: apply one set of changes, all or nothing.
    pub const APPLY: u32 = 257;
    /// Store: read events that wait for delivery.
    pub const OUTBOX_TAKE: u32 = 258;
    /// Store: move a sink's delivery cursor.
    pub const OUTBOX_ACK: u32 = 259;
    /// Audit sink: take one batch of events.
    pub const DELIVER: u32 = 512;
    /// Audit sink: put everything taken so far on stable storage.
    pub const FLUSH: u32 = 513;
    /// The first number that is not a lifecycle operation.
    pub const FIRST_DOMAIN: u32 = 256;
}

/// Bits of [`Hasher::flags`] and [`Service::flags`].
pub mod flags {
    /// Two instances must not overlap on one resource.
    pub const EXCLUSIVE: u64 = 1;
    /// Honours idempotency keys.
    pub const IDEMPOTENT: u64 = 1 << 1;
    /// Takes one batch at a time, in order.
    pub const ORDERED: u64 = 1 << 2;
    /// OK means on stable storage.
    pub const DURABLE: u64 = 1 << 3;
    /// Unknown bits of the high half mean "the host must know this": refuse.
    pub const REQUIRED_MASK: u64 = 0xFFFF_FFFF_0000_0000;
}

/// Levels of [`Host::log`].
pub mod level {
    /// Something failed.
    pub const ERROR: u32 = 1;
    /// Something is odd.
    pub const WARN: u32 = 2;
    /// Something happened.
    pub const INFO: u32 = 3;
    /// For whoever debugs the plug-in.
    pub const DEBUG: u32 = 4;
    /// Everything.
    pub const TRACE: u32 = 5;
}

/// Kinds of [`Host::metric`].
pub mod metric {
    /// Adds `value` to a counter.
    pub const COUNTER: u32 = 1;
    /// Sets a gauge to `value`.
    pub const GAUGE: u32 = 2;
    /// Records `value` in a histogram.
    pub const HISTOGRAM: u32 = 3;
}

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

/// Bytes borrowed for the call. `ptr` is not NULL even when `len` is 0; readers test `len` first all the same.
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

/// Where a function writes its output: the receiver copies during `write`, which may be called any number of times.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Out {
    /// Handed back to `write`.
    pub ctx: *mut c_void,
    /// Takes the next piece.
    pub write: Option<unsafe extern "C" fn(ctx: *mut c_void, piece: Bytes)>,
}

/// What the host offers; all functions `[thread-safe] [never-blocks]`, valid for the life of the process.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Host {
    /// Bytes of this struct that are there.
    pub struct_size: u32,
    /// The host's ABI major.
    pub abi_major: u16,
    /// The host's ABI minor.
    pub abi_minor: u16,
    /// Handed back to every function below.
    pub ctx: *mut c_void,
    /// Writes a log line; `fields_json` is a JSON object.
    pub log: Option<
        unsafe extern "C" fn(ctx: *mut c_void, instance: u64, level: u32, message: Bytes, fields_json: Bytes),
    >,
    /// Records a figure; kinds in [`metric`].
    pub metric:
        Option<unsafe extern "C" fn(ctx: *mut c_void, instance: u64, kind: u32, name: Bytes, value: f64)>,
    /// The host's clock.
    pub now_unix_ms: Option<unsafe extern "C" fn(ctx: *mut c_void) -> i64>,
    /// Answers a request that `submit` took; exactly once per request.
    pub complete: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            request_id: u64,
            status: Status,
            payload: Bytes,
            detail: Bytes,
        ),
    >,
    /// Optional services by id; NULL when unknown.
    pub get_extension: Option<unsafe extern "C" fn(ctx: *mut c_void, id: Bytes) -> *const c_void>,
}

/// Input of `create`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Create {
    /// Bytes of this struct that are there.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Number of the instance, unique for the life of the process.
    pub instance: u64,
    /// The host's functions.
    pub host: *const Host,
    /// The plug-in's own configuration table; `{}` when there is none.
    pub config_json: Bytes,
}

/// Makes an instance: `[init]`, no IO, no threads.
pub type CreateFn =
    unsafe extern "C" fn(input: *const Create, out_self: *mut *mut c_void, detail: Out) -> Status;
/// Frees an instance: `[init]`, nothing else is running on it.
pub type DestroyFn = unsafe extern "C" fn(me: *mut c_void);
/// Describes the plug-in as JSON: `[thread-safe]`, `me` may be NULL.
pub type DescribeFn = unsafe extern "C" fn(me: *mut c_void, json: Out) -> Status;

/// Factory [`FACTORY_HASHER`]: direct calls.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Hasher {
    /// Bytes of this struct that are there.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// See [`flags`].
    pub flags: u64,
    /// Makes an instance.
    pub create: Option<CreateFn>,
    /// Frees an instance.
    pub destroy: Option<DestroyFn>,
    /// Describes the plug-in.
    pub describe: Option<DescribeFn>,
    /// Public text (scheme, cost, salt) for a new digest: `[thread-safe]`.
    pub new_params:
        Option<unsafe extern "C" fn(me: *mut c_void, salt: Bytes, params: Out, detail: Out) -> Status>,
    /// The digest of a secret under `params`: `[thread-safe] [cpu-bound]`.
    pub derive: Option<
        unsafe extern "C" fn(
            me: *mut c_void,
            secret: Bytes,
            params: Bytes,
            digest: Out,
            detail: Out,
        ) -> Status,
    >,
    /// Writes 1 when `params` are not what `new_params` would give today: `[thread-safe]`.
    pub needs_rehash:
        Option<unsafe extern "C" fn(me: *mut c_void, params: Bytes, answer: *mut u32) -> Status>,
}

/// One request to a [`Service`]; borrowed for `submit` only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Request {
    /// Bytes of this struct that are there.
    pub struct_size: u32,
    /// See [`op`].
    pub op: u32,
    /// Unique for the life of the process.
    pub id: u64,
    /// Budget; the host's own timer decides.
    pub timeout_ms: u32,
    /// Of the payload; [`ENCODING_JSON`].
    pub encoding: u32,
    /// W3C trace context, or empty.
    pub traceparent: Bytes,
    /// The operation's input.
    pub payload: Bytes,
}

/// Factories [`FACTORY_STORE`] and [`FACTORY_AUDIT`]: submit and completion.
///
/// `submit` answers OK exactly when one [`Host::complete`] for that id follows (or has already happened).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Service {
    /// Bytes of this struct that are there.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// See [`flags`].
    pub flags: u64,
    /// Makes an instance.
    pub create: Option<CreateFn>,
    /// Frees an instance, after STOP completed.
    pub destroy: Option<DestroyFn>,
    /// Describes the plug-in.
    pub describe: Option<DescribeFn>,
    /// Takes a request: `[thread-safe] [never-blocks]`.
    pub submit: Option<unsafe extern "C" fn(me: *mut c_void, request: *const Request) -> Status>,
    /// A hint that nobody waits for this request any more: `[thread-safe] [never-blocks]`.
    pub cancel: Option<unsafe extern "C" fn(me: *mut c_void, request_id: u64)>,
}

/// The only export, under [`ENTRY_SYMBOL`]. Frozen for major 1.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Plugin {
    /// [`PATD_PLUGIN_MAGIC`].
    pub magic: u64,
    /// Bytes of this struct that are there.
    pub struct_size: u32,
    /// [`ABI_MAJOR`].
    pub abi_major: u16,
    /// [`ABI_MINOR`].
    pub abi_minor: u16,
    /// `[a-z0-9.-]{3,64}`.
    pub id: Bytes,
    /// Semantic version.
    pub version: Bytes,
    /// JSON, for messages only.
    pub build_info: Bytes,
    /// The factory of that id, or NULL.
    pub get_factory: Option<unsafe extern "C" fn(factory_id: Bytes) -> *const c_void>,
}

// SAFETY: the object is constant; its pointers lead to constant data of a library that is never unloaded.
unsafe impl Sync for Plugin {}
// SAFETY: as above.
unsafe impl Send for Plugin {}
