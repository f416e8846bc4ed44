//! hyper's clock for the time in which a request's head must come: one timer for a connection, not one for each request.
//!
//! hyper asks for a new sleep with every request and drops it as soon as the head is there, mostly at once. A timer that is
//! registered and taken back each time costs as much as everything that `verify` decides. Here the connection's timer stays
//! where it is and rings at most once in that time; whoever waits then looks whether it is meant. Never rings early for anybody.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;
use tokio::time::Instant;

/// The timer of one connection.
pub(crate) struct HeaderTimer(Arc<Mutex<Alarm>>);

type Alarm = Pin<Box<tokio::time::Sleep>>;

impl HeaderTimer {
    /// A timer that rings for the first time after `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Arc::new(Mutex::new(Box::pin(tokio::time::sleep(limit)))))
    }
}

impl Timer for HeaderTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until { deadline: deadline.into(), alarm: Arc::clone(&self.0) })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into()
    }
}

/// Waits for a moment by the connection's timer.
struct Until {
    deadline: Instant,
    alarm: Arc<Mutex<Alarm>>,
}

impl Sleep for Until {}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut alarm = self.alarm.lock();
        loop {
            if alarm.is_elapsed() || alarm.deadline() > self.deadline {
                if Instant::now() >= self.deadline {
                    return Poll::Ready(());
                }
                alarm.as_mut().reset(self.deadline);
            }
            // Rings for an earlier request, whose head came in time, or for this one.
            ready!(alarm.as_mut().poll(cx));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn every_wait_ends_at_its_own_moment_however_many_were_dropped_before() {
        let timer = HeaderTimer::new(LIMIT);
        for idle in [0, 3, 9, 10, 25] {
            // A request whose head comes after a while.
            let head = tokio::time::sleep(Duration::from_secs(idle));
            tokio::select! {
                biased;
                () = timer.sleep(LIMIT) => assert!(idle >= 10, "rang early"),
                () = head => assert!(idle < 10, "did not ring"),
            }
            let began = Instant::now();
            timer.sleep(LIMIT).await;
            assert!(
                (LIMIT..LIMIT + Duration::from_millis(5)).contains(&began.elapsed()),
                "{:?}",
                began.elapsed()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_wait_is_not_held_up_by_a_longer_one_before() {
        let timer = HeaderTimer::new(LIMIT);
        let (long, short) = (timer.sleep(LIMIT), timer.sleep(Duration::from_secs(1)));
        let began = Instant::now();
        drop(long);
        short.await;
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
