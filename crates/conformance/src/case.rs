//! What a case is, and the list of all. A case's name is part of the kit's interface: tests and scripts select by it, so a
//! case may be added, but must never come to mean something else.

use patd_plugin_host::Kind;

use crate::subject::Subject;
use crate::suite;

/// How a case ended without failing.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// As it should be.
    Passed(String),
    /// Not applicable, and why.
    Skipped(String),
    /// Allowed, but somebody should look.
    Warning(String),
}

/// `Err` says why the case failed.
pub(crate) type Outcome = Result<Verdict, String>;

/// A pass that has nothing to tell.
pub(crate) fn pass() -> Outcome {
    Ok(Verdict::Passed(String::new()))
}

/// A pass with a remark.
pub(crate) fn pass_with(remark: impl Into<String>) -> Outcome {
    Ok(Verdict::Passed(remark.into()))
}

/// Fails unless `holds`.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// One case.
pub struct Case {
    /// `suite.what-holds`.
    pub name: &'static str,
    /// What it looks for, in one sentence.
    pub about: &'static str,
    /// For which kinds it runs; for none in particular when empty.
    pub(crate) kinds: &'static [Kind],
    /// After how many seconds its process is ended.
    pub(crate) seconds: u64,
    pub(crate) run: fn(&Subject) -> Outcome,
}

impl Case {
    pub(crate) const fn once(name: &'static str, about: &'static str, run: fn(&Subject) -> Outcome) -> Self {
        Self { name, about, kinds: &[], seconds: 30, run }
    }

    pub(crate) const fn of(
        kinds: &'static [Kind],
        name: &'static str,
        about: &'static str,
        run: fn(&Subject) -> Outcome,
    ) -> Self {
        Self { name, about, kinds, seconds: 30, run }
    }

    /// With another time limit.
    pub(crate) const fn within(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Whether it runs for a plug-in as such, not for one of its kinds.
    pub(crate) fn is_once(&self) -> bool {
        self.kinds.is_empty()
    }
}

/// All cases, in the order in which they run.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [
        suite::file::CASES,
        suite::load::CASES,
        suite::negotiation::CASES,
        suite::config::CASES,
        suite::hasher::CASES,
        suite::service::CASES,
        suite::service_end::CASES,
        suite::store::CASES,
        suite::store_many::CASES,
        suite::store_outbox::CASES,
        suite::store_file::CASES,
        suite::store_copy::CASES,
        suite::store_digests::CASES,
        suite::audit::CASES,
    ]
    .into_iter()
    .flatten()
}
