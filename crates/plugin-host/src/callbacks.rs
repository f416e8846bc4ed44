//! What plug-ins call: log, metric, clock, completion. Each is guarded, as a panic must not unwind into C, and must never
//! block or call back into the plug-in.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{SystemTime, UNIX_EPOCH};

use patd_abi::{Bytes, Status, level, metric as kind, status};

use crate::instance::{Completed, Instance};
use crate::output::{self, MAX_ANSWER, MAX_DETAIL};

/// Most figures of one instance, so that a plug-in cannot grow the metrics page without end.
const MAX_METRICS: usize = 64;

fn guarded<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

/// # Safety
/// `ctx` must be an instance's.
unsafe fn instance(ctx: *mut c_void) -> Option<&'static Instance> {
    // SAFETY: the caller vouches for ctx; instances are never freed. NULL gives None.
    unsafe { ctx.cast::<Instance>().as_ref() }
}

/// # Safety
/// As [`Bytes::as_slice`].
unsafe fn text(bytes: Bytes, limit: usize) -> String {
    // SAFETY: the caller vouches for the bytes.
    let bytes = unsafe { bytes.as_slice() };
    output::text(&bytes[..bytes.len().min(limit)])
}

pub(crate) unsafe extern "C" fn log(
    ctx: *mut c_void,
    _instance: u64,
    at: u32,
    message: Bytes,
    fields: Bytes,
) {
    guarded((), || {
        // SAFETY: the plug-in hands our ctx back and lends both texts for the call.
        let (instance, message, fields) =
            unsafe { (instance(ctx), text(message, MAX_DETAIL), text(fields, MAX_DETAIL)) };
        let Some(instance) = instance else { return };
        let name = instance.name.as_str();
        match at {
            level::ERROR => tracing::error!(target: "patd::plugin", instance = name, fields, "{message}"),
            level::WARN => tracing::warn!(target: "patd::plugin", instance = name, fields, "{message}"),
            level::INFO => tracing::info!(target: "patd::plugin", instance = name, fields, "{message}"),
            level::DEBUG => tracing::debug!(target: "patd::plugin", instance = name, fields, "{message}"),
            _ => tracing::trace!(target: "patd::plugin", instance = name, fields, "{message}"),
        }
    });
}

pub(crate) unsafe extern "C" fn metric(
    ctx: *mut c_void,
    _instance: u64,
    which: u32,
    name: Bytes,
    value: f64,
) {
    guarded((), || {
        // SAFETY: the plug-in hands our ctx back and lends the name for the call.
        let (instance, name) = unsafe { (instance(ctx), text(name, 64)) };
        let Some(instance) = instance else { return };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) || !value.is_finite() {
            return;
        }
        let mut names = instance.metrics.lock();
        if !names.contains(&name) {
            if names.len() >= MAX_METRICS {
                return;
            }
            names.insert(name.clone());
        }
        drop(names);
        let name = format!("patd_plugin_{name}");
        let label = instance.name.clone();
        match which {
            kind::COUNTER => metrics::counter!(name, "instance" => label).increment(value.max(0.0) as u64),
            kind::GAUGE => metrics::gauge!(name, "instance" => label).set(value),
            kind::HISTOGRAM => metrics::histogram!(name, "instance" => label).record(value),
            _ => {}
        }
    });
}

pub(crate) unsafe extern "C" fn now_unix_ms(_ctx: *mut c_void) -> i64 {
    guarded(0, || {
        #[expect(
            clippy::disallowed_methods,
            reason = "the host's clock for plug-ins, which decide nothing by it"
        )]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

pub(crate) unsafe extern "C" fn complete(
    ctx: *mut c_void,
    id: u64,
    status: Status,
    payload: Bytes,
    detail: Bytes,
) {
    guarded((), || {
        // SAFETY: the plug-in hands our ctx back and lends both for the call.
        let (instance, payload, detail) =
            unsafe { (instance(ctx), payload.as_slice(), text(detail, MAX_DETAIL)) };
        let Some(instance) = instance else { return };
        let completed = if payload.len() > MAX_ANSWER {
            let detail = format!("the answer has {} bytes, at most {MAX_ANSWER} are taken", payload.len());
            Completed { status: status::INTERNAL, payload: Vec::new(), detail }
        } else {
            Completed { status, payload: payload.to_vec(), detail }
        };
        instance.complete(id, completed);
    });
}

pub(crate) unsafe extern "C" fn get_extension(_ctx: *mut c_void, _id: Bytes) -> *const c_void {
    std::ptr::null()
}
