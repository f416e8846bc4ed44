//! What the outbox means.

use patd_proto::store::{
    DeadLetter, DeadLettersAsk, DeadLettersForget, EventsRemove, LeaseSeen, OutboxAck, OutboxAsk,
    OutboxLease, OutboxStatus, OutboxTake, SCHEMA, Scope, Waiting,
};
use patd_proto::wire::Nat;

use crate::Memory;

impl Memory {
    fn through(&self, sink: &str, scope: Option<Scope>) -> u64 {
        let cursor = |scope| self.cursors.get(&(sink.to_owned(), scope)).copied().unwrap_or(0);
        cursor(scope).max(cursor(None))
    }

    pub(crate) fn waiting(&self, scope: Option<Scope>, after: u64) -> impl Iterator<Item = Waiting> {
        let all = self.positions.iter().zip(&self.events);
        let all = all.map(|(at, event)| Waiting { position: Nat(*at), event: event.clone() });
        all.filter(move |waiting| {
            waiting.position.0 > after && scope.is_none_or(|scope| scope == Scope::of(&waiting.event))
        })
    }

    /// Events after a sink's cursor, or after a position.
    #[must_use]
    pub fn outbox_take(&self, request: &OutboxTake) -> Vec<Waiting> {
        let after = request.after.map_or_else(|| self.through(&request.sink, request.scope), |after| after.0);
        self.waiting(request.scope, after).take(request.limit as usize).collect()
    }

    /// Moves a sink's cursor forward and keeps dead letters.
    pub fn outbox_ack(&mut self, request: &OutboxAck) {
        let cursor = self.cursors.entry((request.sink.clone(), request.scope)).or_default();
        *cursor = request.through.0.max(*cursor);
        for letter in &request.dead {
            let key = (request.sink.clone(), letter.position.0);
            self.letters.entry(key).or_insert_with(|| letter.clone());
        }
    }

    /// What waits for a sink.
    #[must_use]
    pub fn outbox_status(&self, request: &OutboxAsk) -> OutboxStatus {
        let through = self.through(&request.sink, Some(request.scope));
        let waiting: Vec<_> = self.waiting(Some(request.scope), through).collect();
        let dead = self.letters_of(&request.sink, Some(request.scope)).count();
        OutboxStatus {
            schema: SCHEMA,
            through: Nat(through),
            waiting: Nat(waiting.len() as u64),
            oldest: waiting.first().map(|first| first.event.time),
            dead: Nat(dead as u64),
        }
    }

    fn letters_of(&self, sink: &str, scope: Option<Scope>) -> impl Iterator<Item = &DeadLetter> {
        let of_sink = self.letters.iter().filter(move |((of, _), _)| of == sink).map(|(_, letter)| letter);
        of_sink.filter(move |letter| scope.is_none_or(|scope| scope == Scope::of(&letter.event)))
    }

    /// A sink's dead letters by position.
    #[must_use]
    pub fn dead_letters(&self, request: &DeadLettersAsk) -> Vec<DeadLetter> {
        let after = self.letters_of(&request.sink, request.scope).filter(|l| l.position > request.after);
        after.take(request.limit as usize).cloned().collect()
    }

    /// Forgets dead letters; how many there were.
    pub fn dead_letters_forget(&mut self, request: &DeadLettersForget) -> u64 {
        let before = self.letters.len();
        for position in &request.positions {
            self.letters.remove(&(request.sink.clone(), position.0));
        }
        (before - self.letters.len()) as u64
    }

    /// Removes the oldest events of a scope, but never the newest of all; how many there were.
    pub fn events_remove(&mut self, request: &EventsRemove) -> u64 {
        let newest = self.positions.last().copied().unwrap_or(0);
        let through = request.through.0.min(newest.saturating_sub(1));
        let oldest = self.waiting(Some(request.scope), 0).map(|waiting| waiting.position.0);
        let gone: Vec<u64> = oldest.take_while(|at| *at <= through).take(request.limit as usize).collect();
        let stays: Vec<bool> = self.positions.iter().map(|at| !gone.contains(at)).collect();
        let mut of_events = stays.iter();
        self.events.retain(|_| of_events.next() == Some(&true));
        self.positions.retain(|at| !gone.contains(at));
        gone.len() as u64
    }

    /// Grants and takes back leases.
    pub fn outbox_lease(&mut self, request: &OutboxLease) -> Vec<LeaseSeen> {
        let mut now = Vec::new();
        for claim in &request.claims {
            let (holder, beat) = self.leases.entry(claim.name.clone()).or_default();
            let seen = holder.map(|holder| LeaseSeen { holder, beat: Nat(*beat) });
            match seen {
                Some(other) if other.holder != request.holder && claim.seen != Some(other) => now.push(other),
                _ => {
                    (*holder, *beat) = (Some(request.holder), *beat + 1);
                    now.push(LeaseSeen { holder: request.holder, beat: Nat(*beat) });
                }
            }
        }
        for name in &request.release {
            if let Some((holder, beat)) = self.leases.get_mut(name)
                && *holder == Some(request.holder)
            {
                (*holder, *beat) = (None, *beat + 1);
            }
        }
        now
    }
}
