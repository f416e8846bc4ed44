//! Recovery: a quarantined instance is replaced by a fresh one of the same image after a delay that grows. A shared one is
//! replaced first and stopped then; an exclusive one is stopped completely before its successor starts.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Slot, State, Unit, Watch, now};

/// How often calls that hang are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// What the supervisor waits for.
enum Sight {
    /// A generation serves.
    Healthy(Watch),
    /// Nothing serves and nothing is left of the last one.
    Free,
    /// Somebody else is at work.
    Busy,
    /// The slot is gone.
    Gone,
}

pub(super) fn begin<U: Unit>(slot: &Arc<Slot<U>>) {
    tokio::spawn(supervise(Arc::downgrade(slot)));
}

async fn supervise<U: Unit>(slot: Weak<Slot<U>>) {
    let Some(mut changed) = slot.upgrade().map(|slot| slot.changed.subscribe()) else { return };
    let Some(times) = slot.upgrade().map(|slot| slot.times()) else { return };
    let mut delay = times.first_delay;
    loop {
        changed.mark_unchanged();
        let patient = match look(&slot) {
            Sight::Gone => return,
            Sight::Busy => None,
            Sight::Healthy(watch) => tokio::select! {
                () = watch.quarantined() => Some(watch),
                gone = changed.changed() => if gone.is_err() { return } else { continue },
                () = tokio::time::sleep(LOOK), if U::MAY_HANG => {
                    slot.upgrade().inspect(|slot| slot.look_for_hanging());
                    continue;
                }
            },
            Sight::Free => {
                if pause(&slot, &mut changed, &mut delay).await {
                    recover(&slot, None, &mut delay).await;
                }
                continue;
            }
        };
        let Some(watch) = patient else {
            if changed.changed().await.is_err() {
                return;
            }
            continue;
        };
        let Some(strong) = slot.upgrade() else { return };
        let shared = strong.quarantine_seen(&mut delay).await;
        drop(strong);
        if !shared {
            // It is out of the slot by now; its end will be seen.
            continue;
        }
        if pause(&slot, &mut changed, &mut delay).await {
            recover(&slot, Some(watch), &mut delay).await;
        }
    }
}

fn look<U: Unit>(slot: &Weak<Slot<U>>) -> Sight {
    let Some(slot) = slot.upgrade() else { return Sight::Gone };
    match &**slot.state.load() {
        State::Serving(generation) => Sight::Healthy(generation.unit.watch()),
        State::Down { free: true, .. } => Sight::Free,
        State::Down { free: false, .. } | State::Gate => Sight::Busy,
    }
}

/// Waits the delay out; `false` when something else happened to the slot meanwhile.
async fn pause<U: Unit>(
    slot: &Weak<Slot<U>>,
    changed: &mut tokio::sync::watch::Receiver<u64>,
    delay: &mut Duration,
) -> bool {
    slot.upgrade().inspect(|slot| *slot.until.lock() = Some(now() + *delay));
    tokio::select! {
        () = tokio::time::sleep(*delay) => true,
        _ = changed.changed() => false,
    }
}

async fn recover<U: Unit>(slot: &Weak<Slot<U>>, from: Option<Watch>, delay: &mut Duration) {
    let Some(slot) = slot.upgrade() else { return };
    *delay = (*delay * 2).min(slot.times().max_delay);
    slot.recover(from).await;
}

impl<U: Unit> Slot<U> {
    fn look_for_hanging(&self) {
        if let Some(serving) = self.serving()
            && serving.unit.slowest().is_some_and(|slowest| slowest > self.times().hang)
        {
            serving.unit.quarantine("a call into it hangs");
        }
    }

    /// Notes a quarantine; whether the instance is a shared one that stays in the slot. An exclusive one is taken out and
    /// stopped; when it has ended completely its successor may start.
    async fn quarantine_seen(self: &Arc<Self>, delay: &mut Duration) -> bool {
        let _turn = self.turn.lock().await;
        let Some(serving) = self.serving() else { return false };
        let Some(why) = serving.unit.quarantined() else { return false };
        if serving.begun.elapsed() >= self.times().good {
            *delay = self.times().first_delay;
        }
        self.out_of_service();
        if !serving.unit.exclusive() {
            return true;
        }
        self.put(State::Down { why: why.clone(), free: false });
        let slot = Arc::clone(self);
        tokio::spawn(async move {
            let ended = slot.drain_and_end(&serving).await;
            slot.left(ended, why);
        });
        false
    }

    /// What was in a slot that is down has ended, completely or not.
    pub(super) fn left(&self, ended: bool, why: String) {
        if !matches!(&**self.state.load(), State::Down { free: false, .. }) {
            return;
        }
        if ended {
            self.put(State::Down { why, free: true });
        } else {
            let why = format!("{why}; it did not stop, so no other may start: restart the daemon");
            tracing::error!(instance = self.name, why);
            self.put(State::Down { why, free: false });
        }
    }

    /// Nothing is in service; `left` of the last instance may still be there.
    pub(super) fn down(self: &Arc<Self>, why: String, left: Option<Arc<U>>) {
        self.out_of_service();
        let Some(left) = left else {
            self.put(State::Down { why, free: true });
            return;
        };
        self.put(State::Down { why: why.clone(), free: false });
        let slot = Arc::clone(self);
        tokio::spawn(async move {
            let ended = left.end().await;
            slot.left(ended, why);
        });
    }

    /// Puts a fresh instance in the place of `from`, or of nothing.
    async fn recover(self: Arc<Self>, from: Option<Watch>) {
        let _turn = self.turn.lock().await;
        let still = match (&**self.state.load(), from) {
            (State::Serving(serving), Some(from)) => serving.unit.watch().is(from),
            (State::Down { free: true, .. }, None) => true,
            _ => false,
        };
        if !still {
            return;
        }
        let plan = self.plan();
        match plan.make::<U>().await {
            Ok(unit) => {
                let fresh = self.generation(unit, plan);
                tracing::info!(
                    instance = self.name,
                    generation = fresh.number,
                    "a fresh plug-in instance serves in place of the quarantined one"
                );
                self.recoveries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let labels = [("instance", self.name.clone()), ("kind", self.kind.name().to_owned())];
                metrics::counter!("patd_plugin_recoveries_total", &labels).increment(1);
                let old = self.serve(fresh);
                self.retire(old);
            }
            Err(not) => {
                let error = not.error;
                tracing::error!(instance = self.name, %error, "no fresh plug-in instance; it will be tried again");
                // A shared one stays as it is, quarantined: it refuses everything.
                if from.is_none() {
                    self.down(error.to_string(), not.left);
                }
            }
        }
    }

    /// Ends what was in the slot, in the background.
    pub(super) fn retire(self: &Arc<Self>, old: Arc<State<U>>) {
        let slot = Arc::clone(self);
        if matches!(&*old, State::Serving(_)) {
            tokio::spawn(async move {
                if let State::Serving(old) = &*old {
                    slot.drain_and_end(old).await;
                }
            });
        }
    }
}
