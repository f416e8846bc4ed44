//! Sins of answering a request, the same for stores and sinks. What was asked has been carried out before.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patd_sdk::abi::status;
use patd_sdk::{Completion, Failure, HostHandle};

use crate::hasher::linger;
use crate::sin::Sin;

/// How an instance answers.
pub(crate) struct Answers {
    host: HostHandle,
    reach: u64,
    kept: Mutex<Vec<Completion>>,
    crowd: AtomicUsize,
}

impl Answers {
    pub(crate) fn new(host: HostHandle, reach: u64) -> Self {
        Self { host, reach, kept: Mutex::default(), crowd: AtomicUsize::new(0) }
    }

    /// Requests that are not answered yet.
    pub(crate) fn kept(&self) -> MutexGuard<'_, Vec<Completion>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the answer, or sins with it.
    pub(crate) fn give(&self, sin: Sin, id: u64, completion: Completion, answer: Result<Vec<u8>, Failure>) {
        match sin {
            Sin::PanicInCall => {
                std::thread::spawn(move || {
                    let _completion = completion;
                    panic!("asked to panic");
                });
            }
            Sin::PanicInSubmit => panic!("asked to panic"),
            Sin::NeverCompletes | Sin::StopsAtOnce => self.kept().push(completion),
            Sin::LosesInCrowd if self.crowd.fetch_add(1, Ordering::Relaxed) >= 8 => {
                self.kept().push(completion);
            }
            Sin::CompletesTwice => {
                completion.finish(answer);
                self.host.danger_complete(id, status::OK, b"{}", "");
            }
            Sin::CompletesForeign => {
                for foreign in id.saturating_sub(self.reach.max(1))..id {
                    self.host.danger_complete(foreign, status::OK, b"{\"accepted_through\":\"forged\"}", "");
                }
                completion.finish(answer);
            }
            Sin::Late => {
                std::thread::spawn(move || {
                    linger(Duration::from_millis(1500));
                    completion.finish(answer);
                });
            }
            Sin::BlocksInSubmit => {
                linger(Duration::from_millis(200));
                completion.finish(answer);
            }
            Sin::Garbage => completion.finish(Ok(vec![0xff, 0x00, b'{'])),
            Sin::UnknownStatus => {
                self.host.danger_complete(id, 4711, b"{}", "");
                std::mem::forget(completion);
            }
            Sin::Flood => completion.finish(Ok(vec![b' '; 100 << 20])),
            Sin::OkWithError | Sin::ErrorWithPayload => {
                let status = if sin == Sin::OkWithError { status::OK } else { status::UNAVAILABLE };
                self.host.danger_complete(id, status, &answer.unwrap_or_default(), "nothing was written");
                std::mem::forget(completion);
            }
            Sin::Silent => completion.finish(Ok(Vec::new())),
            _ => completion.finish(answer),
        }
    }
}
