//! [`Managed`] runs an [`AsyncService`] on a tokio runtime of the plug-in's own: one per image, shared by all its
//! instances, its threads named after the first instance. The host's runtime must never be used: each image has its own
//! copy of tokio, which does not see it.
//!
//! Order of life: the runtime starts with the first request and ends, threads joined, when the last instance that used it
//! is destroyed. STOP waits for the calls in flight; calls before START and after STOP are answered UNAVAILABLE.

use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use patd_abi::op;
use tokio::runtime::Runtime;
use tokio::sync::RwLock;

use crate::giving_up::{self, InFlight};
use crate::{Completion, Context, Failure, HostHandle, Request, Service, ServiceDescription, trace};

/// What an author of a store or sink implements.
pub trait AsyncService: Send + Sync + Sized + 'static {
    /// See [`patd_abi::flags`].
    const FLAGS: u64;

    /// Whether [`Self::call`] may be dropped at any `await`, without harm but for a delivery that may come twice. Then the
    /// SDK ends a call that the host cancels or whose time is up, and answers for it.
    const MAY_GIVE_UP: bool = false;

    /// Makes an instance from its configuration. No IO, no threads.
    ///
    /// # Errors
    /// INVALID with the key and what it accepts.
    fn create(context: &Context) -> Result<Self, Failure>;

    /// Describes the service; `me` is `None` before `create`.
    fn describe(me: Option<&Self>) -> ServiceDescription;

    /// Opens what the instance needs; `payload` is START's. A failed start may be tried again.
    fn start(&self, payload: Vec<u8>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Closes it; no call is in flight.
    fn stop(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Serves any operation but START and STOP. HEALTH, SCHEMA_STATUS and MIGRATE may come before START, all others
    /// only between START and STOP.
    fn call(&self, op: u32, payload: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, Failure>> + Send;

    /// A hint that nobody waits for this request any more.
    fn cancel(&self, id: u64) {
        let _ = id;
    }
}

/// Turns an [`AsyncService`] into a [`Service`].
pub struct Managed<S> {
    inner: Arc<Inner<S>>,
    runtime: OnceLock<Arc<Shared>>,
}

struct Inner<S> {
    service: S,
    host: HostHandle,
    /// Whether it is started. Calls hold it for reading from the moment they are handed over, START and STOP for writing: so
    /// STOP waits for the calls that came before it.
    started: Arc<RwLock<bool>>,
    in_flight: Arc<InFlight>,
}

/// The image's runtime; its last owner joins the threads.
struct Shared(Option<Runtime>);

static RUNTIME: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

impl Shared {
    fn get(instance: u64) -> Result<Arc<Self>, Failure> {
        let mut slot = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = slot.upgrade() {
            return Ok(shared);
        }
        let count = std::sync::atomic::AtomicUsize::new(0);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8)))
            .thread_name_fn(move || {
                format!("patd-{instance}-{}", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
            })
            .enable_all()
            .build()
            .map_err(|error| {
                Failure::unavailable(format!("no threads for the plug-in's runtime: {error}"))
            })?;
        let shared = Arc::new(Self(Some(runtime)));
        *slot = Arc::downgrade(&shared);
        Ok(shared)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let Some(runtime) = self.0.take() else { return };
        if tokio::runtime::Handle::try_current().is_ok() {
            // On one of the runtime's own threads nothing may wait for them.
            runtime.shutdown_background();
        } else {
            runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        }
    }
}

impl<S: AsyncService> Inner<S> {
    async fn serve(&self, op: u32, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match op {
            op::START => {
                let mut started = self.started.write().await;
                if !*started {
                    self.service.start(payload).await?;
                    *started = true;
                }
                Ok(Vec::new())
            }
            op::STOP => {
                let mut started = self.started.write().await;
                if *started {
                    *started = false;
                    self.service.stop().await?;
                }
                Ok(Vec::new())
            }
            op => self.service.call(op, payload).await,
        }
    }
}

impl<S: AsyncService> Service for Managed<S> {
    const FLAGS: u64 = S::FLAGS;

    fn create(context: &Context) -> Result<Self, Failure> {
        let service = S::create(context)?;
        let inner = Arc::new(Inner {
            service,
            host: context.host(),
            started: Arc::new(RwLock::new(false)),
            in_flight: Arc::default(),
        });
        Ok(Self { inner, runtime: OnceLock::new() })
    }

    fn describe(me: Option<&Self>) -> ServiceDescription {
        S::describe(me.map(|me| &me.inner.service))
    }

    fn submit(&self, request: Request, completion: Completion) {
        let runtime = match self.runtime.get() {
            Some(runtime) => runtime,
            None => match Shared::get(self.inner.host.instance()) {
                Ok(runtime) => self.runtime.get_or_init(|| runtime),
                Err(failure) => return completion.finish(Err(failure)),
            },
        };
        let Some(runtime) = &runtime.0 else {
            return completion.finish(Err(Failure::unavailable("the plug-in's runtime has ended")));
        };
        let inner = Arc::clone(&self.inner);
        let (host, lock) = (inner.host, Arc::clone(&inner.started));
        let of_its_own = request.op >= op::FIRST_DOMAIN;
        // Here and not in the task, which may run after that of a STOP handed over later.
        let early = if of_its_own { Arc::clone(&lock).try_read_owned().ok() } else { None };
        let may_give_up = S::MAY_GIVE_UP && !matches!(request.op, op::START | op::STOP);
        let entered = may_give_up.then(|| inner.in_flight.enter(request.id));
        runtime.spawn(trace::scope(host, async move {
            let started = match early {
                None if of_its_own => Some(lock.read_owned().await),
                early => early,
            };
            let answer = if started.as_ref().is_some_and(|started| !**started) {
                Err(Failure::unavailable("the instance is not started"))
            } else {
                let work = giving_up::within(request.timeout, inner.serve(request.op, request.payload));
                match entered {
                    Some(entered) => entered.run(request.timeout, work).await,
                    None => work.await,
                }
            };
            // The instance goes first: when the host hears of it, nothing holds the service any more.
            drop(inner);
            completion.finish(answer);
            // Only now may a STOP go on.
            drop(started);
        }));
    }

    fn cancel(&self, id: u64) {
        self.inner.in_flight.cancel(id);
        self.inner.service.cancel(id);
    }
}

/// Runs blocking work (files, CPU) beside the runtime's threads; only from within [`AsyncService`]'s async functions.
///
/// # Errors
/// PANIC when the work panics.
pub async fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let host = trace::current();
    tokio::task::spawn_blocking(move || match host {
        Some(host) => trace::within(host, work),
        None => work(),
    })
    .await
    .map_err(|_| Failure::panic("blocking work of the plug-in panicked"))
}
