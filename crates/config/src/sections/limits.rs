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
    /// Failed password sign-ins per account, over all spellings, sites and surfaces.
    pub account_attempts: Attempts,
    /// Failed password sign-ins per address (IPv6 by /64).
    pub address_attempts: Attempts,
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
}

/// How failed attempts slow the next ones down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempts {
    /// Failures before delays start.
    pub count: u32,
    /// The first delay; it doubles with each further failure.
    pub first_delay: Span,
    /// No delay is longer.
    pub max_delay: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            account_attempts: Attempts {
                count: 5,
                first_delay: Span::seconds(1),
                max_delay: Span::minutes(5),
            },
            address_attempts: Attempts {
                count: 20,
                first_delay: Span::seconds(1),
                max_delay: Span::minutes(1),
            },
            max_body: 65_536,
            header_timeout: Span::seconds(10),
            request_timeout: Span::seconds(30),
            max_connections: 10_000,
            hash_queue: 256,
        }
    }
}

impl Limits {
    pub(crate) fn check(&self, check: &mut Check<'_>) {
        for (key, attempts) in
            [("account_attempts", self.account_attempts), ("address_attempts", self.address_attempts)]
        {
            let path = |field| ["limits", key, field];
            check.require(attempts.count >= 1, &path("count"), "must be at least 1");
            check.require(
                !attempts.first_delay.is_zero(),
                &path("first_delay"),
                "must be longer than nothing",
            );
            let ordered = attempts.first_delay <= attempts.max_delay;
            check.require(ordered, &path("max_delay"), "must not be shorter than `first_delay`");
            let bearable = attempts.max_delay <= Span::days(1);
            check.require(bearable, &path("max_delay"), "must be at most \"1d\": a longer one is a lock-out");
        }
        let body = (1_024..=16 * 1_024 * 1_024).contains(&self.max_body);
        check.require(body, &["limits", "max_body"], "must lie between 1024 and 16777216 bytes");
        for (key, span) in
            [("header_timeout", self.header_timeout), ("request_timeout", self.request_timeout)]
        {
            let sensible = (Span::millis(100)..=Span::minutes(60)).contains(&span);
            check.require(sensible, &["limits", key], "must lie between \"100ms\" and \"60m\"");
        }
        check.require(self.max_connections >= 1, &["limits", "max_connections"], "must be at least 1");
        check.require(self.hash_queue >= 1, &["limits", "hash_queue"], "must be at least 1");
    }
}
