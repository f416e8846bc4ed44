//! A host: sinks for outputs, a table with a log and a mailbox of completions.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Condvar, Mutex, PoisonError};

use patd_sdk::abi::{self, Bytes, Create, Out, Status, status};

/// Status, payload and detail of a completion.
pub(crate) type Answer = (Status, Vec<u8>, String);

/// What one instance's plug-in side told its host.
#[derive(Default)]
pub(crate) struct Heard {
    completed: Mutex<HashMap<u64, Vec<Answer>>>,
    more: Condvar,
    log: Mutex<Vec<String>>,
}

impl Heard {
    /// Waits for the completion of a request and takes it.
    pub(crate) fn completion(&self, id: u64) -> Answer {
        let mut completed = self.completed.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(done) = completed.get_mut(&id).and_then(Vec::pop) {
                return done;
            }
            completed = self.more.wait(completed).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many completions nobody took.
    pub(crate) fn left(&self) -> usize {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

/// # Safety
/// `ctx` is a [`Heard`] that lives for ever.
unsafe extern "C" fn log(ctx: *mut c_void, _instance: u64, _level: u32, message: Bytes, fields: Bytes) {
    // SAFETY: ours, handed back; both texts are lent for the call.
    let (heard, message, fields) = unsafe { (&*ctx.cast::<Heard>(), message.as_slice(), fields.as_slice()) };
    let line = format!("{} {}", String::from_utf8_lossy(message), String::from_utf8_lossy(fields));
    heard.log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

/// # Safety
/// `ctx` is a [`Heard`] that lives for ever.
unsafe extern "C" fn complete(ctx: *mut c_void, id: u64, status: Status, payload: Bytes, detail: Bytes) {
    // SAFETY: ours, handed back; both are lent for the call.
    let (heard, payload, detail) =
        unsafe { (&*ctx.cast::<Heard>(), payload.as_slice().to_vec(), detail.as_slice().to_vec()) };
    let detail = String::from_utf8(detail).expect("a detail is text");
    let mut completed = heard.completed.lock().unwrap_or_else(PoisonError::into_inner);
    completed.entry(id).or_default().push((status, payload, detail));
    heard.more.notify_all();
}

/// A host's table, whole or cut to `size` bytes. Both live for ever, as the ABI says.
pub(crate) fn host(size: usize) -> (&'static abi::Host, &'static Heard) {
    let heard: &'static Heard = Box::leak(Box::default());
    let table = abi::Host {
        struct_size: u32::try_from(size).expect("small"),
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        ctx: std::ptr::from_ref(heard).cast_mut().cast(),
        log: Some(log),
        metric: None,
        now_unix_ms: None,
        complete: Some(complete),
        get_extension: None,
    };
    (Box::leak(Box::new(table)), heard)
}

/// An output: what was written, piece by piece.
#[derive(Default)]
pub(crate) struct Output(pub(crate) Vec<u8>);

/// # Safety
/// `ctx` is an [`Output`] that lives for the call.
unsafe extern "C" fn write(ctx: *mut c_void, piece: Bytes) {
    // SAFETY: ours, handed back; the piece is lent for the call.
    let (output, piece) = unsafe { (&mut *ctx.cast::<Output>(), piece.as_slice()) };
    output.0.extend_from_slice(piece);
}

impl Output {
    pub(crate) fn out(&mut self) -> Out {
        Out { ctx: std::ptr::from_mut(self).cast(), write: Some(write) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.clone()).expect("text")
    }
}

/// An instance, which may be used from many threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Me(pub(crate) *mut c_void);

// SAFETY: the ABI says that whatever a host calls at the same time is thread-safe.
unsafe impl Send for Me {}
// SAFETY: as above.
unsafe impl Sync for Me {}

/// Calls a table's `create`.
pub(crate) fn create(
    create: Option<abi::CreateFn>,
    host: &'static abi::Host,
    config: &str,
) -> Result<Me, String> {
    let mut detail = Output::default();
    let mut me = std::ptr::null_mut();
    let input = Create {
        struct_size: u32::try_from(size_of::<Create>()).expect("small"),
        reserved: 0,
        instance: 7,
        host,
        config_json: Bytes::of(config.as_bytes()),
    };
    // SAFETY: input, place and sink outlive the call.
    let answer = unsafe { create.expect("is there")(&raw const input, &raw mut me, detail.out()) };
    if answer == status::OK { Ok(Me(me)) } else { Err(format!("{answer} {}", detail.text())) }
}
