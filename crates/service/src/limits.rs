//! Limits on guessing: failed attempts per account and per address make the next attempt wait, longer each time.
//!
//! Reports of leaked secrets are limited per address and hour, too.
//!
//! The delays are only for what can be guessed (passwords, one-time codes): a token's 256 bits cannot, so its sign-in never comes
//! here and cannot be locked out. Lives in memory, per daemon.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;
use patd_core::time::{Span, Timestamp};

use crate::error::{Error, Result};

/// How many failures are free, and how the delay grows after them.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    /// Failures before the first delay.
    pub free: u32,
    /// The first delay; doubles with each further failure.
    pub first_delay: Span,
    /// The longest delay.
    pub max_delay: Span,
}

impl Attempts {
    fn delay(&self, beyond: u32) -> Span {
        let factor = 1_i64.checked_shl(beyond.saturating_sub(1).min(40)).unwrap_or(i64::MAX);
        Span(self.first_delay.0.saturating_mul(factor).min(self.max_delay.0))
    }
}

/// The limits per account and per address.
#[derive(Clone, Copy, Debug)]
pub struct LimitPolicy {
    /// Of one account, in all spellings, at all sites and on all surfaces.
    pub account: Attempts,
    /// Of one address (IPv6 by /64).
    pub address: Attempts,
    /// Live streams of events of the daemon.
    pub event_streams: u32,
    /// Of one site.
    pub event_streams_per_site: u32,
    /// Reports of leaked secrets of one address within an hour.
    pub leak_reports_per_hour: u32,
}

/// More keys than this are not remembered: the oldest half goes.
const MAX_KEYS: usize = 100_000;
/// Not blocked. Not simply the last attempt's time: another may have read the clock before it and come after it.
const FREE: Timestamp = Timestamp(i64::MIN);
/// Reports are counted within this time.
const REPORTS_WITHIN: Span = Span::minutes(60);
/// A key without failures for this long is forgotten.
const FORGET_AFTER: Span = Span::minutes(60);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Account(String),
    Address(String),
    /// What an account has of its address' count: given back with the account's.
    Share(String, String),
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
    blocked_until: Timestamp,
}

/// The counters.
pub(crate) struct Limits {
    policy: LimitPolicy,
    failures: Mutex<HashMap<Key, Failures>>,
    /// Reports of leaked secrets by network: since when, how many.
    reports: Mutex<HashMap<String, (Timestamp, u32)>>,
}

/// An attempt that is under way and counts as failed until it is forgiven.
#[must_use]
pub(crate) struct Attempt {
    account: Key,
    address: Key,
    share: Key,
    /// Until when the address was blocked before, and what this attempt made of it.
    blocked: (Timestamp, Timestamp),
}

impl Limits {
    pub(crate) fn new(policy: LimitPolicy) -> Self {
        Self { policy, failures: Mutex::default(), reports: Mutex::default() }
    }

    pub(crate) fn policy(&self) -> &LimitPolicy {
        &self.policy
    }

    /// Counts a report of an address, unless it has made as many as it may within an hour.
    pub(crate) fn report(&self, address: &str, now: Timestamp) -> Result<()> {
        let mut reports = self.reports.lock();
        if reports.len() >= MAX_KEYS {
            reports.retain(|_, (since, _)| since.plus(REPORTS_WITHIN) > now);
        }
        if reports.len() >= MAX_KEYS {
            return Err(Error::TooManyAttempts { retry_after_s: 60 });
        }
        let (since, count) = reports.entry(network(address)).or_insert((now, 0));
        if since.plus(REPORTS_WITHIN) <= now {
            (*since, *count) = (now, 0);
        }
        if *count >= self.policy.leak_reports_per_hour {
            let left = since.plus(REPORTS_WITHIN).0.saturating_sub(now.0);
            return Err(Error::TooManyAttempts {
                retry_after_s: u64::try_from(left / 1_000_000).unwrap_or(0) + 1,
            });
        }
        *count += 1;
        Ok(())
    }

    /// Starts an attempt: counted at once, so that attempts side by side cannot outrun the count.
    pub(crate) fn begin(&self, account: &str, address: &str, now: Timestamp) -> Result<Attempt> {
        let (account, address) = (account.to_ascii_lowercase(), network(address));
        let mut attempt = Attempt {
            account: Key::Account(account.clone()),
            address: Key::Address(address.clone()),
            share: Key::Share(address, account),
            blocked: (FREE, FREE),
        };
        let mut failures = self.failures.lock();
        let wait = [&attempt.account, &attempt.address]
            .into_iter()
            .filter_map(|key| failures.get(key))
            .map(|f| f.blocked_until.0.saturating_sub(now.0))
            .max()
            .unwrap_or(0);
        if wait > 0 {
            return Err(Error::TooManyAttempts {
                retry_after_s: u64::try_from(wait / 1_000_000).unwrap_or(0) + 1,
            });
        }
        if failures.len() >= MAX_KEYS {
            let mut times: Vec<_> = failures.values().map(|f| f.last).collect();
            times.sort_unstable();
            let median = times[times.len() / 2];
            failures.retain(|_, f| f.last > median);
        }
        let before = failures.get(&attempt.address).map_or(FREE, |f| f.blocked_until);
        for (key, policy) in [
            (&attempt.account, Some(&self.policy.account)),
            (&attempt.address, Some(&self.policy.address)),
            (&attempt.share, None),
        ] {
            let entry =
                failures.entry(key.clone()).or_insert(Failures { count: 0, last: now, blocked_until: FREE });
            if entry.last.plus(FORGET_AFTER) < now {
                entry.count = 0;
            }
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
            if let Some(policy) = policy.filter(|policy| entry.count > policy.free) {
                entry.blocked_until = now.plus(policy.delay(entry.count - policy.free));
            }
        }
        let after = failures.get(&attempt.address).map_or(FREE, |f| f.blocked_until);
        attempt.blocked = (before, after);
        Ok(attempt)
    }

    /// The attempt was good: the account starts anew, and the address gets back what this account had counted there. What
    /// others earned the address stays.
    pub(crate) fn forgive(&self, attempt: &Attempt) {
        let mut failures = self.failures.lock();
        failures.remove(&attempt.account);
        let share = failures.remove(&attempt.share).map_or(1, |share| share.count);
        if let Some(entry) = failures.get_mut(&attempt.address) {
            entry.count = entry.count.saturating_sub(share);
            let (before, after) = attempt.blocked;
            if entry.count <= self.policy.address.free {
                entry.blocked_until = FREE;
            } else if entry.blocked_until == after {
                entry.blocked_until = before;
            }
        }
    }
}

/// The network that an address stands for: IPv4 whole, IPv6 by /64.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                v6.segments()[..4].iter().map(|s| format!("{s:x}")).collect::<Vec<_>>().join(":") + "::/64"
            }
        },
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(account: Attempts, address: Attempts) -> LimitPolicy {
        LimitPolicy {
            account,
            address,
            event_streams: 1,
            event_streams_per_site: 1,
            leak_reports_per_hour: 3,
        }
    }

    fn limits() -> Limits {
        let attempts = |free| Attempts { free, first_delay: Span::seconds(1), max_delay: Span::seconds(8) };
        Limits::new(policy(attempts(3), attempts(100)))
    }

    #[test]
    fn the_delay_doubles_with_each_failure_up_to_its_maximum() {
        let limits = limits();
        let mut now = Timestamp(0);
        let mut waits = Vec::new();
        for _ in 0..9 {
            while let Err(Error::TooManyAttempts { retry_after_s }) =
                limits.begin("ann", "10.0.0.1", now).map(drop)
            {
                waits.push(retry_after_s - 1);
                now = now.plus(Span::seconds(i64::try_from(retry_after_s).expect("small")));
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 8]);
    }

    #[test]
    fn a_good_attempt_clears_the_account_in_every_spelling() {
        let limits = limits();
        for _ in 0..3 {
            let attempt = limits.begin("Ann", "10.0.0.1", Timestamp(0)).expect("free");
            limits.forgive(&attempt);
        }
        for name in ["ann", "ANN", "aNN"] {
            let _counted = limits.begin(name, "10.0.0.1", Timestamp(0)).expect("free");
        }
        let _last = limits
            .begin("ann", "10.0.0.1", Timestamp(0))
            .expect("the fourth is let through and then delayed");
        assert!(limits.begin("Ann", "10.0.0.2", Timestamp(0)).is_err());
    }

    #[test]
    fn attempts_that_overtake_each_other_are_not_delayed() {
        let limits = limits();
        let first = limits.begin("ann", "10.0.0.1", Timestamp(100)).expect("free");
        assert!(limits.begin("bob", "10.0.0.1", Timestamp(99)).is_ok());
        limits.forgive(&first);
        assert!(limits.begin("ann", "10.0.0.1", Timestamp(98)).is_ok());
    }

    /// Counts a failure; says whether it had to wait.
    fn fails(limits: &Limits, name: &str, address: &str, at: i64) -> bool {
        limits.begin(name, address, Timestamp(at)).map(drop).is_err()
    }

    #[test]
    fn a_good_attempt_forgives_its_address_only_what_its_own_account_had_counted() {
        let attempts = |free| Attempts { free, first_delay: Span::seconds(10), max_delay: Span::seconds(10) };
        let limits = Limits::new(policy(attempts(100), attempts(4)));
        for _ in 0..2 {
            assert!(!fails(&limits, "ann", "10.0.0.1", 0));
        }
        assert!(!fails(&limits, "bob", "10.0.0.1", 0));
        // The fourth is still free; another account's fifth, begun meanwhile, is the one that blocks.
        let good = limits.begin("ann", "10.0.0.1", Timestamp(1)).expect("free");
        assert!(!fails(&limits, "cid", "10.0.0.1", 2) && fails(&limits, "cid", "10.0.0.1", 3));
        limits.forgive(&good);
        // Of five, three were ann's: bob's and cid's are left.
        for name in ["dan", "eve"] {
            assert!(!fails(&limits, name, "10.0.0.1", 4));
        }
        let good = limits.begin("eve", "10.0.0.1", Timestamp(5)).expect("the fifth is let through");
        assert!(fails(&limits, "fay", "10.0.0.1", 6));
        limits.forgive(&good);
        assert!(!fails(&limits, "fay", "10.0.0.1", 7));
    }

    #[test]
    fn a_good_attempt_does_not_lift_a_delay_that_others_earned() {
        let attempts = |free| Attempts { free, first_delay: Span::seconds(10), max_delay: Span::seconds(10) };
        let limits = Limits::new(policy(attempts(100), attempts(2)));
        let good = limits.begin("ann", "10.0.0.1", Timestamp(0)).expect("free");
        for name in ["bob", "cid"] {
            assert!(!fails(&limits, name, "10.0.0.1", 1));
        }
        assert!(fails(&limits, "dan", "10.0.0.1", 2));
        let second = Span::seconds(11).0;
        assert!(!fails(&limits, "dan", "10.0.0.1", second), "the delay is over");
        limits.forgive(&good);
        assert!(fails(&limits, "eve", "10.0.0.1", second + 1), "bob, cid and dan earned this one");
        // Let through after a delay, and good: things are as they were before.
        let third = 2 * second;
        let good = limits.begin("ann", "10.0.0.1", Timestamp(third)).expect("the delay is over");
        limits.forgive(&good);
        assert!(!fails(&limits, "ann", "10.0.0.1", third + 1));
        assert!(fails(&limits, "ann", "10.0.0.1", third + 2));
    }

    #[test]
    fn reports_are_counted_by_network_and_within_an_hour() {
        let limits = limits();
        let hour = REPORTS_WITHIN.0;
        for at in [0, 1, 2] {
            assert!(limits.report("2001:db8:1:2::1", Timestamp(at)).is_ok());
        }
        let refused = limits.report("2001:db8:1:2::2", Timestamp(hour - 1));
        assert_eq!(refused, Err(Error::TooManyAttempts { retry_after_s: 1 }));
        assert!(limits.report("2001:db8:1:3::1", Timestamp(3)).is_ok());
        assert!(limits.report("2001:db8:1:2::1", Timestamp(hour)).is_ok());
    }

    #[test]
    fn an_ipv6_client_is_counted_by_its_64_bit_network() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:10.0.0.1"), "10.0.0.1");
    }
}
