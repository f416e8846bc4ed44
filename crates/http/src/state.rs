//! What every handler shares: the use-cases and the few facts of the config that requests need.
//!
//! Holds no secret and nothing that a request could change.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use patd_service::service::Service;

use crate::leak_signature::LeakKey;

/// What one request, one connection and the whole listener may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections per server; more wait in the kernel's backlog.
    pub max_connections: usize,
    /// Bytes of a request's line and headers; more is 431.
    pub max_header_bytes: usize,
    /// Bytes of a request's body; more is 413.
    pub max_body_bytes: usize,
    /// Time for a request's headers, also the longest idle time between two requests of a connection.
    pub header_time: Duration,
    /// Time for a whole routed request; longer is 503. A body has half of it, longer is 408.
    pub request_time: Duration,
    /// How long a stop waits for requests in flight.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_header_bytes: 16 * 1024,
            max_body_bytes: 64 * 1024,
            header_time: Duration::from_secs(10),
            request_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Time for a request's body, so that a slow client is told 408 before we run out of time ourselves.
    #[must_use]
    pub fn body_time(&self) -> Duration {
        self.request_time / 2
    }
}

/// The state of every surface.
pub struct Http {
    /// The use-cases.
    pub service: Arc<Service>,
    /// The limits.
    pub limits: Limits,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where people and sites reach this daemon, without a slash at the end.
    pub public_url: String,
    /// Whose reports of leaked secrets are believed.
    pub leak_keys: Vec<LeakKey>,
}
