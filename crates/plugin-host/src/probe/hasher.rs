//! A hasher instance without any judgement: no self-test, no quarantine, no limits but memory's.

use std::ffi::c_void;

use patd_abi::{Bytes, Status};

use super::{Created, Factory, Host, Reply, create, describe_of, sink};

/// A hasher instance.
pub struct Hasher {
    table: patd_abi::Hasher,
    me: *mut c_void,
}

// SAFETY: the ABI marks all functions but create and destroy thread-safe; destroy takes the value.
unsafe impl Send for Hasher {}
// SAFETY: as above.
unsafe impl Sync for Hasher {}

impl Hasher {
    /// Makes an instance; a missing `create` is answered UNSUPPORTED.
    #[must_use]
    pub fn create(factory: Factory, host: &'static Host, config: &[u8]) -> Created<Self> {
        let table: patd_abi::Hasher = factory.table();
        let Some(function) = table.create else {
            let reply = Reply { status: patd_abi::status::UNSUPPORTED, ..Reply::default() };
            return Created { reply, instance: None };
        };
        let (reply, me) = create(function, host, config);
        let instance = reply.is_ok().then_some(Self { table, me });
        Created { reply, instance }
    }

    /// What the instance says of itself.
    #[must_use]
    pub fn describe(&self) -> Reply {
        self.table.describe.map_or_else(missing, |function| describe_of(function, self.me))
    }

    /// Parameters of a new digest.
    #[must_use]
    pub fn new_params(&self, salt: &[u8]) -> Reply {
        let Some(function) = self.table.new_params else { return missing() };
        // SAFETY: a live instance; salt and sinks outlive the call.
        sink::collect(|params, detail| unsafe { function(self.me, Bytes::of(salt), params, detail) })
    }

    /// The digest of a secret.
    #[must_use]
    pub fn derive(&self, secret: &[u8], params: &[u8]) -> Reply {
        let Some(function) = self.table.derive else { return missing() };
        sink::collect(|digest, detail| {
            // SAFETY: a live instance; inputs and sinks outlive the call.
            unsafe { function(self.me, Bytes::of(secret), Bytes::of(params), digest, detail) }
        })
    }

    /// Status and answer of `needs_rehash`.
    #[must_use]
    pub fn needs_rehash(&self, params: &[u8]) -> (Status, u32) {
        let mut answer = u32::MAX;
        let Some(function) = self.table.needs_rehash else { return (missing().status, answer) };
        // SAFETY: a live instance; params and the answer outlive the call.
        let status = unsafe { function(self.me, Bytes::of(params), &raw mut answer) };
        (status, answer)
    }

    /// Ends it.
    pub fn destroy(self) {
        if let Some(function) = self.table.destroy {
            // SAFETY: made by create, destroyed once; taking the value says that no call is under way.
            unsafe { function(self.me) }
        }
    }
}

fn missing() -> Reply {
    Reply { status: patd_abi::status::UNSUPPORTED, ..Reply::default() }
}
