//! A host that records: log lines and completions, each as it came. Leaked, as a plug-in's thread may call back for ever.

use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use patd_abi::{Bytes, Status};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use crate::output::MAX_ANSWER;

static NEXT_INSTANCE: AtomicU64 = AtomicU64::new(1);
static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);
/// Most log lines that are kept.
const MAX_LINES: usize = 100_000;

/// How the table that the plug-in sees is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Exactly the v1 size, an unreadable page behind it.
    Exact,
    /// Of a newer host: a higher minor version and more bytes, all 0xFF.
    Newer,
    /// Of so many bytes only, an unreadable page behind them.
    Cut(u32),
}

/// One completion.
#[derive(Debug, Clone)]
pub struct Completion {
    /// Its status.
    pub status: Status,
    /// The payload, up to the daemon's limit.
    pub payload: Vec<u8>,
    /// Its true length.
    pub length: usize,
    /// The detail.
    pub detail: Vec<u8>,
    /// When it came.
    pub at: Instant,
    /// Position among all completions of this host.
    pub order: usize,
}

/// One log line.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// See [`patd_abi::level`].
    pub level: u32,
    /// The text.
    pub message: Vec<u8>,
    /// A JSON object.
    pub fields: Vec<u8>,
}

/// A recording host.
pub struct Host {
    instance: u64,
    table: Mapped,
    state: Mutex<State>,
    arrived: Condvar,
}

/// Memory of the table; never unmapped.
#[derive(Clone, Copy)]
struct Mapped(*const patd_abi::Host);

// SAFETY: constant once made; its ctx is the leaked Host, whose fields are thread-safe.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

#[derive(Default)]
struct State {
    completions: HashMap<u64, Vec<Completion>>,
    count: usize,
    lines: Vec<LogLine>,
    metrics: u64,
}

impl Host {
    /// A new host; lives as long as the process.
    ///
    /// # Panics
    /// When the system has no page of memory left.
    #[must_use]
    pub fn leak(shape: Shape) -> &'static Self {
        let (size, minor) = match shape {
            Shape::Exact => (size_of::<patd_abi::Host>(), patd_abi::ABI_MINOR),
            Shape::Newer => (2 * size_of::<patd_abi::Host>(), patd_abi::ABI_MINOR + 5),
            Shape::Cut(size) => (size as usize, patd_abi::ABI_MINOR),
        };
        let memory = before_a_wall(size);
        let me: &'static Self = Box::leak(Box::new(Self {
            instance: NEXT_INSTANCE.fetch_add(1, Ordering::Relaxed),
            table: Mapped(memory.cast()),
            state: Mutex::default(),
            arrived: Condvar::new(),
        }));
        let table = patd_abi::Host {
            struct_size: size as u32,
            abi_major: patd_abi::ABI_MAJOR,
            abi_minor: minor,
            ctx: std::ptr::from_ref(me).cast_mut().cast(),
            log: Some(log),
            metric: Some(metric),
            now_unix_ms: Some(now_unix_ms),
            complete: Some(complete),
            get_extension: Some(get_extension),
        };
        // SAFETY: `size` bytes are writable there; nobody else knows of them yet.
        unsafe {
            memory.write_bytes(0xFF, size);
            std::ptr::copy_nonoverlapping(
                (&raw const table).cast::<u8>(),
                memory,
                size.min(size_of::<patd_abi::Host>()),
            );
        }
        me
    }

    /// A number for the next request, unique in this process.
    #[must_use]
    pub fn next_request(&self) -> u64 {
        NEXT_REQUEST.fetch_add(1, Ordering::Relaxed)
    }

    /// All completions of one request so far.
    #[must_use]
    pub fn completions(&self, id: u64) -> Vec<Completion> {
        self.state.lock().completions.get(&id).cloned().unwrap_or_default()
    }

    /// How many completions came for each request.
    #[must_use]
    pub fn counts(&self) -> HashMap<u64, usize> {
        self.state.lock().completions.iter().map(|(id, all)| (*id, all.len())).collect()
    }

    /// How many completions came in all.
    #[must_use]
    pub fn completed(&self) -> usize {
        self.state.lock().count
    }

    /// Waits for the first completion of one request.
    #[must_use]
    pub fn wait(&self, id: u64, patience: Duration) -> Option<Completion> {
        let mut state = self.state.lock();
        let found = |state: &State| state.completions.get(&id).and_then(|all| all.first()).cloned();
        self.arrived.wait_while_for(&mut state, |state| found(state).is_none(), patience);
        found(&state)
    }

    /// Waits until each of these requests has a completion; gives those that have none.
    #[must_use]
    pub fn wait_all(&self, ids: &[u64], patience: Duration) -> Vec<u64> {
        let mut state = self.state.lock();
        let lack = |state: &State| -> Vec<u64> {
            ids.iter().copied().filter(|id| !state.completions.contains_key(id)).collect()
        };
        // Cheap first: the count cannot suffice before it does.
        let enough = |state: &mut State| state.completions.len() < ids.len() || !lack(state).is_empty();
        self.arrived.wait_while_for(&mut state, enough, patience);
        lack(&state)
    }

    /// All log lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.state.lock().lines.clone()
    }

    /// How often a figure was recorded.
    #[must_use]
    pub fn figures(&self) -> u64 {
        self.state.lock().metrics
    }

    pub(super) fn instance(&self) -> u64 {
        self.instance
    }

    pub(super) fn table(&self) -> *const patd_abi::Host {
        self.table.0
    }
}

/// `size` writable bytes right before an unreadable page, aligned to 8 where `size` is.
fn before_a_wall(size: usize) -> *mut u8 {
    const PAGE: usize = 64 << 10;
    let (read_write, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: a fresh mapping of our own; the second half becomes unreadable, nothing refers to it.
    unsafe {
        let memory = rustix::mm::mmap_anonymous(std::ptr::null_mut(), 2 * PAGE, read_write, flags)
            .expect("a page of memory");
        let wall = memory.cast::<u8>().add(PAGE);
        rustix::mm::mprotect(wall.cast(), PAGE, MprotectFlags::empty()).expect("a page of our own");
        wall.sub(size.min(PAGE))
    }
}

fn guarded<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

/// # Safety
/// `ctx` must be a host's.
unsafe fn host(ctx: *mut c_void) -> Option<&'static Host> {
    // SAFETY: the caller vouches for ctx; hosts are never freed. NULL gives None.
    unsafe { ctx.cast::<Host>().as_ref() }
}

unsafe extern "C" fn log(ctx: *mut c_void, _instance: u64, level: u32, message: Bytes, fields: Bytes) {
    guarded((), || {
        // SAFETY: the plug-in hands our ctx back and lends both texts for the call.
        let (host, message, fields) =
            unsafe { (host(ctx), message.as_slice().to_vec(), fields.as_slice().to_vec()) };
        let Some(host) = host else { return };
        let mut state = host.state.lock();
        if state.lines.len() < MAX_LINES {
            state.lines.push(LogLine { level, message, fields });
        }
    });
}

unsafe extern "C" fn metric(ctx: *mut c_void, _instance: u64, _kind: u32, _name: Bytes, _value: f64) {
    guarded((), || {
        // SAFETY: the plug-in hands our ctx back.
        if let Some(host) = unsafe { host(ctx) } {
            host.state.lock().metrics += 1;
        }
    });
}

unsafe extern "C" fn now_unix_ms(_ctx: *mut c_void) -> i64 {
    guarded(0, || {
        #[expect(
            clippy::disallowed_methods,
            reason = "the host's clock for plug-ins, which decide nothing by it"
        )]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

unsafe extern "C" fn complete(ctx: *mut c_void, id: u64, status: Status, payload: Bytes, detail: Bytes) {
    guarded((), || {
        // SAFETY: the plug-in hands our ctx back and lends both for the call.
        let (host, payload, detail) = unsafe { (host(ctx), payload.as_slice(), detail.as_slice()) };
        let Some(host) = host else { return };
        #[expect(clippy::disallowed_methods, reason = "a measured moment")]
        let at = Instant::now();
        let (length, kept) = (payload.len(), payload[..payload.len().min(MAX_ANSWER)].to_vec());
        let mut state = host.state.lock();
        let order = state.count;
        state.count += 1;
        let completion = Completion { status, payload: kept, length, detail: detail.to_vec(), at, order };
        state.completions.entry(id).or_default().push(completion);
        drop(state);
        host.arrived.notify_all();
    });
}

unsafe extern "C" fn get_extension(_ctx: *mut c_void, _id: Bytes) -> *const c_void {
    std::ptr::null()
}
