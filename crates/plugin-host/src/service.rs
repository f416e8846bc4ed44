//! A store or sink instance: requests go in by `submit`, answers come back as completions. The host's own timer decides,
//! so a plug-in that hangs, answers late, twice or for others costs its callers a time-out and a count, nothing more.
//!
//! Must never hold a lock across a call into the plug-in that a completion needs: `submit` may complete before it
//! returns.

use std::ffi::c_void;
use std::mem::size_of;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use patd_abi::{Bytes, Request, Service, op, status};
use patd_proto::describe::ServiceDescription;
use tokio::sync::Semaphore;

use crate::error::{CallError, LoadError, LoadErrorKind};
use crate::image::{Image, Kind};
use crate::instance::{Completed, Instance};

/// A `submit` slower than this is counted: it promised not to block.
const SLOW_SUBMIT: Duration = Duration::from_millis(5);
/// Most requests at once, whatever a plug-in claims.
const MAX_IN_FLIGHT: u32 = 4096;

/// How often a STOP that fails is tried again, and after how long.
const STOP_TRIES: u32 = 3;
const STOP_PAUSE: Duration = Duration::from_secs(1);
/// As long as the boundary can say.
const FOR_EVER: Duration = Duration::from_millis(u32::MAX as u64);

/// A store or sink instance. Copies share it.
#[derive(Clone)]
pub struct ServiceHandle {
    inner: Arc<Inner>,
}

struct Inner {
    image: Arc<Image>,
    table: Service,
    me: Pointer,
    instance: &'static Instance,
    description: ServiceDescription,
    permits: Semaphore,
    /// Held for reading during each call into the plug-in, for writing to destroy it.
    phase: RwLock<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Made; the plug-in has seen no request.
    Created,
    /// In use.
    Active,
    /// STOP is under way: nothing else goes in.
    Stopping,
    /// Gone.
    Destroyed,
}

struct Pointer(*mut c_void);

// SAFETY: the ABI marks submit, cancel and describe thread-safe; destroy is guarded by `phase`.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

impl ServiceHandle {
    /// Makes an instance named `name` with its configuration. No IO happens before [`Self::start`].
    ///
    /// # Errors
    /// [`LoadError`] when it is not of this kind or refuses the configuration.
    pub fn create(
        image: &Arc<Image>,
        kind: Kind,
        name: &str,
        config: &serde_json::Value,
    ) -> Result<Self, LoadError> {
        let (table, description) = described(image, kind)?;
        let create = image.required(table.create, "create")?;
        crate::image::check_settings(image, name, &description.config_schema, config)?;
        let instance = Instance::leak(name);
        let me = Pointer(crate::image::create(image, create, instance, config)?);
        let permits = Semaphore::new(description.max_in_flight.clamp(1, MAX_IN_FLIGHT) as usize);
        let phase = RwLock::new(Phase::Created);
        let image = Arc::clone(image);
        Ok(Self { inner: Arc::new(Inner { image, table, me, instance, description, permits, phase }) })
    }

    /// Whether the plug-in's own schema allows the configuration of an instance named `name`; makes none.
    ///
    /// # Errors
    /// [`LoadError`] when it is not of this kind, or its schema does not allow the configuration.
    pub fn check(image: &Image, kind: Kind, name: &str, config: &serde_json::Value) -> Result<(), LoadError> {
        let (_, description) = described(image, kind)?;
        crate::image::check_settings(image, name, &description.config_schema, config)
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.instance.name
    }

    /// The library it comes from.
    #[must_use]
    pub fn image(&self) -> &Arc<Image> {
        &self.inner.image
    }

    /// What it says about itself.
    #[must_use]
    pub fn description(&self) -> &ServiceDescription {
        &self.inner.description
    }

    /// See [`patd_abi::flags`].
    #[must_use]
    pub fn flags(&self) -> u64 {
        self.inner.table.flags
    }

    /// Whether it is out of service.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.inner.instance.is_quarantined()
    }

    /// Completions that nobody waited for: late, doubled or forged.
    #[must_use]
    pub fn spurious_completions(&self) -> u64 {
        self.inner.instance.spurious()
    }

    /// Takes the instance out of service: it answered nonsense.
    pub(crate) fn quarantine(&self, why: &str) {
        self.inner.instance.quarantine(why);
    }

    /// Opens what the instance needs; `payload` is START's.
    ///
    /// # Errors
    /// [`LoadError`] with the plug-in's reason.
    pub async fn start(&self, payload: Vec<u8>, timeout: Duration) -> Result<(), LoadError> {
        self.call(op::START, payload, timeout).await.map(drop).map_err(|error| {
            self.inner.image.subject().refuse(
                LoadErrorKind::Start,
                format!("{} to start", self.name()),
                error.to_string(),
                "See its configuration and the log.",
            )
        })
    }

    /// One request. What is not handed over by the end of `timeout` is [`CallError::Busy`], what is not answered by then
    /// [`CallError::Timeout`]. Dropping the future gives the request up.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&self, op: u32, payload: Vec<u8>, timeout: Duration) -> Result<Vec<u8>, CallError> {
        let begin = tokio::time::Instant::now();
        // Lifecycle operations pass by those that fill the queue.
        let _permit = if op < op::FIRST_DOMAIN {
            None
        } else {
            match tokio::time::timeout(timeout, self.inner.permits.acquire()).await {
                Ok(Ok(permit)) => Some(permit),
                _ => return Err(CallError::Busy),
            }
        };
        let left = timeout.saturating_sub(begin.elapsed());
        let completed = self.exchange(op, &payload, left).await.inspect_err(|error| self.note(op, error))?;
        if completed.status == status::OK && completed.detail.is_empty() {
            self.inner.instance.succeeded();
            return Ok(completed.payload);
        }
        let error = match completed.status {
            // One half of the answer says that it was done, the other that it was not.
            status::OK => {
                CallError::Internal(format!("success together with an error: {}", completed.detail))
            }
            status => CallError::of(status, completed.detail),
        };
        self.note(op, &error);
        Err(error)
    }

    /// What an error says about the instance's health.
    fn note(&self, op: u32, error: &CallError) {
        match error {
            CallError::Panic => self.quarantine("it panicked"),
            CallError::Internal(_) | CallError::Timeout if op >= op::FIRST_DOMAIN => {
                self.inner.instance.failed();
            }
            _ => {}
        }
    }

    /// Notes whether an answer that came with OK read back as the contract says.
    pub(crate) fn read_back(&self, well: bool) {
        if well { self.inner.instance.understood() } else { self.inner.instance.misunderstood() }
    }

    pub(crate) fn instance(&self) -> &'static Instance {
        self.inner.instance
    }

    async fn exchange(&self, op: u32, payload: &[u8], left: Duration) -> Result<Completed, CallError> {
        let (id, mut receiver) = self.inner.instance.expect();
        let waiting = Waiting { inner: &self.inner, id, handed_over: std::cell::Cell::new(false) };
        self.inner.submit(op, id, payload, left)?;
        waiting.handed_over.set(true);
        match tokio::time::timeout(left, &mut receiver).await {
            Ok(Ok(completed)) => Ok(completed),
            Ok(Err(_)) => Err(CallError::Timeout),
            Err(_) => {
                drop(waiting);
                // The answer may have come in just before the waiter went.
                receiver.try_recv().map_err(|_| CallError::Timeout)
            }
        }
    }

    /// Lets the instance finish and destroys it. One that does not stop in time is given up, not destroyed: its threads
    /// may still run.
    ///
    /// # Errors
    /// [`CallError`] when STOP failed.
    pub async fn stop(&self, timeout: Duration) -> Result<(), CallError> {
        {
            let mut phase = self.inner.phase.write();
            match *phase {
                Phase::Stopping | Phase::Destroyed => return Ok(()),
                Phase::Created | Phase::Active => *phase = Phase::Stopping,
            }
        }
        let stopped = self.call(op::STOP, Vec::new(), timeout).await.map(drop);
        if stopped.is_ok() {
            self.destroy().await;
        } else {
            tracing::error!(instance = self.name(), "plug-in instance did not stop; it is given up");
        }
        stopped
    }

    /// STOP and destroy, however long it takes, asking again when STOP fails; whether it ended. For an instance whose
    /// requests have ended.
    pub(crate) async fn end(&self) -> bool {
        {
            let mut phase = self.inner.phase.write();
            match *phase {
                Phase::Destroyed => return true,
                Phase::Stopping | Phase::Created | Phase::Active => *phase = Phase::Stopping,
            }
        }
        for _ in 0..STOP_TRIES {
            match self.call(op::STOP, Vec::new(), FOR_EVER).await {
                Ok(_) => {
                    self.destroy().await;
                    return true;
                }
                Err(error) => {
                    tracing::error!(instance = self.name(), %error, "plug-in instance did not stop");
                    tokio::time::sleep(STOP_PAUSE).await;
                }
            }
        }
        false
    }

    async fn destroy(&self) {
        let (inner, (done, ended)) = (Arc::clone(&self.inner), tokio::sync::oneshot::channel());
        // Destroying joins the plug-in's threads. On a thread of its own: one that hangs must hold up nothing else.
        let thread = std::thread::Builder::new().name("patd-destroy".to_owned()).spawn(move || {
            inner.destroy();
            let _nobody_waits = done.send(());
        });
        if thread.is_err() || ended.await.is_err() {
            tracing::error!(instance = self.name(), "the plug-in instance could not be destroyed");
        }
    }
}

/// The plug-in's table, whole, and what it says about itself.
fn described(image: &Image, kind: Kind) -> Result<(Service, ServiceDescription), LoadError> {
    // SAFETY: Service is the table of stores and sinks.
    let table: Service = unsafe { image.table(kind, size_of::<Service>()) }?;
    image.check_flags(table.flags)?;
    image.required(table.create, "create")?;
    image.required(table.destroy, "destroy")?;
    image.required(table.submit, "submit")?;
    let describe = image.required(table.describe, "describe")?;
    Ok((table, crate::image::describe(image, describe, kind)?))
}

/// A request under way; stops waiting and tells the plug-in when dropped without an answer.
struct Waiting<'a> {
    inner: &'a Inner,
    id: u64,
    handed_over: std::cell::Cell<bool>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.inner.instance.forget(self.id) && self.handed_over.get() {
            self.inner.cancel(self.id);
        }
    }
}

impl Inner {
    fn submit(&self, op: u32, id: u64, payload: &[u8], left: Duration) -> Result<(), CallError> {
        let name = &self.instance.name;
        if self.instance.is_quarantined() && op != op::STOP {
            return Err(CallError::Unavailable(format!("the plug-in instance {name} is quarantined")));
        }
        let phase = self.enter(op)?;
        let submit = self.table.submit.ok_or_else(|| CallError::Unsupported("submit".into()))?;
        let request = Request {
            struct_size: size_of::<Request>() as u32,
            op,
            id,
            timeout_ms: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
            encoding: patd_abi::ENCODING_JSON,
            traceparent: Bytes::empty(),
            payload: Bytes::of(payload),
        };
        #[expect(clippy::disallowed_methods, reason = "a measured duration, for metrics")]
        let begin = Instant::now();
        // SAFETY: a live instance (`phase` is held); the request outlives the call.
        let status = unsafe { submit(self.me.0, &raw const request) };
        drop(phase);
        if begin.elapsed() > SLOW_SUBMIT {
            metrics::counter!("patd_plugin_slow_submits_total", "instance" => name.clone()).increment(1);
        }
        if status == status::OK {
            return Ok(());
        }
        let error = CallError::of(status, "submit refused the request".into());
        if error == CallError::Panic {
            self.instance.quarantine("it panicked");
        }
        Err(error)
    }

    /// Holds the instance in place for one call into it.
    fn enter(&self, op: u32) -> Result<parking_lot::RwLockReadGuard<'_, Phase>, CallError> {
        let gone =
            || CallError::Unavailable(format!("the plug-in instance {} is stopped", self.instance.name));
        let phase = self.phase.read();
        let phase = match *phase {
            Phase::Active => phase,
            Phase::Created => {
                drop(phase);
                let mut writing = self.phase.write();
                if *writing == Phase::Created {
                    *writing = Phase::Active;
                }
                parking_lot::RwLockWriteGuard::downgrade(writing)
            }
            Phase::Stopping | Phase::Destroyed => phase,
        };
        match *phase {
            Phase::Active => Ok(phase),
            Phase::Stopping if op == op::STOP => Ok(phase),
            _ => Err(gone()),
        }
    }

    fn cancel(&self, id: u64) {
        // A writer can only wait here for a destroy, after which there is nothing to cancel.
        let phase = self.phase.read();
        if let (Phase::Active | Phase::Stopping, Some(cancel)) = (*phase, self.table.cancel) {
            // SAFETY: a live instance (`phase` is held).
            unsafe { cancel(self.me.0, id) }
        }
    }

    fn destroy(&self) {
        let mut phase = self.phase.write();
        if *phase == Phase::Destroyed {
            return;
        }
        *phase = Phase::Destroyed;
        if let Some(destroy) = self.table.destroy {
            // SAFETY: made by create; STOP completed or no request was ever seen, and `phase` keeps everyone out.
            unsafe { destroy(self.me.0) }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let phase = *self.phase.get_mut();
        match phase {
            Phase::Created => self.destroy(),
            Phase::Active => {
                tracing::warn!(
                    instance = self.instance.name,
                    "plug-in instance was dropped without STOP; it is given up"
                );
            }
            Phase::Stopping | Phase::Destroyed => {}
        }
    }
}

impl std::fmt::Debug for ServiceHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceHandle")
            .field("name", &self.name())
            .field("plugin", &self.inner.image.id())
            .finish()
    }
}
