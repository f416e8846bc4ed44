//! Sins of an audit sink (a store's are the same: the shape is one). START, STOP and HEALTH behave, unless the sin says
//! otherwise; DELIVER sins.

use std::sync::Mutex;

use patd_sdk::abi::status;
use patd_sdk::{Completion, Context, Failure, HostHandle, Request, Service, ServiceDescription, op};
use serde::Deserialize;

/// How the sink misbehaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sin {
    /// Not at all.
    #[default]
    None,
    /// Panics on a thread of its own, holding the completion.
    PanicInCall,
    /// Panics inside `submit`.
    PanicInSubmit,
    /// Keeps the completion for ever.
    NeverCompletes,
    /// Answers twice.
    CompletesTwice,
    /// Answers requests that are not its own, then its own.
    CompletesForeign,
    /// Answers with bytes that are no JSON.
    Garbage,
    /// Answers with a status that does not exist.
    UnknownStatus,
    /// Answers with more bytes than the daemon takes.
    Flood,
    /// Refuses to start.
    NoStart,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    sin: Sin,
    /// How many requests before its own `completes_foreign` answers.
    reach: u64,
}

/// The misbehaving sink.
pub struct FaultySink {
    config: Config,
    host: HostHandle,
    kept: Mutex<Vec<Completion>>,
}

impl Service for FaultySink {
    const FLAGS: u64 = 0;

    fn create(context: &Context) -> Result<Self, Failure> {
        Ok(Self { config: context.config()?, host: context.host(), kept: Mutex::default() })
    }

    fn describe(_me: Option<&Self>) -> ServiceDescription {
        ServiceDescription {
            kind: "audit".into(),
            schema: 1,
            max_in_flight: 2,
            config_schema: serde_json::json!({ "type": "object" }),
            example_config: serde_json::json!({}),
        }
    }

    fn submit(&self, request: Request, completion: Completion) {
        if request.op == op::START && self.config.sin == Sin::NoStart {
            return completion.finish(Err(Failure::unavailable("asked not to start")));
        }
        if request.op < op::FIRST_DOMAIN {
            return completion.finish(Ok(Vec::new()));
        }
        match self.config.sin {
            Sin::PanicInCall => {
                std::thread::spawn(move || {
                    let _completion = completion;
                    panic!("asked to panic");
                });
            }
            Sin::PanicInSubmit => panic!("asked to panic"),
            Sin::NeverCompletes => {
                self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(completion);
            }
            Sin::CompletesTwice => {
                completion.finish(answer());
                self.host.danger_complete(request.id, status::OK, b"{}", "");
            }
            Sin::CompletesForeign => {
                for foreign in request.id.saturating_sub(self.config.reach)..request.id {
                    self.host.danger_complete(foreign, status::OK, b"{\"accepted_through\":\"forged\"}", "");
                }
                completion.finish(answer());
            }
            Sin::Garbage => completion.finish(Ok(vec![0xff, 0x00, b'{'])),
            Sin::UnknownStatus => {
                self.host.danger_complete(request.id, 4711, b"{}", "");
                std::mem::forget(completion);
            }
            Sin::Flood => completion.finish(Ok(vec![b' '; 9 << 20])),
            Sin::None | Sin::NoStart => completion.finish(answer()),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that `finish` takes")]
fn answer() -> Result<Vec<u8>, Failure> {
    Ok(b"{\"accepted_through\":null,\"rejected\":[]}".to_vec())
}
