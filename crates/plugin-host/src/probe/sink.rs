//! What a call wrote, counted in full and kept up to a limit. Must never let a panic out.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use patd_abi::{Bytes, Out, Status};

use crate::output::MAX_ANSWER;

/// What one call gave.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The status.
    pub status: Status,
    /// What was written as output, up to the daemon's limit of an answer.
    pub output: Vec<u8>,
    /// All bytes written as output, also those beyond the limit.
    pub written: u64,
    /// What was written as detail.
    pub detail: Vec<u8>,
}

impl Reply {
    /// Whether the status is OK.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == patd_abi::status::OK
    }

    /// The detail as text; invalid text is replaced.
    #[must_use]
    pub fn detail_text(&self) -> String {
        String::from_utf8_lossy(&self.detail).into_owned()
    }
}

#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    written: u64,
}

/// Makes one call with a sink for its output and one for its detail.
pub(super) fn collect(call: impl FnOnce(Out, Out) -> Status) -> Reply {
    let (mut output, mut detail) = (Sink::default(), Sink::default());
    let status = call(out(&mut output), out(&mut detail));
    Reply { status, output: output.bytes, written: output.written, detail: detail.bytes }
}

fn out(sink: &mut Sink) -> Out {
    Out { ctx: std::ptr::from_mut(sink).cast(), write: Some(write) }
}

unsafe extern "C" fn write(ctx: *mut c_void, piece: Bytes) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: ctx came from `out`, whose Sink lives through the call; the piece is lent for this call.
        let (sink, piece) = unsafe { (&mut *ctx.cast::<Sink>(), piece.as_slice()) };
        sink.written += piece.len() as u64;
        let room = MAX_ANSWER.saturating_sub(sink.bytes.len());
        sink.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    }));
}
