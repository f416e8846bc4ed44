//! Sinks that plug-ins write into: bounded, copied, wiped where they take digests. Must never grow past its limit and never
//! let a panic out.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use patd_abi::{Bytes, Out};
use zeroize::Zeroizing;

/// Most bytes of an answer.
pub(crate) const MAX_ANSWER: usize = 8 << 20;
/// Most bytes of a detail text.
pub(crate) const MAX_DETAIL: usize = 4 << 10;
/// Most characters of a plug-in's answer that an error quotes.
const BRIEF: usize = 200;
/// Most bytes of a digest.
pub(crate) const MAX_DIGEST: usize = 1 << 10;

/// Collects what a plug-in writes during one call.
pub(crate) struct Output {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
    overflow: bool,
}

impl Output {
    /// Room for `limit` bytes, reserved at once when small, so that a digest is not left behind by growing.
    pub(crate) fn new(limit: usize) -> Self {
        let reserved = if limit <= MAX_DETAIL { limit } else { 0 };
        Self { bytes: Zeroizing::new(Vec::with_capacity(reserved)), limit, overflow: false }
    }

    /// The sink to hand out for one call.
    pub(crate) fn out(&mut self) -> Out {
        Out { ctx: std::ptr::from_mut(self).cast(), write: Some(write) }
    }

    /// The bytes; `None` when the plug-in wrote more than the limit.
    pub(crate) fn take(self) -> Option<Zeroizing<Vec<u8>>> {
        (!self.overflow).then_some(self.bytes)
    }

    /// What was written, as text for a log.
    pub(crate) fn text(&self) -> String {
        text(&self.bytes)
    }
}

/// What a plug-in says to people, as text for a log or a terminal: invalid text is replaced, an overlong one cut, and what a
/// terminal would obey is a blank.
pub(crate) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_DETAIL)]);
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// The beginning of what may quote a plug-in at any length.
pub(crate) fn brief(said: &impl std::fmt::Display) -> String {
    let said = said.to_string();
    let cut: String = said.chars().take(BRIEF).collect();
    let more = if cut.len() < said.len() { "…" } else { "" };
    format!("{}{more}", text(cut.as_bytes()))
}

unsafe extern "C" fn write(ctx: *mut c_void, piece: Bytes) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: ctx came from `out`, whose Output lives through the call; the piece is lent for this call.
        let (output, piece) = unsafe { (&mut *ctx.cast::<Output>(), piece.as_slice()) };
        let room = output.limit - output.bytes.len();
        if piece.len() > room {
            output.overflow = true;
        }
        output.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    }));
}
