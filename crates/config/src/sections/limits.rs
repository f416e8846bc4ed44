//! `[limits]`: what strangers may ask of the daemon before it makes them wait or refuses.
//!
//! No limit on attempts ever locks a token out: they count sign-ins with a password only.

use serde::Deserialize;

use crate::Span;
use crate::source::Check;

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Failed password sign-ins per account, over all spellings, sites and surfaces, before delays start.
    pub attempts_per_account: u32,
    /// Failed password sign-ins per address (IPv6 by /64) before delays start.
    pub attempts_per_address: u32,
    /// The first delay; it doubles with each further failure.
    pub first_delay: Span,
    /// No delay is longer.
    pub max_delay: Span,
    /// Bytes of a request's body.
    pub max_body: u64,
    /// From the connection, or the last answer on it, to the end of the next request's head.
    pub header_timeout: Span,
    /// From the head of a request to the end of its answer.
    pub request_timeout: Span,
    /// Open connections.
    pub max_connections: u32,
    /// Sign-ins that may wait for a hash at one time; further ones are told to come back.
    pub hash_queue: u32,
    /// Live streams of audit events of the daemon.
    pub event_streams: u32,
    /// Live streams of audit events of one site.
    pub event_streams_per_site: u32,
    /// Reports of leaked secrets of one address (IPv6 by /64) within an hour.
    pub leak_reports_per_hour: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts_per_account: 5,
            attempts_per_address: 20,
            first_delay: Span::seconds(1),
            max_delay: Span::minutes(5),
            max_body: 65_536,
            header_timeout: Span::seconds(10),
            request_timeout: Span::seconds(30),
            max_connections: 10_000,
            hash_queue: 256,
            event_streams: 64,
            event_streams_per_site: 8,
            leak_reports_per_hour: 60,
        }
    }
}

impl Limits {
    pub(crate) fn check(&self, check: &mut Check<'_>) {
        for (key, count) in [
            ("attempts_per_account", self.attempts_per_account),
            ("attempts_per_address", self.attempts_per_address),
            ("max_connections", self.max_connections),
            ("hash_queue", self.hash_queue),
            ("event_streams", self.event_streams),
            ("event_streams_per_site", self.event_streams_per_site),
            ("leak_reports_per_hour", self.leak_reports_per_hour),
        ] {
            check.require(count >= 1, &["limits", key], "must be at least 1");
        }
        check.require(!self.first_delay.is_zero(), &["limits", "first_delay"], "must be longer than nothing");
        let ordered = self.first_delay <= self.max_delay;
        check.require(ordered, &["limits", "max_delay"], "must not be shorter than `first_delay`");
        let bearable = self.max_delay <= Span::days(1);
        check.require(
            bearable,
            &["limits", "max_delay"],
            "must be at most \"1d\": a longer one is a lock-out",
        );
        let body = (1_024..=16 * 1_024 * 1_024).contains(&self.max_body);
        check.require(body, &["limits", "max_body"], "must lie between 1024 and 16777216 bytes");
        for (key, span) in
            [("header_timeout", self.header_timeout), ("request_timeout", self.request_timeout)]
        {
            let sensible = (Span::millis(100)..=Span::minutes(60)).contains(&span);
            check.require(sensible, &["limits", key], "must lie between \"100ms\" and \"60m\"");
        }
    }
}
