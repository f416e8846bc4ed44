//! Stores and audit sinks: submit and completion. `submit` must never block and never run the work on the caller's thread
//! for longer than it takes to queue it; [`crate::Managed`] does that for authors who write async code.

use std::ffi::c_void;
use std::mem::size_of;
use std::time::Duration;

use patd_abi::{Create, Out, Status, status};

use crate::{Context, Failure, HostHandle, ServiceDescription, guard, trace};

/// One request, copied out of the host's memory.
#[derive(Debug)]
pub struct Request {
    /// See [`patd_abi::op`].
    pub op: u32,
    /// The host's number of the request.
    pub id: u64,
    /// Budget; the host gives up after it.
    pub timeout: Duration,
    /// The operation's input, JSON.
    pub payload: Vec<u8>,
}

/// The one answer to a request. Dropped unfinished, by a panic or a lost task, it answers PANIC.
pub struct Completion {
    host: HostHandle,
    id: u64,
    done: bool,
}

impl Completion {
    /// Answers the request.
    pub fn finish(mut self, answer: Result<Vec<u8>, Failure>) {
        self.done = true;
        match answer {
            Ok(payload) => self.host.complete(self.id, status::OK, &payload, ""),
            Err(failure) => self.host.complete(self.id, failure.status(), &[], failure.detail()),
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.done {
            self.host.complete(self.id, status::PANIC, &[], "the plug-in dropped the request unanswered");
        }
    }
}

/// What an author of a store or sink implements to stay close to the ABI; most implement [`crate::AsyncService`].
pub trait Service: Send + Sync + Sized + 'static {
    /// See [`patd_abi::flags`].
    const FLAGS: u64;

    /// Makes an instance from its configuration. No IO, no threads.
    ///
    /// # Errors
    /// INVALID with the key and what it accepts.
    fn create(context: &Context) -> Result<Self, Failure>;

    /// Describes the service; `me` is `None` before `create`.
    fn describe(me: Option<&Self>) -> ServiceDescription;

    /// Takes a request. Must not block; failures go into the completion too.
    fn submit(&self, request: Request, completion: Completion);

    /// A hint that nobody waits for this request any more.
    fn cancel(&self, id: u64) {
        let _ = id;
    }
}

struct Instance<T> {
    service: T,
    host: HostHandle,
}

/// The C table of a service.
#[must_use]
pub const fn table<T: Service>() -> patd_abi::Service {
    patd_abi::Service {
        struct_size: size_of::<patd_abi::Service>() as u32,
        reserved: 0,
        flags: T::FLAGS,
        create: Some(create::<T>),
        destroy: Some(destroy::<T>),
        describe: Some(describe::<T>),
        submit: Some(submit::<T>),
        cancel: Some(cancel::<T>),
    }
}

unsafe extern "C" fn create<T: Service>(
    input: *const Create,
    out_self: *mut *mut c_void,
    detail: Out,
) -> Status {
    guard::call(Some(detail), || {
        // SAFETY: the host passes the struct of the ABI.
        let context = unsafe { Context::read(input) }?;
        trace::install(context.host());
        let me = Box::new(Instance { service: T::create(&context)?, host: context.host() });
        // SAFETY: the host passes a place for one pointer.
        unsafe { *out_self = Box::into_raw(me).cast() };
        Ok(())
    })
}

unsafe extern "C" fn destroy<T: Service>(me: *mut c_void) {
    guard::call(None, || {
        if !me.is_null() {
            // SAFETY: `me` came from `create` and the host uses it no more.
            drop(unsafe { Box::from_raw(me.cast::<Instance<T>>()) });
        }
        Ok(())
    });
}

unsafe extern "C" fn describe<T: Service>(me: *mut c_void, json: Out) -> Status {
    guard::call(None, || {
        // SAFETY: NULL or an instance.
        let me = unsafe { me.cast::<Instance<T>>().as_ref() };
        let description = T::describe(me.map(|me| &me.service));
        let text = serde_json::to_vec(&description).map_err(|error| Failure::internal(error.to_string()))?;
        guard::write(json, &text);
        Ok(())
    })
}

unsafe extern "C" fn submit<T: Service>(me: *mut c_void, request: *const patd_abi::Request) -> Status {
    let mut accepted = false;
    let answer = guard::call(None, || {
        // SAFETY: an instance of T, and a request or NULL.
        let (me, request) = unsafe { (guard::instance::<Instance<T>>(me)?, request.as_ref()) };
        let request = request
            .filter(|request| request.struct_size as usize >= size_of::<patd_abi::Request>())
            .ok_or_else(|| Failure::invalid("the request is cut short"))?;
        if request.encoding != patd_abi::ENCODING_JSON {
            return Err(Failure::invalid("only JSON payloads are understood"));
        }
        let copy = Request {
            op: request.op,
            id: request.id,
            timeout: Duration::from_millis(u64::from(request.timeout_ms)),
            // SAFETY: borrowed for this call, copied here.
            payload: unsafe { request.payload.as_slice() }.to_vec(),
        };
        let completion = Completion { host: me.host, id: request.id, done: false };
        accepted = true;
        trace::within(me.host, || me.service.submit(copy, completion));
        Ok(())
    });
    // From the moment the completion exists it answers, even when `submit` panics: then this call must say OK.
    if accepted { status::OK } else { answer }
}

unsafe extern "C" fn cancel<T: Service>(me: *mut c_void, request_id: u64) {
    guard::call(None, || {
        // SAFETY: an instance of T.
        let me = unsafe { guard::instance::<Instance<T>>(me) }?;
        trace::within(me.host, || me.service.cancel(request_id));
        Ok(())
    });
}
