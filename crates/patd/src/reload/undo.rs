//! What a reload has done so far, and how it goes back: last things first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use patd_plugin_host::adapt::PreparedHasher;
use patd_plugin_host::{
    HasherHandle, HasherSlot, LoadError, Prepared, ServiceHandle, ServiceSlot, SlotTimes, Switched,
};

use crate::plugins::Section;
use crate::stores::Stores;

/// How long an instance that was opened for nothing may take to stop.
const STOP: Duration = Duration::from_secs(30);

/// A new instance that waits for the switch.
pub(super) enum Pending {
    Hasher(Box<Prepared<HasherHandle>>),
    Service(Prepared<ServiceHandle>),
}

impl From<Prepared<HasherHandle>> for Pending {
    fn from(prepared: Prepared<HasherHandle>) -> Self {
        Self::Hasher(Box::new(prepared))
    }
}

impl From<Prepared<ServiceHandle>> for Pending {
    fn from(prepared: Prepared<ServiceHandle>) -> Self {
        Self::Service(prepared)
    }
}

impl Pending {
    fn is_exclusive(&self) -> bool {
        match self {
            Self::Hasher(prepared) => prepared.is_exclusive(),
            Self::Service(prepared) => prepared.is_exclusive(),
        }
    }

    async fn switch(self) -> Result<Done, LoadError> {
        Ok(match self {
            Self::Hasher(prepared) => Done::Hasher(prepared.switch().await?),
            Self::Service(prepared) => Done::Service(prepared.switch().await?),
        })
    }
}

/// Something that was done.
enum Done {
    Hasher(Switched<HasherHandle>),
    Service(Switched<ServiceHandle>),
    OpenedHasher(Arc<HasherSlot>),
    OpenedService(Arc<ServiceSlot>),
    Sections(Arc<Stores>, HashMap<String, Section>, SlotTimes, Duration),
}

/// The list of what was done.
#[derive(Default)]
pub(super) struct Undo {
    pending: Vec<Pending>,
    done: Vec<Done>,
}

impl Undo {
    pub(super) fn prepared(&mut self, prepared: impl Into<Pending>) {
        self.pending.push(prepared.into());
    }

    /// The hashers that wait for the switch.
    pub(super) fn prepared_hashers(&self) -> Vec<PreparedHasher> {
        let hasher = |pending: &Pending| match pending {
            Pending::Hasher(prepared) => Some(PreparedHasher::of(prepared)),
            Pending::Service(_) => None,
        };
        self.pending.iter().filter_map(hasher).collect()
    }

    pub(super) fn opened_hasher(&mut self, slot: Arc<HasherSlot>) {
        self.done.push(Done::OpenedHasher(slot));
    }

    pub(super) fn opened_service(&mut self, slot: Arc<ServiceSlot>) {
        self.done.push(Done::OpenedService(slot));
    }

    /// Puts other sections of stores in force.
    pub(super) fn sections(
        &mut self,
        stores: &Arc<Stores>,
        sections: HashMap<String, Section>,
        times: SlotTimes,
        patience: Duration,
    ) {
        let old = stores.set(sections, times, patience);
        self.done.push(Done::Sections(Arc::clone(stores), old, times, patience));
    }

    /// Switches those that can still be refused.
    pub(super) async fn switch_exclusive(&mut self) -> Result<(), LoadError> {
        self.switch(true).await
    }

    /// Switches the rest.
    pub(super) async fn switch_shared(&mut self) -> Result<(), LoadError> {
        self.switch(false).await
    }

    async fn switch(&mut self, exclusive: bool) -> Result<(), LoadError> {
        let mut index = 0;
        while index < self.pending.len() {
            if self.pending[index].is_exclusive() != exclusive {
                index += 1;
                continue;
            }
            let done = self.pending.remove(index).switch().await?;
            self.done.push(done);
        }
        Ok(())
    }

    /// Stays with everything.
    pub(super) fn keep(self) {
        for done in self.done {
            match done {
                Done::Hasher(switched) => switched.keep(),
                Done::Service(switched) => switched.keep(),
                Done::OpenedHasher(_) | Done::OpenedService(_) | Done::Sections(..) => {}
            }
        }
    }

    /// Goes back; what could not be undone, if anything.
    pub(super) async fn back(self) -> Option<String> {
        let mut failures = Vec::new();
        for pending in self.pending {
            match pending {
                Pending::Hasher(prepared) => prepared.discard().await,
                Pending::Service(prepared) => prepared.discard().await,
            }
        }
        for done in self.done.into_iter().rev() {
            let back = match done {
                Done::Hasher(switched) => switched.roll_back().await,
                Done::Service(switched) => switched.roll_back().await,
                Done::OpenedHasher(slot) => {
                    slot.stop(STOP).await;
                    Ok(())
                }
                Done::OpenedService(slot) => {
                    slot.stop(STOP).await;
                    Ok(())
                }
                Done::Sections(stores, old, times, patience) => {
                    drop(stores.set(old, times, patience));
                    Ok(())
                }
            };
            failures.extend(back.err().map(|e| e.to_string()));
        }
        (!failures.is_empty()).then(|| failures.join(" "))
    }
}
