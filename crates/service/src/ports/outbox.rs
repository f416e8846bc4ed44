//! The outbox of a store, and what a sink is told and answers.

use std::time::Duration;

use patd_core::event::{Event, EventType, Severity};
use patd_core::id::SiteLuid;
use patd_core::time::Timestamp;
use uuid::Uuid;

/// Which of a store's events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Scope {
    /// Those of no site: a person's own affairs, the daemon's.
    Directory,
    /// Those of this site.
    Site(SiteLuid),
}

impl Scope {
    /// The scope that an event belongs to.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        event.site.into()
    }

    /// The site, where there is one.
    #[must_use]
    pub fn site(self) -> Option<SiteLuid> {
        match self {
            Self::Directory => None,
            Self::Site(site) => Some(site),
        }
    }
}

impl From<Option<SiteLuid>> for Scope {
    fn from(site: Option<SiteLuid>) -> Self {
        site.map_or(Self::Directory, Self::Site)
    }
}

/// Whose cursor: a sink's, for one scope or (without one) for all events.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Outlet {
    /// The sink's name in the config.
    pub sink: String,
    /// Which events.
    pub scope: Option<Scope>,
}

/// An event as it waits in the outbox.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its position, rising within a store.
    pub position: u64,
    /// The event.
    pub event: Event,
}

/// An event that a sink will never take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// Its position in the outbox.
    pub position: u64,
    /// The event.
    pub event: Event,
    /// What the sink said.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What waits for a sink.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutboxStatus {
    /// Delivered up to here.
    pub through: u64,
    /// Events after it.
    pub waiting: u64,
    /// Time of the first of them.
    pub oldest: Option<Timestamp>,
    /// Dead letters.
    pub dead: u64,
}

/// A daemon's claim on the pump of a sink and scope. The store looks at no clock: what was not renewed between two looks
/// of the claimant, as long apart as its own clock says, may be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseClaim {
    /// The lease.
    pub name: String,
    /// Another's lease that was not renewed since it was seen.
    pub seen: Option<LeaseSeen>,
}

/// Who holds a lease, and how often it was granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseSeen {
    /// The daemon, in this life of it.
    pub holder: Uuid,
    /// Rises with each grant.
    pub beat: u64,
}

/// Why a sink took nothing more.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SinkError {
    /// May be tried again later.
    #[error("the sink is unavailable: {0}")]
    Unavailable(String),
    /// It will never take this batch.
    #[error("the sink rejects the batch: {0}")]
    Rejected(String),
}

/// What a sink did with a batch.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Delivered {
    /// So many events, from the first, are done with; the others come again.
    pub through: usize,
    /// Ids of those of them that it will never take.
    pub rejected: Vec<String>,
}

/// What happens when as many events wait for a sink as may.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OnFull {
    /// They go on waiting; the operator is told.
    #[default]
    Buffer,
    /// Changes that give something at that site are refused until there is room.
    Deny,
}

/// On which terms a sink gets events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Event types, `patd.token.*` for all that begin so; empty for all.
    pub types: Vec<String>,
    /// Only events of at least this severity.
    pub severity: Severity,
    /// Keys of the sites whose events it gets, of those that name it; empty for all, and for events of no site.
    pub sites: Vec<String>,
    /// The first pause after a failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// So many events may wait per site.
    pub max_backlog: u64,
    /// What happens then.
    pub on_full: OnFull,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            types: Vec::new(),
            severity: Severity::Informational,
            sites: Vec::new(),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            max_backlog: 1_000_000,
            on_full: OnFull::Buffer,
        }
    }
}

impl Terms {
    /// Whether an event of this type goes to the sink. Checkpoints always do: without them a chain of events cannot be
    /// checked.
    #[must_use]
    pub fn take(&self, kind: EventType) -> bool {
        if kind == EventType::AuditCheckpoint {
            return true;
        }
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => kind.as_str().starts_with(beginning),
            None => kind.as_str() == pattern,
        };
        kind.severity() >= self.severity && (self.types.is_empty() || self.types.iter().any(fits))
    }

    /// Whether an event of this type that is of no site goes to the sink.
    #[must_use]
    pub fn take_of_no_site(&self, kind: EventType) -> bool {
        self.take(kind) && (self.sites.is_empty() || kind == EventType::AuditCheckpoint)
    }

    /// Whether the events of the site with this key in the config go to the sink.
    #[must_use]
    pub fn takes_site(&self, key: &str) -> bool {
        self.sites.is_empty() || self.sites.iter().any(|site| site == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_taken_by_name_or_beginning_and_from_a_severity_and_checkpoints_always() {
        use EventType as T;
        let terms = |types: &[&str], severity| Terms {
            types: types.iter().map(|text| (*text).to_owned()).collect(),
            severity,
            ..Terms::default()
        };
        assert!(EventType::ALL.iter().all(|kind| terms(&[], Severity::Informational).take(*kind)));
        let some = terms(&["patd.token.*", "patd.user.joined"], Severity::Informational);
        for (kind, taken) in [
            (T::TokenMinted, true),
            (T::UserJoined, true),
            (T::UserInvited, false),
            (T::SessionOpened, false),
            (T::AuditCheckpoint, true),
        ] {
            assert_eq!(some.take(kind), taken, "{kind:?}");
        }
        let grave = terms(&[], Severity::High);
        for kind in EventType::ALL {
            let wanted = kind.severity() >= Severity::High || kind == T::AuditCheckpoint;
            assert_eq!(grave.take(kind), wanted, "{kind:?}");
        }
        let of_a_site = Terms { sites: vec!["acme".into()], ..Terms::default() };
        assert!(of_a_site.takes_site("acme") && !of_a_site.takes_site("globex"));
        assert!(of_a_site.take(T::UserJoined) && !of_a_site.take_of_no_site(T::UserJoined));
        assert!(of_a_site.take_of_no_site(T::AuditCheckpoint));
    }
}
