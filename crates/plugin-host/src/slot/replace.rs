//! Replacement by a reload, in three steps so that several slots succeed or fail together: [`Slot::prepare`] makes and tests
//! the new instance, [`Prepared::switch`] puts it in service, [`Switched::keep`] or [`Switched::roll_back`] ends the other one.
//!
//! Where an instance is exclusive, requests wait at the gate while the old one is stopped completely and the new one starts.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::plan::NotStarted;
use super::{Generation, InstancePlan, Slot, State, Unit};
use crate::error::LoadError;

/// A new instance, made and tested, started unless it or the old one is exclusive.
pub struct Prepared<U: Unit> {
    slot: Arc<Slot<U>>,
    plan: Arc<InstancePlan>,
    unit: Arc<U>,
    exclusive: bool,
    turn: OwnedMutexGuard<()>,
}

/// The new instance serves; the old one is still there, or can be started again.
pub struct Switched<U: Unit> {
    slot: Arc<Slot<U>>,
    old: Old<U>,
    _turn: OwnedMutexGuard<()>,
}

enum Old<U: Unit> {
    /// Runs on beside the new one.
    Runs(Arc<State<U>>),
    /// Was exclusive and has ended.
    Ended(Arc<InstancePlan>),
}

impl<U: Unit> Slot<U> {
    /// Makes and tests an instance of `plan` beside the one in service. Until the answer is used or dropped, nothing else
    /// replaces it.
    ///
    /// # Errors
    /// [`LoadError`] when the plug-in refuses; the one in service goes on.
    pub async fn prepare(self: &Arc<Self>, plan: InstancePlan) -> Result<Prepared<U>, LoadError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let plan = Arc::new(plan);
        let unit = plan.create::<U>().await?;
        let old_is_exclusive = match &**self.state.load() {
            State::Serving(old) => old.unit.exclusive(),
            State::Down { .. } | State::Gate => true,
        };
        let exclusive = old_is_exclusive || unit.exclusive();
        let unit = if exclusive { unit } else { plan.start(unit).await.map_err(|not| not.error)? };
        Ok(Prepared { slot: Arc::clone(self), plan, unit, exclusive, turn })
    }
}

impl<U: Unit> Prepared<U> {
    /// The new instance, for a look at what it can do before it serves. Whoever is inside it when it is given up keeps it from
    /// being destroyed until then.
    pub(crate) fn unit(&self) -> &Arc<U> {
        &self.unit
    }

    /// Whether the old one stops before this one starts, which may be refused.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Puts the new instance in service.
    ///
    /// # Errors
    /// [`LoadError`] when an exclusive one does not start, or the old one does not stop. The old one is started again where
    /// that is possible; the error says if not.
    pub async fn switch(self) -> Result<Switched<U>, LoadError> {
        let Self { slot, plan, unit, exclusive, turn } = self;
        if !exclusive {
            let old = slot.serve(slot.generation(unit, plan));
            return Ok(Switched { slot, old: Old::Runs(old), _turn: turn });
        }
        let before = slot.plan();
        empty(&slot, &plan).await?;
        match plan.start(unit).await {
            Ok(unit) => {
                slot.serve(slot.generation(unit, plan));
                Ok(Switched { slot, old: Old::Ended(before), _turn: turn })
            }
            Err(not) => Err(again(&slot, before, not).await),
        }
    }

    /// Gives the new instance up.
    pub async fn discard(self) {
        // One that was never started needs no STOP.
        if !self.exclusive && tokio::time::timeout(self.slot.times().drain, self.unit.end()).await != Ok(true)
        {
            tracing::error!(instance = self.slot.name, "an instance that is not needed did not stop");
        }
    }
}

impl<U: Unit> Switched<U> {
    /// Stays with the new instance; the old one ends in the background.
    pub fn keep(self) {
        if let Old::Runs(old) = self.old {
            self.slot.retire(old);
        }
    }

    /// Goes back to the old instance.
    ///
    /// # Errors
    /// [`LoadError`] when an exclusive one does not start again; it is tried again with growing delay.
    pub async fn roll_back(self) -> Result<(), LoadError> {
        let Self { slot, old, _turn } = self;
        match old {
            Old::Runs(old) => {
                let State::Serving(old) = &*old else { return Ok(()) };
                let new = slot.serve(Arc::clone(old));
                slot.retire(new);
                Ok(())
            }
            Old::Ended(before) => {
                empty(&slot, &before).await?;
                restart(&slot, before).await
            }
        }
    }
}

/// Shuts the gate and ends the exclusive instance inside completely.
async fn empty<U: Unit>(slot: &Arc<Slot<U>>, plan: &InstancePlan) -> Result<(), LoadError> {
    let old = match &**slot.state.load() {
        State::Serving(old) => Arc::clone(old),
        State::Down { free: true, .. } => return Ok(()),
        State::Down { free: false, .. } | State::Gate => {
            return Err(plan.refuse(
                &format!("the old instance of {} to have stopped", slot.name),
                "that it has not; two must never overlap. Restart the daemon if that lasts",
            ));
        }
    };
    let serving = slot.put(State::Gate);
    old.flights.close();
    if tokio::time::timeout(slot.times().drain, old.flights.drained()).await.is_err() {
        old.flights.reopen();
        slot.state.store(serving);
        slot.changed.send_modify(|count| *count += 1);
        return Err(plan.refuse(
            &format!("the requests inside {} to end within {:?}", slot.name, slot.times().drain),
            "some that have not",
        ));
    }
    stop(slot, old, plan).await
}

async fn stop<U: Unit>(
    slot: &Arc<Slot<U>>,
    old: Arc<Generation<U>>,
    plan: &InstancePlan,
) -> Result<(), LoadError> {
    let mut ending = tokio::spawn({
        let slot = Arc::clone(slot);
        async move { slot.drain_and_end(&old).await }
    });
    let why = format!("the old instance of {} did not stop in time", slot.name);
    let in_time = tokio::time::timeout(slot.times().drain, &mut ending).await;
    if let Ok(Ok(true)) = in_time {
        return Ok(());
    }
    slot.put(State::Down { why: why.clone(), free: false });
    slot.out_of_service();
    let slot = Arc::clone(slot);
    tokio::spawn(async move {
        // It goes on ending; when it has, it is started again.
        let ended = match in_time {
            Ok(ended) => ended,
            Err(_) => ending.await,
        };
        slot.left(ended.unwrap_or(false), why);
    });
    Err(plan.refuse("the old instance to stop", "that it has not; it is started again once it has"))
}

/// After a failed start of the new one: the old one again.
async fn again<U: Unit>(slot: &Arc<Slot<U>>, before: Arc<InstancePlan>, not: NotStarted<U>) -> LoadError {
    if not.left.is_some() {
        *slot.plan.lock() = before;
        slot.down(not.error.to_string(), not.left);
        return not.error.and("It did not stop either: the old one is started again once it has");
    }
    match restart(slot, before).await {
        Ok(()) => not.error,
        Err(also) => {
            not.error.and(&format!("The old one did not start again either ({also}); it will be tried again"))
        }
    }
}

async fn restart<U: Unit>(slot: &Arc<Slot<U>>, plan: Arc<InstancePlan>) -> Result<(), LoadError> {
    match plan.make::<U>().await {
        Ok(unit) => {
            slot.serve(slot.generation(unit, plan));
            Ok(())
        }
        Err(not) => {
            *slot.plan.lock() = plan;
            slot.down(not.error.to_string(), not.left);
            Err(not.error)
        }
    }
}
