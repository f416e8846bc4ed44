//! Lines from what stores and sinks say. Pure.

use patd_config::{Config, OnFull};
use patd_core::time::Timestamp;
use patd_service::cloud_event::rfc3339;
use patd_service::start::MAX_BEHIND;

use super::Report;
use crate::facts::Facts;

/// What waits longer while the daemon runs is late.
const LATE_US: i64 = 300_000_000;

/// Whether the clock went back: no store may have an event of later.
pub(super) fn clock(facts: &Facts, now: Timestamp, report: &mut Report) {
    let mut ahead = false;
    for store in &facts.stores {
        let Some(newest) = store.newest.filter(|newest| *newest > now.0) else { continue };
        ahead = true;
        let behind = newest - now.0;
        let what = format!(
            "{}.{:03} s behind the newest event in store {}: it is {}, the event of {}",
            behind / 1_000_000,
            behind / 1000 % 1000,
            store.store,
            rfc3339(now),
            rfc3339(Timestamp(newest))
        );
        if behind > MAX_BEHIND.0 {
            let todo = "correct the clock, or the restored data: a start is refused until then, tokens and sessions would live \
                        too long";
            report.fail("clock", what, todo);
        } else {
            report.warn(
                "clock",
                what,
                "see to the clock's synchronisation; from 5 minutes on a start is refused",
            );
        }
    }
    if !ahead {
        report.ok("clock", "not behind any store's newest event");
    }
}

pub(super) fn stores(facts: &Facts, report: &mut Report) {
    for store in &facts.stores {
        let name = &store.store;
        if let Some(why) = &store.failure {
            report.fail("stores", format!("{name}: {why}"), "see the store's file or server, and the log");
        } else if !store.pending.is_empty() {
            let what = format!("{name}: pending migrations: {}", store.pending.join(", "));
            let todo = "a start, or `patd store migrate` without a daemon, makes them; take a backup first";
            if facts.live_sessions.is_some() {
                report.fail("stores", what, todo);
            } else {
                report.warn("stores", what, todo);
            }
        } else {
            let place = store.location.as_deref().unwrap_or("nothing in it yet");
            report.ok("stores", format!("{name}: {place}"));
        }
    }
}

pub(super) fn sinks(config: &Config, facts: &Facts, report: &mut Report) {
    for (name, sink) in &facts.sinks {
        if let Some(why) = &sink.failure {
            report.fail("sinks", format!("{name}: {why}"), "see the store's own line");
            continue;
        }
        let what = format!(
            "{name}: {} events wait, the oldest for {} s, {} dead letters",
            sink.backlog,
            sink.lag_us.max(0) / 1_000_000,
            sink.dead_letters
        );
        let denies = config.sinks.iter().any(|(key, one)| **key == **name && one.on_full == OnFull::Deny);
        let runs = facts.live_sessions.is_some();
        if sink.full && denies {
            let todo =
                "mend what the sink delivers to: patd refuses changes until it has room (on_full = \"deny\")";
            report.fail("sinks", what, todo);
        } else if sink.full {
            report.warn("sinks", what, "mend what the sink delivers to: more wait than max_backlog");
        } else if sink.dead_letters > 0 {
            report.warn(
                "sinks",
                what,
                format!("see `patd audit dead-letters list --sink {name}`, then replay or drop them"),
            );
        } else if runs && sink.lag_us > LATE_US {
            report.warn("sinks", what, "mend what the sink delivers to; the log says why it does not");
        } else {
            report.ok("sinks", what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Line, Outcome};
    use super::*;
    use crate::facts::{SinkFacts, StoreFacts};

    fn at(newest: i64) -> Facts {
        let store = StoreFacts {
            store: "directory".to_owned(),
            location: Some("here".to_owned()),
            pending: Vec::new(),
            newest: Some(newest),
            failure: None,
        };
        Facts { stores: vec![store], ..Facts::default() }
    }

    fn only(report: Report) -> Line {
        let [line] = <[Line; 1]>::try_from(report.0).expect("one line");
        line
    }

    #[test]
    fn a_clock_that_went_back_is_told_with_how_far_and_fails_where_a_start_is_refused() {
        let minute = 60_000_000;
        for (newest, outcome, says) in [
            (0, Outcome::Ok, "not behind"),
            (minute + 1_500, Outcome::Warn, "60.001 s behind the newest event in store directory"),
            (5 * minute, Outcome::Warn, "300.000 s behind"),
            (6 * minute, Outcome::Fail, "360.000 s behind"),
        ] {
            let mut report = Report::default();
            clock(&at(newest), Timestamp(0), &mut report);
            let line = only(report);
            assert_eq!(line.outcome, outcome, "{line:?}");
            assert!(line.what.contains(says), "{line:?}");
            assert_eq!(line.todo.is_none(), outcome == Outcome::Ok);
        }
    }

    #[test]
    fn a_sink_is_judged_by_what_waits_and_what_it_will_never_take() {
        let sink = |backlog, lag_us, dead_letters, full| SinkFacts {
            backlog,
            lag_us,
            dead_letters,
            full,
            failure: None,
        };
        for (facts, runs, outcome) in [
            (sink(0, 0, 0, false), true, Outcome::Ok),
            (sink(3, LATE_US + 1, 0, false), true, Outcome::Warn),
            // Nothing is delivered while no daemon runs.
            (sink(3, LATE_US + 1, 0, false), false, Outcome::Ok),
            (sink(0, 0, 1, false), true, Outcome::Warn),
            (sink(9, 0, 0, true), true, Outcome::Warn),
        ] {
            let mut report = Report::default();
            let facts = Facts {
                sinks: [("file".to_owned(), facts)].into(),
                live_sessions: runs.then_some(0),
                ..Facts::default()
            };
            sinks(&Config::default(), &facts, &mut report);
            let line = only(report);
            assert_eq!((line.outcome, line.todo.is_some()), (outcome, outcome != Outcome::Ok), "{line:?}");
        }
    }

    #[test]
    fn a_full_sink_that_denies_fails() {
        let mut config = Config::default();
        let (_, sink) = config.sinks.iter_mut().next().expect("the default has a sink");
        sink.on_full = OnFull::Deny;
        let name = config.sinks.keys().next().expect("as above").to_string();
        let full = SinkFacts { full: true, ..SinkFacts::default() };
        let mut report = Report::default();
        sinks(&config, &Facts { sinks: [(name, full)].into(), ..Facts::default() }, &mut report);
        assert_eq!(only(report).outcome, Outcome::Fail);
    }
}
