//! The services' tables: each request that is taken is answered exactly once, whatever becomes of it.

use patd_sdk::Managed;
use patd_sdk::abi::{self, Bytes, Status, op, status};

use crate::host::{Answer, Heard, Me, create, host};
use crate::plugin::{AtOnce, Obedient};

static MANAGED: abi::Service = patd_sdk::__private::service_table::<Managed<Obedient>>();
static AT_ONCE: abi::Service = patd_sdk::__private::service_table::<AtOnce>();

const DELIVER: u32 = 512;

#[derive(Clone, Copy)]
struct Running {
    table: &'static abi::Service,
    me: Me,
    heard: &'static Heard,
}

impl Running {
    fn create(table: &'static abi::Service) -> Self {
        let (host, heard) = host(size_of::<abi::Host>());
        Self { table, me: create(table.create, host, "{}").expect("made"), heard }
    }

    fn submit(&self, id: u64, op: u32, payload: &[u8]) -> Status {
        self.submit_as(id, op, payload, size_of::<abi::Request>(), abi::ENCODING_JSON)
    }

    fn submit_as(&self, id: u64, op: u32, payload: &[u8], size: usize, encoding: u32) -> Status {
        let request = abi::Request {
            struct_size: u32::try_from(size).expect("small"),
            op,
            id,
            timeout_ms: 1000,
            encoding,
            traceparent: Bytes::empty(),
            payload: Bytes::of(payload),
        };
        // SAFETY: a live instance; the request outlives the call.
        unsafe { self.table.submit.expect("is there")(self.me.0, &raw const request) }
    }

    /// A request that is taken, and its answer.
    fn call(&self, id: u64, op: u32, payload: &[u8]) -> Answer {
        assert_eq!(self.submit(id, op, payload), status::OK);
        self.heard.completion(id)
    }

    fn destroy(self) {
        // SAFETY: made by create, destroyed once, nothing is in flight.
        unsafe { self.table.destroy.expect("is there")(self.me.0) }
        assert_eq!(self.heard.left(), 0, "a request was answered twice");
    }
}

#[test]
fn a_managed_service_lives_from_start_to_stop_and_again() {
    let running = Running::create(&MANAGED);
    assert_eq!(running.call(1, DELIVER, b"echo").0, status::UNAVAILABLE, "not started");
    for round in 0..2_u64 {
        let id = 10 + 10 * round;
        assert_eq!(running.call(id, op::START, b"").0, status::OK);
        assert_eq!(running.call(id + 1, DELIVER, b"echo").1, b"echo");
        assert_eq!(running.call(id + 2, DELIVER, b"yield").1, b"yield");
        assert_eq!(running.call(id + 3, DELIVER, b"blocking").1, b"from beside");
        assert_eq!(running.call(id + 4, DELIVER, b"what").0, status::UNSUPPORTED);
        assert_eq!(running.call(id + 5, op::STOP, b"").0, status::OK);
        assert_eq!(running.call(id + 6, DELIVER, b"echo").0, status::UNAVAILABLE);
    }
    running.destroy();
}

#[test]
fn a_panic_in_a_task_or_in_submit_is_answered_and_tells_nothing() {
    let running = Running::create(&MANAGED);
    running.call(1, op::START, b"");
    let (status, _, detail) = running.call(2, DELIVER, b"panic");
    assert_eq!(status, status::PANIC);
    assert!(!detail.contains("a secret"), "{detail}");
    running.call(3, op::STOP, b"");
    running.destroy();

    let running = Running::create(&AT_ONCE);
    assert_eq!(running.call(1, DELIVER, b"panic").0, status::PANIC);
    assert_eq!(running.call(2, DELIVER, b"forget").0, status::PANIC);
    assert_eq!(running.call(3, DELIVER, b"said within submit").1, b"said within submit");
    running.destroy();
}

#[test]
fn a_request_that_is_cut_short_or_encoded_otherwise_is_not_taken() {
    let running = Running::create(&AT_ONCE);
    let whole = size_of::<abi::Request>();
    assert_eq!(running.submit_as(1, DELIVER, b"", whole - 8, abi::ENCODING_JSON), status::INVALID);
    assert_eq!(running.submit_as(2, DELIVER, b"", whole, 1), status::INVALID);
    // SAFETY: NULL instead of a request, and instead of an instance.
    let (no_request, no_instance) = unsafe {
        let submit = AT_ONCE.submit.expect("is there");
        (submit(running.me.0, std::ptr::null()), submit(std::ptr::null_mut(), std::ptr::null()))
    };
    assert_eq!((no_request, no_instance), (status::INVALID, status::INVALID));
    running.destroy();
}

#[test]
fn many_requests_from_many_threads_are_each_answered_once() {
    let running = Running::create(&MANAGED);
    running.call(1, op::START, b"");
    let requests = if cfg!(miri) { 4 } else { 200 };
    std::thread::scope(|threads| {
        for thread in 0..4_u64 {
            threads.spawn(move || {
                for n in 0..requests {
                    let payload: &[u8] = if n % 2 == 0 { b"echo" } else { b"yield" };
                    let id = 100 + thread * 1000 + n;
                    if n % 3 == 0 {
                        assert_eq!(running.submit(id, DELIVER, payload), status::OK);
                        // SAFETY: a live instance; the id may be unknown by now.
                        unsafe { running.table.cancel.expect("is there")(running.me.0, id) };
                        assert_eq!(running.heard.completion(id).1, payload);
                    } else {
                        assert_eq!(running.call(id, DELIVER, payload).1, payload);
                    }
                }
            });
        }
    });
    running.call(2, op::STOP, b"");
    running.destroy();
}
