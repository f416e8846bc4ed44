//! What an instance gets at its making: its number, its configuration and the host's functions. Must never keep a
//! borrowed input beyond the call.

use std::ffi::c_void;
use std::mem::{offset_of, size_of};

use patd_abi::{Bytes, Create, Host, Status};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::Failure;

/// The host's functions for one instance. Copies freely; valid for the life of the process.
#[derive(Clone, Copy)]
pub struct HostHandle {
    host: &'static Host,
    instance: u64,
}

// SAFETY: the ABI marks every function of the host thread-safe, and `ctx` is only handed back to them.
unsafe impl Send for HostHandle {}
// SAFETY: as above.
unsafe impl Sync for HostHandle {}

/// Whether the host's struct reaches past `$field`, so that the field may be read.
macro_rules! has {
    ($host:expr, $field:ident) => {
        $host.struct_size as usize >= offset_of!(Host, $field) + size_of::<*const c_void>()
    };
}

impl HostHandle {
    /// Number of the instance.
    #[must_use]
    pub fn instance(&self) -> u64 {
        self.instance
    }

    /// Writes a log line; levels in [`patd_abi::level`].
    pub fn log(&self, level: u32, message: &str, fields_json: &str) {
        if has!(self.host, log)
            && let Some(log) = self.host.log
        {
            // SAFETY: the field is within struct_size; both texts outlive the call.
            unsafe {
                log(
                    self.host.ctx,
                    self.instance,
                    level,
                    Bytes::of(message.as_bytes()),
                    Bytes::of(fields_json.as_bytes()),
                );
            }
        }
    }

    /// Records a figure; kinds in [`patd_abi::metric`].
    pub fn metric(&self, kind: u32, name: &str, value: f64) {
        if has!(self.host, metric)
            && let Some(metric) = self.host.metric
        {
            // SAFETY: the field is within struct_size; the name outlives the call.
            unsafe { metric(self.host.ctx, self.instance, kind, Bytes::of(name.as_bytes()), value) }
        }
    }

    /// The host's clock, milliseconds since 1970; 0 when the host has none.
    #[must_use]
    pub fn now_unix_ms(&self) -> i64 {
        if has!(self.host, now_unix_ms)
            && let Some(now) = self.host.now_unix_ms
        {
            // SAFETY: the field is within struct_size.
            return unsafe { now(self.host.ctx) };
        }
        0
    }

    /// Completes any request, as often as one likes. Only the deliberately faulty plug-in needs it: everyone else has a
    /// [`crate::Completion`].
    #[doc(hidden)]
    pub fn danger_complete(&self, id: u64, status: Status, payload: &[u8], detail: &str) {
        self.complete(id, status, payload, detail);
    }

    /// Size of the host's table and its minor version. Only the deliberately faulty plug-in judges by it.
    #[doc(hidden)]
    #[must_use]
    pub fn danger_age(&self) -> (u32, u16) {
        (self.host.struct_size, self.host.abi_minor)
    }

    pub(crate) fn complete(&self, id: u64, status: Status, payload: &[u8], detail: &str) {
        if has!(self.host, complete)
            && let Some(complete) = self.host.complete
        {
            // SAFETY: the field is within struct_size; payload and detail outlive the call.
            unsafe {
                complete(self.host.ctx, id, status, Bytes::of(payload), Bytes::of(detail.as_bytes()));
            }
        }
    }
}

/// What `create` hands to an instance. The configuration may hold secrets and is wiped when this is dropped.
pub struct Context {
    host: HostHandle,
    config: Zeroizing<Vec<u8>>,
}

impl Context {
    /// Reads the C struct.
    ///
    /// # Safety
    /// `input` must be NULL or point to a [`Create`] as the ABI says.
    pub(crate) unsafe fn read(input: *const Create) -> Result<Self, Failure> {
        // SAFETY: the caller vouches for the pointer; NULL gives None.
        let input = unsafe { input.as_ref() }.ok_or_else(|| Failure::invalid("create was given NULL"))?;
        if (input.struct_size as usize) < size_of::<Create>() {
            return Err(Failure::invalid(format!(
                "the host's patd_create has {} bytes, this plug-in needs {}: use a newer daemon",
                input.struct_size,
                size_of::<Create>()
            )));
        }
        // SAFETY: the ABI keeps the host's table valid for the life of the process; NULL gives None.
        let host: &'static Host = unsafe { input.host.as_ref() }
            .ok_or_else(|| Failure::invalid("create was given no host table"))?;
        if !has!(host, complete) {
            return Err(Failure::invalid(format!("the host table has only {} bytes", host.struct_size)));
        }
        // SAFETY: borrowed for this call, copied here.
        let config = Zeroizing::new(unsafe { input.config_json.as_slice() }.to_vec());
        Ok(Self { host: HostHandle { host, instance: input.instance }, config })
    }

    /// The host's functions.
    #[must_use]
    pub fn host(&self) -> HostHandle {
        self.host
    }

    /// Number of the instance.
    #[must_use]
    pub fn instance(&self) -> u64 {
        self.host.instance
    }

    /// The configuration as it came. Only the deliberately faulty plug-in repeats it.
    #[doc(hidden)]
    #[must_use]
    pub fn danger_config(&self) -> &[u8] {
        &self.config
    }

    /// The configuration as the plug-in's own type; use `#[serde(deny_unknown_fields)]` there.
    ///
    /// # Errors
    /// INVALID, naming the key, when the configuration does not fit.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let text: &[u8] = if self.config.is_empty() { b"{}" } else { &self.config };
        // serde reads a list as a table's values in their order.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err(Failure::invalid("config: this is no table"));
        }
        serde_json::from_slice(text)
            .map_err(|error| Failure::invalid(format!("config: {}", unquoted(&error.to_string()))))
    }
}

/// Takes values out of serde's message: one of them may be a password that stands under the wrong key. Names of keys stay.
fn unquoted(message: &str) -> String {
    let (first, last) = match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => (first, last),
        _ if ["unknown variant", "invalid"].iter().any(|start| message.starts_with(start)) => {
            match message.match_indices('`').map(|(at, _)| at).take(2).collect::<Vec<_>>().as_slice() {
                [first, last] => (*first, *last),
                _ => return message.to_owned(),
            }
        }
        _ => return message.to_owned(),
    };
    format!("{}…{}", &message[..=first], &message[last..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_about_a_configuration_name_keys_and_no_values() {
        for (message, told) in [
            ("unknown field `pasword`, expected `a` or `b`", "unknown field `pasword`, expected `a` or `b`"),
            ("missing field `path`", "missing field `path`"),
            ("unknown variant `hunter2`, expected `a` or `b`", "unknown variant `…`, expected `a` or `b`"),
            (
                "invalid type: integer `4711`, expected a string",
                "invalid type: integer `…`, expected a string",
            ),
            ("invalid type: string \"hunter2\", expected u32", "invalid type: string \"…\", expected u32"),
            ("invalid value: string \"a\"b\", expected `c`", "invalid value: string \"…\", expected `c`"),
        ] {
            assert_eq!(unquoted(message), told);
        }
    }
}
