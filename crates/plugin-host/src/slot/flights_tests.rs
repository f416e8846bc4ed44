//! The drain counter over real threads and a real runtime.

use std::sync::Arc;
use std::time::Duration;

use super::flights::Flights;

#[test]
fn nobody_comes_in_after_close_and_everybody_again_after_reopen() {
    let flights = Flights::default();
    assert!(flights.enter());
    flights.close();
    assert!(!flights.enter());
    assert_eq!(flights.inside(), 1);
    flights.reopen();
    assert!(flights.enter());
    assert_eq!(flights.inside(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_ends_with_the_last_one_however_they_race() {
    for _ in 0..500 {
        let flights = Arc::new(Flights::default());
        let guests: Vec<_> = (0..4)
            .map(|_| {
                let flights = Arc::clone(&flights);
                tokio::spawn(async move {
                    if flights.enter() {
                        tokio::task::yield_now().await;
                        flights.leave();
                    }
                })
            })
            .collect();
        flights.close();
        let drained = tokio::time::timeout(Duration::from_secs(10), flights.drained()).await;
        assert!(drained.is_ok(), "the last one's leaving was missed");
        for guest in guests {
            guest.await.expect("runs");
        }
        assert_eq!(flights.inside(), 0);
    }
}
