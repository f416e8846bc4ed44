//! A service on a store in memory, with a sink that keeps a book of what it gets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use patd_core::time::Span;
use patd_service::limits::Attempts;
use patd_service::ports::*;
use patd_service::service::Service;
use patd_service::start::{Parts, SitePlan};
use serde_json::Value;
use tokio::time::Instant;

use crate::memory;

/// A delivery of one event.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// By which service.
    pub(crate) by: u64,
    pub(crate) at: Instant,
    pub(crate) id: String,
    pub(crate) source: String,
}

/// What a sink has got, and what it does not want.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) got: Mutex<Vec<Delivery>>,
    /// Parts of events: one that has any of them makes the batch fail.
    pub(crate) fails: Mutex<Vec<String>>,
    /// One that has any of them makes the batch rejected.
    pub(crate) rejects: Mutex<Vec<String>>,
}

impl Book {
    pub(crate) fn got(&self) -> Vec<Delivery> {
        self.got.lock().expect("no poison").clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.got().into_iter().map(|delivery| delivery.id).collect()
    }

    pub(crate) fn fail(&self, parts: &[&str]) {
        *self.fails.lock().expect("no poison") = parts.iter().map(|part| (*part).to_owned()).collect();
    }

    pub(crate) fn reject(&self, parts: &[&str]) {
        *self.rejects.lock().expect("no poison") = parts.iter().map(|part| (*part).to_owned()).collect();
    }
}

struct TestSink {
    by: u64,
    book: Arc<Book>,
    terms: Arc<Terms>,
}

impl AuditSink for TestSink {
    fn name(&self) -> &str {
        "file"
    }

    fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms)
    }

    fn deliver(&self, events: Vec<Value>) -> Answer<Result<Delivered, SinkError>> {
        let (book, by) = (Arc::clone(&self.book), self.by);
        Box::pin(async move {
            let has = |parts: &Mutex<Vec<String>>| {
                let parts = parts.lock().expect("no poison");
                events.iter().any(|event| parts.iter().any(|part| event.to_string().contains(part)))
            };
            if has(&book.fails) {
                return Err(SinkError::Unavailable("told to fail".to_owned()));
            }
            if has(&book.rejects) {
                return Err(SinkError::Rejected("told to reject".to_owned()));
            }
            let text = |event: &Value, member: &str| event[member].as_str().unwrap_or_default().to_owned();
            let at = Instant::now();
            let got =
                events.iter().map(|e| Delivery { by, at, id: text(e, "id"), source: text(e, "source") });
            book.got.lock().expect("no poison").extend(got);
            Ok(Delivered { through: events.len(), rejected: Vec::new() })
        })
    }

    fn stop(&self) -> Answer<Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Different at each look, and from service to service.
struct Seeded(AtomicU64);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let next = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            chunk.copy_from_slice(&(next ^ next >> 29).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A service on a shelf, with the sites `acme` and `globex` and one sink.
pub(crate) async fn start(
    number: u64,
    opener: impl StoreOpener + 'static,
    book: &Arc<Book>,
    terms: Terms,
) -> Arc<Service> {
    let attempts = Attempts { free: 100, first_delay: Span::days(1), max_delay: Span::days(1) };
    let sink = TestSink { by: number, book: Arc::clone(book), terms: Arc::new(terms) };
    let sites = vec![plan("acme"), plan("globex")];
    Service::start(Parts {
        random: Arc::new(Seeded(AtomicU64::new(number << 40))),
        sinks: vec![Arc::new(sink)],
        ..memory::parts(Arc::new(opener), sites, attempts)
    })
    .await
    .expect("the service starts")
}

/// A site with a store of its own.
pub(crate) fn plan(key: &str) -> SitePlan {
    SitePlan { sinks: vec!["file".to_owned()], ..memory::plan(key, key) }
}

/// Waits for a condition; a minute of the tests' time at most.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a minute is over");
}
