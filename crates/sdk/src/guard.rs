//! The edge of the plug-in: panics stop here. Must never let a panic's text out, as it may quote a secret.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use patd_abi::{Bytes, Out, Status, status};

use crate::Failure;

/// Runs an exported function; a panic becomes PANIC, a failure its status with the detail written out.
pub(crate) fn call(detail: Option<Out>, body: impl FnOnce() -> Result<(), Failure>) -> Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => status::OK,
        Ok(Err(failure)) => {
            if let Some(out) = detail {
                write(out, failure.detail().as_bytes());
            }
            failure.status()
        }
        Err(payload) => {
            // Dropping a payload may panic again; forgetting it leaks a few bytes once per bug.
            std::mem::forget(payload);
            status::PANIC
        }
    }
}

/// Writes into the receiver's sink.
pub(crate) fn write(out: Out, bytes: &[u8]) {
    if let Some(write) = out.write {
        // SAFETY: the receiver's function with its own ctx; the bytes outlive the call.
        unsafe { write(out.ctx, Bytes::of(bytes)) }
    }
}

/// The instance behind `me`.
///
/// # Safety
/// `me` must be NULL or what `create` of the same `T` wrote, and not yet destroyed.
pub(crate) unsafe fn instance<'a, T>(me: *mut c_void) -> Result<&'a T, Failure> {
    // SAFETY: the caller vouches for the pointer; NULL gives None.
    unsafe { me.cast::<T>().as_ref() }.ok_or_else(|| Failure::invalid("called without an instance"))
}

/// Text that the host lends.
///
/// # Safety
/// As [`Bytes::as_slice`].
pub(crate) unsafe fn text<'a>(bytes: Bytes, what: &str) -> Result<&'a str, Failure> {
    // SAFETY: the caller vouches for the bytes.
    std::str::from_utf8(unsafe { bytes.as_slice() })
        .map_err(|_| Failure::invalid(format!("{what} is not UTF-8")))
}
