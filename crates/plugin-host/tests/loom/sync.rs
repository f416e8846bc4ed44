//! Loom's primitives in the shape of those that the crate uses.

pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

/// parking_lot's mutex: no poison.
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().expect("no panic while it was held")
    }
}

/// tokio's `Notify`, as far as its contract goes that is relied on: `notify_waiters` wakes every `notified()` that was made
/// before it.
pub(crate) struct Notify(Mutex<(u64, Vec<Waker>)>);

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

impl Default for Notify {
    fn default() -> Self {
        Self(Mutex::new((0, Vec::new())))
    }
}

impl Notify {
    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified { notify: self, since: self.0.lock().0 }
    }

    pub(crate) fn notify_waiters(&self) {
        let mut state = self.0.lock();
        state.0 += 1;
        for waker in state.1.drain(..) {
            waker.wake();
        }
    }
}

pub(crate) struct Notified<'a> {
    notify: &'a Notify,
    since: u64,
}

impl Notified<'_> {
    /// `notify_waiters` needs no enabling.
    pub(crate) fn enable(self: Pin<&mut Self>) -> bool {
        false
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.notify.0.lock();
        if state.0 > self.since {
            return Poll::Ready(());
        }
        state.1.push(context.waker().clone());
        Poll::Pending
    }
}

/// tokio's `oneshot`, without waiting.
pub(crate) mod oneshot {
    use loom::sync::Arc;

    use super::Mutex;

    struct Slot<T> {
        value: Option<T>,
        listening: bool,
    }

    pub(crate) struct Sender<T>(Arc<Mutex<Slot<T>>>);

    pub(crate) struct Receiver<T>(Arc<Mutex<Slot<T>>>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let slot = Arc::new(Mutex::new(Slot { value: None, listening: true }));
        (Sender(Arc::clone(&slot)), Receiver(slot))
    }

    impl<T> Sender<T> {
        pub(crate) fn send(self, value: T) -> Result<(), T> {
            let mut slot = self.0.lock();
            if !slot.listening {
                return Err(value);
            }
            slot.value = Some(value);
            Ok(())
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn try_recv(&mut self) -> Option<T> {
            self.0.lock().value.take()
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            self.0.lock().listening = false;
        }
    }
}
