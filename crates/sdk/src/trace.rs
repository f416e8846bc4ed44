//! Carries `tracing` events and panics of the plug-in to the host's log. Each image has its own copy of `tracing` and of
//! the panic hook, so nothing of the daemon is touched. Must never print, and never forward a panic's text: it may quote
//! a secret.

use std::cell::Cell;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context as TaskContext, Poll};

use patd_abi::level;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::HostHandle;

/// Who speaks when no call is under way on the thread: the image's first instance.
static FIRST: OnceLock<HostHandle> = OnceLock::new();

thread_local! {
    static CURRENT: Cell<Option<HostHandle>> = const { Cell::new(None) };
}

/// Sets up forwarding once per image.
pub(crate) fn install(host: HostHandle) {
    if FIRST.set(host).is_err() {
        return;
    }
    let layer = Forward.with_filter(tracing_subscriber::filter::LevelFilter::INFO);
    // Another subscriber can only be the author's own choice; it stays.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    std::panic::set_hook(Box::new(|info| {
        if let Some(host) = current() {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let fields = serde_json::json!({ "location": place }).to_string();
            host.log(level::ERROR, "the plug-in panicked", &fields);
        }
    }));
}

pub(crate) fn current() -> Option<HostHandle> {
    CURRENT.try_with(Cell::get).ok().flatten().or_else(|| FIRST.get().copied())
}

struct Restore(Option<HostHandle>);

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|slot| slot.set(self.0));
    }
}

/// Runs `body` with `host` as the speaker.
pub(crate) fn within<T>(host: HostHandle, body: impl FnOnce() -> T) -> T {
    let _restore = Restore(CURRENT.try_with(|slot| slot.replace(Some(host))).ok().flatten());
    body()
}

/// Polls `future` with `host` as the speaker.
pub(crate) fn scope<F: Future>(host: HostHandle, future: F) -> impl Future<Output = F::Output> {
    Scoped { host, future: Box::pin(future) }
}

struct Scoped<F> {
    host: HostHandle,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let host = self.host;
        within(host, || self.future.as_mut().poll(task))
    }
}

struct Forward;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Forward {
    fn on_event(&self, event: &Event<'_>, _context: LayerContext<'_, S>) {
        let Some(host) = current() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = match *event.metadata().level() {
            Level::ERROR => level::ERROR,
            Level::WARN => level::WARN,
            Level::INFO => level::INFO,
            Level::DEBUG => level::DEBUG,
            Level::TRACE => level::TRACE,
        };
        fields.rest.insert("target".into(), event.metadata().target().into());
        host.log(level, &fields.message, &serde_json::Value::Object(fields.rest).to_string());
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.rest.insert(field.name().into(), format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.into();
        } else {
            self.rest.insert(field.name().into(), value.into());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.rest.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.rest.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.rest.insert(field.name().into(), value.into());
    }
}
