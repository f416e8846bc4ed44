//! Audit sink plug-in: one POST per event, in order, signed as Standard Webhooks ask (<https://www.standardwebhooks.com>), the
//! body a CloudEvent in structured mode.
//!
//! It must never follow a redirect, never send over plain HTTP to another machine unless told to, and never show a secret or
//! the URL's path, which may be one. An event counts as delivered when the receiver answered 2xx; delivery is at least once,
//! receivers tell duplicates by `webhook-id`, which is the event's id.
//!
//! | answer | then |
//! |---|---|
//! | 2xx | delivered |
//! | 410 | the endpoint is disabled: nothing is sent any more, events wait, until a reload or a restart makes a fresh instance |
//! | 408, 425, 429, 3xx, 5xx, no answer | the event waits and comes again; `Retry-After` is honoured up to a minute |
//! | any other | the event is rejected for good |
#![forbid(unsafe_code)]

mod client;
mod config;
mod endpoint;
mod sign;
mod sink;

pub use sink::AuditWebhook;

patd_sdk::export! { id: "audit-webhook", audit: patd_sdk::Managed<AuditWebhook> }
