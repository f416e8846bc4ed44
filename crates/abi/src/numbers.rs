//! The numbers that cross the boundary. Each group is a module here and a prefix in the C header. Must never renumber: a
//! number that was released keeps its meaning for as long as the major version.

/// Values of [`Status`](crate::Status). Any other value is read as [`status::INTERNAL`].
pub mod status {
    use crate::Status;
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
    /// The plug-in's own code broke down (a panic, an exception). The host takes the instance out of service.
    pub const PANIC: Status = 5;
    /// The plug-in does not know this operation.
    pub const UNSUPPORTED: Status = 6;
    /// Too much in flight.
    pub const BUSY: Status = 7;
    /// Any other failure.
    pub const INTERNAL: Status = 8;
}

/// Operation numbers of [`Request::op`](crate::Request::op). An operation that is not known is answered with
/// [`status::UNSUPPORTED`].
pub mod op {
    /// Every service: open resources and begin to serve. Threads may be started from here on.
    pub const START: u32 = 1;
    /// Every service: finish what is in flight, let every other thread end, close resources, answer last. No request follows.
    pub const STOP: u32 = 2;
    /// Every service: OK when requests would be served now.
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
    /// Store: copy everything into a file that does not exist yet.
    pub const BACKUP: u32 = 262;
    /// Store, optional: give everything piece by piece.
    pub const EXPORT: u32 = 263;
    /// Store, optional: take everything piece by piece, into an empty store.
    pub const IMPORT: u32 = 264;
    /// Store, optional: how many live digests there are, by what they were made with.
    pub const DIGESTS: u32 = 265;
    /// Store: what waits for a sink.
    pub const OUTBOX_STATUS: u32 = 266;
    /// Store: list the events that a sink will never take.
    pub const DEAD_LETTERS: u32 = 267;
    /// Store: forget some of them.
    pub const DEAD_LETTERS_FORGET: u32 = 268;
    /// Store: which of several daemons brings a sink its events.
    pub const OUTBOX_LEASE: u32 = 269;
    /// Store: remove the oldest events.
    pub const EVENTS_REMOVE: u32 = 270;
    /// Audit sink: take one batch of events.
    pub const DELIVER: u32 = 512;
    /// Audit sink: put everything taken so far on stable storage.
    pub const FLUSH: u32 = 513;
    /// The first number that is not a lifecycle operation.
    pub const FIRST_DOMAIN: u32 = 256;
}

/// Bits of [`Hasher::flags`](crate::Hasher::flags) and [`Service::flags`](crate::Service::flags).
pub mod flags {
    /// Two instances must not overlap on one resource.
    pub const EXCLUSIVE: u64 = 1;
    /// Honours idempotency keys.
    pub const IDEMPOTENT: u64 = 1 << 1;
    /// Takes one batch at a time, in order.
    pub const ORDERED: u64 = 1 << 2;
    /// OK means on stable storage.
    pub const DURABLE: u64 = 1 << 3;
    /// Unknown bits of the high half mean "the host must know this": a host that does not refuses the plug-in.
    pub const REQUIRED_MASK: u64 = 0xFFFF_FFFF_0000_0000;
}

/// Levels of [`Host::log`](crate::Host::log).
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

/// Kinds of [`Host::metric`](crate::Host::metric).
pub mod metric {
    /// Adds `value` to a counter.
    pub const COUNTER: u32 = 1;
    /// Sets a gauge to `value`.
    pub const GAUGE: u32 = 2;
    /// Records `value` in a histogram.
    pub const HISTOGRAM: u32 = 3;
}
