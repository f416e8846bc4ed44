//! The host's side of one instance: its table of callbacks, its waiters, its quarantine. Leaked on purpose, one small block
//! per instance: a plug-in's thread may call back long after the instance was given up, and must find it.

use std::collections::HashSet;
use std::mem::size_of;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use patd_abi::{Host, Status};
use tokio::sync::Notify;

use crate::callbacks;
use crate::waiters::{Waiter, Waiters};

static NEXT_INSTANCE: AtomicU64 = AtomicU64::new(1);
static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

/// So many failures or time-outs without a good answer between them are a storm.
const STORM: u32 = 8;
/// So many answers in a row that do not read back: more than one bad row explains.
const NONSENSE: u32 = 3;

/// A completion as it arrived, copied.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) status: Status,
    pub(crate) payload: Vec<u8>,
    pub(crate) detail: String,
}

/// The host's side of one instance.
pub(crate) struct Instance {
    pub(crate) id: u64,
    /// Name in the configuration, for logs.
    pub(crate) name: String,
    host: Table,
    /// Requests of this instance alone: it cannot answer for another one.
    waiters: Waiters<Completed>,
    spurious: AtomicU64,
    quarantined: AtomicBool,
    /// Why it was quarantined.
    why: Mutex<String>,
    /// Told once when it is quarantined.
    told: Notify,
    /// Failures and time-outs since the last good answer.
    failures: AtomicU32,
    /// Answers that do not read back since the last that did.
    nonsense: AtomicU32,
    /// Names of figures that it may record.
    pub(crate) metrics: Mutex<HashSet<String>>,
}

struct Table(Host);

// SAFETY: the table is constant once made; its ctx is the leaked Instance, whose fields are all thread-safe.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Instance {
    /// A new instance; lives as long as the process.
    pub(crate) fn leak(name: &str) -> &'static Self {
        let host = Host {
            struct_size: size_of::<Host>() as u32,
            abi_major: patd_abi::ABI_MAJOR,
            abi_minor: patd_abi::ABI_MINOR,
            ctx: std::ptr::null_mut(),
            log: Some(callbacks::log),
            metric: Some(callbacks::metric),
            now_unix_ms: Some(callbacks::now_unix_ms),
            complete: Some(callbacks::complete),
            get_extension: Some(callbacks::get_extension),
        };
        let me = Box::into_raw(Box::new(Self {
            id: NEXT_INSTANCE.fetch_add(1, Ordering::Relaxed),
            name: name.to_owned(),
            host: Table(host),
            waiters: Waiters::default(),
            spurious: AtomicU64::new(0),
            quarantined: AtomicBool::new(false),
            why: Mutex::default(),
            told: Notify::new(),
            failures: AtomicU32::new(0),
            nonsense: AtomicU32::new(0),
            metrics: Mutex::default(),
        }));
        // SAFETY: `me` was just made and is nobody else's yet; it is never freed.
        unsafe {
            (*me).host.0.ctx = me.cast();
            &*me
        }
    }

    /// The callbacks to hand to the plug-in.
    pub(crate) fn host(&'static self) -> *const Host {
        &raw const self.host.0
    }

    /// A new request and where its completion arrives.
    pub(crate) fn expect(&self) -> (u64, Waiter<Completed>) {
        let id = NEXT_REQUEST.fetch_add(1, Ordering::Relaxed);
        (id, self.waiters.expect(id))
    }

    /// Stops waiting; whether anybody still waited.
    pub(crate) fn forget(&self, id: u64) -> bool {
        self.waiters.forget(id)
    }

    /// Hands a completion to its waiter; one that nobody waits for is counted.
    pub(crate) fn complete(&self, id: u64, completed: Completed) {
        if !self.waiters.complete(id, completed) {
            self.spurious.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("patd_plugin_spurious_completions_total", "instance" => self.name.clone())
                .increment(1);
        }
    }

    /// Completions that nobody waited for.
    pub(crate) fn spurious(&self) -> u64 {
        self.spurious.load(Ordering::Relaxed)
    }

    /// Takes the instance out of service.
    pub(crate) fn quarantine(&self, why: &str) {
        if !self.quarantined.swap(true, Ordering::Relaxed) {
            tracing::error!(
                instance = self.name,
                why,
                "plug-in instance quarantined; it answers nothing any more"
            );
            metrics::counter!("patd_plugin_quarantined_total", "instance" => self.name.clone()).increment(1);
            why.clone_into(&mut self.why.lock());
            self.told.notify_one();
        }
    }

    /// Waits until it is quarantined. For one waiter: the slot that supervises it.
    pub(crate) async fn quarantined(&self) {
        while !self.is_quarantined() {
            self.told.notified().await;
        }
    }

    /// Why it was quarantined; empty when it was not.
    pub(crate) fn why(&self) -> String {
        self.why.lock().clone()
    }

    /// Notes a good answer.
    pub(crate) fn succeeded(&self) {
        // Read first: on a healthy instance nothing is written.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Notes a failure or a time-out; a storm of them quarantines the instance.
    pub(crate) fn failed(&self) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= STORM {
            self.quarantine("it failed or timed out eight times in a row");
        }
    }

    /// Notes an answer that read back as the contract says.
    pub(crate) fn understood(&self) {
        if self.nonsense.load(Ordering::Relaxed) != 0 {
            self.nonsense.store(0, Ordering::Relaxed);
        }
    }

    /// Notes an answer that did not; a few in a row quarantine the instance.
    pub(crate) fn misunderstood(&self) {
        if self.nonsense.fetch_add(1, Ordering::Relaxed) + 1 >= NONSENSE {
            self.quarantine("it answered nonsense three times in a row");
        }
    }

    /// Whether it is out of service.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.quarantined.load(Ordering::Relaxed)
    }
}
