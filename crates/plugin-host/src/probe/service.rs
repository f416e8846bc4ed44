//! A store or sink instance without any judgement: no permits, no time-outs, no phases.

use std::ffi::c_void;
use std::mem::size_of;
use std::time::{Duration, Instant};

use patd_abi::{Bytes, Request, Status};

use super::{Created, Factory, Host, Reply, create, describe_of};

/// A store or sink instance.
pub struct Service {
    table: patd_abi::Service,
    me: *mut c_void,
    host: &'static Host,
}

// SAFETY: the ABI marks submit, cancel and describe thread-safe; destroy takes the value.
unsafe impl Send for Service {}
// SAFETY: as above.
unsafe impl Sync for Service {}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// See [`patd_abi::op`].
    pub op: u32,
    /// From [`Host::next_request`].
    pub id: u64,
    /// The budget.
    pub timeout: Duration,
    /// See [`patd_abi::ENCODING_JSON`].
    pub encoding: u32,
    /// The input.
    pub payload: &'a [u8],
}

impl Service {
    /// Makes an instance; a missing `create` is answered UNSUPPORTED.
    #[must_use]
    pub fn create(factory: Factory, host: &'static Host, config: &[u8]) -> Created<Self> {
        let table: patd_abi::Service = factory.table();
        let Some(function) = table.create else {
            let reply = Reply { status: patd_abi::status::UNSUPPORTED, ..Reply::default() };
            return Created { reply, instance: None };
        };
        let (reply, me) = create(function, host, config);
        let instance = reply.is_ok().then_some(Self { table, me, host });
        Created { reply, instance }
    }

    /// The host that records for it.
    #[must_use]
    pub fn host(&self) -> &'static Host {
        self.host
    }

    /// See [`patd_abi::flags`].
    #[must_use]
    pub fn flags(&self) -> u64 {
        self.table.flags
    }

    /// What the instance says of itself.
    #[must_use]
    pub fn describe(&self) -> Reply {
        self.table.describe.map_or_else(Reply::default, |function| describe_of(function, self.me))
    }

    /// Hands one request over; its status and how long that took.
    #[must_use]
    pub fn submit(&self, ask: Ask<'_>) -> (Status, Duration) {
        let Some(function) = self.table.submit else {
            return (patd_abi::status::UNSUPPORTED, Duration::ZERO);
        };
        let request = Request {
            struct_size: size_of::<Request>() as u32,
            op: ask.op,
            id: ask.id,
            timeout_ms: u32::try_from(ask.timeout.as_millis()).unwrap_or(u32::MAX),
            encoding: ask.encoding,
            traceparent: Bytes::empty(),
            payload: Bytes::of(ask.payload),
        };
        #[expect(clippy::disallowed_methods, reason = "a measured duration")]
        let begin = Instant::now();
        // SAFETY: a live instance; the request outlives the call.
        let status = unsafe { function(self.me, &raw const request) };
        (status, begin.elapsed())
    }

    /// Says that nobody waits for a request any more.
    pub fn cancel(&self, id: u64) {
        if let Some(function) = self.table.cancel {
            // SAFETY: a live instance.
            unsafe { function(self.me, id) }
        }
    }

    /// Ends it.
    pub fn destroy(self) {
        if let Some(function) = self.table.destroy {
            // SAFETY: made by create, destroyed once; taking the value says that no call is under way.
            unsafe { function(self.me) }
        }
    }
}
