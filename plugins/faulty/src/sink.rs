//! Sins of an audit sink (a store's are the same: the shape is one). Without a sin it answers at once, inside `submit`, and
//! keeps nothing.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use patd_proto::audit::{Deliver, Delivered, event_id};
use patd_sdk::abi::status;
use patd_sdk::{Completion, Context, Failure, HostHandle, Request, Service, ServiceDescription, op};

use crate::answers::Answers;
use crate::config::{self, Config};
use crate::hasher::linger;
use crate::process;
use crate::sin::Sin;

const CREATED: u8 = 0;
const STARTED: u8 = 1;
const STOPPED: u8 = 2;

/// The misbehaving sink.
pub struct FaultySink {
    config: Config,
    host: HostHandle,
    phase: AtomicU8,
    answers: Answers,
    batches: Mutex<Vec<String>>,
}

impl Service for FaultySink {
    const FLAGS: u64 = 0;

    fn create(context: &Context) -> Result<Self, Failure> {
        let config = Config::read(context)?;
        config::create(context, config.now())?;
        let answers = Answers::new(context.host(), config.reach);
        let phase = AtomicU8::new(CREATED);
        Ok(Self { config, host: context.host(), phase, answers, batches: Mutex::default() })
    }

    fn describe(_me: Option<&Self>) -> ServiceDescription {
        let sin = Sin::of_environment();
        assert!(sin != Sin::PanicInDescribe, "asked to panic");
        ServiceDescription {
            kind: if sin == Sin::DescribesOther { "hasher" } else { "audit" }.into(),
            schema: 1,
            max_in_flight: 2,
            config_schema: Config::schema(),
            example_config: serde_json::json!({}),
            wants: Vec::new(),
        }
    }

    fn submit(&self, request: Request, completion: Completion) {
        match request.op {
            op::START => self.start(completion),
            op::STOP => self.stop(completion),
            op::HEALTH if self.config.now() == Sin::Unhealthy => {
                completion.finish(Err(Failure::unavailable("asked to be ill")));
            }
            op::HEALTH => completion.finish(Ok(Vec::new())),
            _ => self.serve(request, completion),
        }
    }

    fn cancel(&self, id: u64) {
        assert!(self.config.now() != Sin::PanicInCancel, "asked to panic");
        if self.config.now() == Sin::CompletesOnCancel {
            self.host.danger_complete(id, status::CANCELLED, b"", "cancelled");
        }
    }
}

impl FaultySink {
    fn start(&self, completion: Completion) {
        match self.config.now() {
            Sin::NoStart => return completion.finish(Err(Failure::unavailable("asked not to start"))),
            Sin::PanicInStart => panic!("asked to panic"),
            Sin::LeaksMemory => process::commit(Sin::LeaksMemory),
            _ => {}
        }
        self.phase.store(STARTED, Ordering::Release);
        completion.finish(Ok(Vec::new()));
    }

    fn stop(&self, completion: Completion) {
        match self.config.now() {
            Sin::PanicInStop => panic!("asked to panic"),
            Sin::NeverStops => return self.answers.kept().push(completion),
            Sin::WorksAfterStop => {
                let host = self.host;
                std::thread::spawn(move || {
                    for _ in 0..20 {
                        linger(Duration::from_millis(50));
                        host.log(3, "still at work", "{}");
                    }
                });
            }
            Sin::StopsAtOnce => {
                self.phase.store(STOPPED, Ordering::Release);
                completion.finish(Ok(Vec::new()));
                // What was taken before is answered only now.
                for kept in std::mem::take(&mut *self.answers.kept()) {
                    kept.finish(delivered(None));
                }
                return;
            }
            _ => {}
        }
        self.phase.store(STOPPED, Ordering::Release);
        completion.finish(Ok(Vec::new()));
    }

    /// DELIVER, FLUSH and what is unknown.
    fn serve(&self, request: Request, completion: Completion) {
        let sin = self.config.now();
        let phase = self.phase.load(Ordering::Acquire);
        let closed = match phase {
            CREATED => sin != Sin::ServesUnstarted,
            STOPPED => sin != Sin::ServesAfterStop,
            _ => false,
        };
        if closed {
            return completion.finish(Err(Failure::unavailable("the instance is not started")));
        }
        match request.op {
            op::DELIVER => {}
            op::FLUSH if sin == Sin::FlushFails => {
                return completion.finish(Err(Failure::internal("asked to fail")));
            }
            op::FLUSH => return completion.finish(Ok(Vec::new())),
            _ if sin == Sin::ServesUnknownOp => return completion.finish(Ok(b"{}".to_vec())),
            unknown => return completion.finish(Err(Failure::unsupported(unknown))),
        }
        process::commit(sin);
        let answer = match (self.deliver(sin, &request.payload), sin) {
            (Err(_), Sin::TakesNonsense) => delivered(None),
            (answer, _) => answer,
        };
        self.answers.give(sin, request.id, completion, answer);
    }

    fn deliver(&self, sin: Sin, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let batch: Deliver =
            serde_json::from_slice(payload).map_err(|_| Failure::invalid("DELIVER: this is no batch"))?;
        let ids: Option<Vec<&str>> = batch.events.iter().map(event_id).collect();
        let last = match ids {
            Some(ids) => ids.last().map(ToString::to_string),
            None if sin == Sin::TakesNameless => None,
            None => return Err(Failure::invalid("DELIVER: an event has no id")),
        };
        match sin {
            Sin::AcceptsNothing => return delivered(None),
            Sin::AcceptsForged => return delivered(Some("forged".into())),
            Sin::RefusesLarge if batch.events.len() > 100 => {
                return Err(Failure::invalid("DELIVER: asked to refuse large batches"));
            }
            Sin::RefusesDuplicates => {
                let mut had = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
                if had.contains(&batch.batch_id) {
                    return Err(Failure::invalid("DELIVER: asked to refuse a batch that came before"));
                }
                had.push(batch.batch_id);
            }
            _ => {}
        }
        delivered(last)
    }
}

impl Drop for FaultySink {
    fn drop(&mut self) {
        assert!(self.config.now() != Sin::PanicInDestroy, "asked to panic");
    }
}

fn delivered(accepted_through: Option<String>) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(&Delivered { accepted_through, rejected: Vec::new() })
        .map_err(|error| Failure::internal(error.to_string()))
}
