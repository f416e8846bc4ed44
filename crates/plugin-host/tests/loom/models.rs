//! The models.

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use crate::flights::Flights;
use crate::waiters::Waiters;

/// Tries every order with at most three preemptions, which shows nearly every bug there is and ends within seconds.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

#[test]
fn of_two_completions_of_one_request_exactly_one_arrives() {
    model(|| {
        let waiters = Arc::new(Waiters::default());
        let mut waiter = waiters.expect(1);
        let completing: Vec<_> = [10, 20]
            .map(|answer| {
                let waiters = Arc::clone(&waiters);
                thread::spawn(move || waiters.complete(1, answer))
            })
            .into();
        let taken: Vec<bool> = completing.into_iter().map(|one| one.join().expect("ends")).collect();
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
        assert_eq!(waiter.try_recv(), Some(if taken[0] { 10 } else { 20 }));
    });
}

#[test]
fn a_completion_that_meets_the_time_out_is_either_received_or_counted_never_both_or_neither() {
    model(|| {
        let waiters = Arc::new(Waiters::default());
        let mut waiter = waiters.expect(1);
        let completing = {
            let waiters = Arc::clone(&waiters);
            thread::spawn(move || waiters.complete(1, ()))
        };
        // As `ServiceHandle` does when its timer fires.
        let received = if waiters.forget(1) { None } else { waiter.try_recv() };
        drop(waiter);
        let taken = completing.join().expect("ends");
        assert_eq!(received.is_some(), taken);
    });
}

#[test]
fn a_completion_of_another_request_reaches_nobody() {
    model(|| {
        let waiters = Arc::new(Waiters::default());
        let (mut one, mut two) = (waiters.expect(1), waiters.expect(2));
        let forging = {
            let waiters = Arc::clone(&waiters);
            thread::spawn(move || (waiters.complete(3, 'x'), waiters.complete(2, 'b')))
        };
        let own = waiters.complete(1, 'a');
        assert_eq!(forging.join().expect("ends"), (false, true));
        assert_eq!((own, one.try_recv(), two.try_recv()), (true, Some('a'), Some('b')));
    });
}

/// A guest comes in, unless it is closed, and goes; says whether it was in.
fn guest(flights: &Arc<Flights>) -> thread::JoinHandle<bool> {
    let flights = Arc::clone(flights);
    thread::spawn(move || {
        let came_in = flights.enter();
        if came_in {
            flights.leave();
        }
        came_in
    })
}

#[test]
fn draining_ends_however_guests_come_and_go() {
    model(|| {
        let flights = Arc::new(Flights::default());
        let guests = [guest(&flights), guest(&flights)];
        flights.close();
        block_on(flights.drained());
        assert!(!flights.enter(), "somebody came in after the drain");
        for guest in guests {
            guest.join().expect("ends");
        }
        assert_eq!(flights.inside(), 0);
    });
}

#[test]
fn nothing_is_drained_while_somebody_is_inside() {
    model(|| {
        let flights = Arc::new(Flights::default());
        let inside = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let working = {
            let (flights, inside) = (Arc::clone(&flights), Arc::clone(&inside));
            thread::spawn(move || {
                if flights.enter() {
                    inside.store(true, loom::sync::atomic::Ordering::Relaxed);
                    inside.store(false, loom::sync::atomic::Ordering::Relaxed);
                    flights.leave();
                }
            })
        };
        flights.close();
        block_on(flights.drained());
        // Whatever was done inside is seen, although the flag itself orders nothing.
        assert!(!inside.load(loom::sync::atomic::Ordering::Relaxed));
        working.join().expect("ends");
    });
}

#[test]
fn a_drain_that_is_given_up_lets_everybody_in_again() {
    model(|| {
        let flights = Arc::new(Flights::default());
        assert!(flights.enter());
        let guest = guest(&flights);
        flights.close();
        assert!(!flights.enter());
        flights.reopen();
        assert!(flights.enter());
        guest.join().expect("ends");
        assert_eq!(flights.inside(), 2);
    });
}
