//! What a slot says of itself, to `patd plugin list` and to readiness. Must never ask the plug-in: it may hang.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{InstancePlan, Slot, State, Unit, now};
use crate::image::Kind;

/// What a slot says of itself.
#[derive(Debug, Clone)]
pub struct SlotStatus {
    /// Name in the configuration.
    pub name: String,
    /// Kind.
    pub kind: Kind,
    /// What the generation in service, or the next one, is made of.
    pub plan: Arc<InstancePlan>,
    /// The number of the generation, from 1; the last one's where none serves.
    pub generation: u64,
    /// Requests inside it.
    pub in_flight: u64,
    /// Why it refuses requests, if it does.
    pub quarantined: Option<String>,
    /// How long until the next recovery is tried.
    pub retry_in: Option<Duration>,
    /// How often a quarantined instance was replaced.
    pub recoveries: u64,
    /// Instances that did not end and were left alone.
    pub abandoned: u64,
    /// Old generations that requests are still inside of, or that are stopping.
    pub draining: u64,
}

impl<U: Unit> Slot<U> {
    /// Why it refuses requests at the moment, if it does. Asks no plug-in.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        match &**self.state.load() {
            State::Serving(generation) => {
                let why = generation.unit.quarantined()?;
                Some(format!("the plug-in instance {} is quarantined: {why}", self.name))
            }
            State::Gate => None,
            State::Down { why, .. } => Some(format!("the plug-in instance {} is down: {why}", self.name)),
        }
    }

    /// What it says of itself.
    #[must_use]
    pub fn status(&self) -> SlotStatus {
        let state = self.state.load();
        let in_flight = match &**state {
            State::Serving(generation) => generation.flights.inside(),
            State::Gate | State::Down { .. } => 0,
        };
        let quarantined = self.unready();
        let until = (*self.until.lock()).filter(|_| quarantined.is_some());
        SlotStatus {
            name: self.name.clone(),
            kind: self.kind,
            plan: self.plan(),
            generation: self.next.load(Ordering::Relaxed) - 1,
            in_flight,
            quarantined,
            retry_in: until.map(|until| until.saturating_duration_since(now())),
            recoveries: self.recoveries.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
            draining: self.draining.load(Ordering::Relaxed),
        }
    }
}
