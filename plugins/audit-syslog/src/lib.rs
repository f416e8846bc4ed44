//! Audit sink plug-in: one RFC 5424 message per event, over UDP, TCP (RFC 6587, octet counting), TLS (RFC 5425) or a Unix
//! socket (datagrams, or lines where the daemon listens for a stream).
//!
//! It must never cut a message: one that is too long is rejected whole, as half a JSON object helps nobody. It must never let
//! a text of an event end a message or begin a field.
//!
//! Syslog has no acknowledgement. An event counts as delivered when the system took it and, on a connection, the peer had
//! not closed it; what lies in buffers when a daemon or the net dies is lost. Where that must not be, add a sink that
//! acknowledges (`audit-file`, `audit-webhook`).
#![forbid(unsafe_code)]

mod config;
mod message;
mod severity;
mod sink;
mod transport;

pub use sink::AuditSyslog;

patd_sdk::export! { id: "audit-syslog", audit: patd_sdk::Managed<AuditSyslog> }
