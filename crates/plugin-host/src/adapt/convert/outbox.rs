//! The outbox on the wire.

use patd_core::time::Timestamp;
use patd_proto::store as contract;
use patd_proto::wire::{Micros, Nat};
use patd_service::ports::{DeadLetter, LeaseClaim, LeaseSeen, OutboxStatus, Outlet, Scope, Waiting};

use super::{Malformed, rows};

pub(in crate::adapt) fn scope_out(scope: Scope) -> contract::Scope {
    scope.site().map_or(contract::Scope::Directory, |site| contract::Scope::Site(site.0))
}

pub(in crate::adapt) fn outlet(of: &Outlet) -> (String, Option<contract::Scope>) {
    (of.sink.clone(), of.scope.map(scope_out))
}

/// A store that knows no scopes would give a sink the events of other sites: that is refused.
pub(in crate::adapt) fn batch(
    batch: contract::OutboxBatch,
    scope: Option<contract::Scope>,
) -> Result<Vec<Waiting>, Malformed> {
    let waiting = batch.events.into_iter().map(|waiting| {
        if scope.is_some_and(|scope| scope != contract::Scope::of(&waiting.event)) {
            return Err(Malformed::new("OUTBOX_TAKE", "scope of an event"));
        }
        Ok(Waiting { position: waiting.position.0, event: rows::event_in(waiting.event)? })
    });
    waiting.collect()
}

pub(in crate::adapt) fn letter_out(letter: DeadLetter) -> contract::DeadLetter {
    contract::DeadLetter {
        position: Nat(letter.position),
        event: rows::event_out(letter.event),
        reason: letter.reason,
        at: Micros(letter.at.0),
    }
}

pub(in crate::adapt) fn letter_in(letter: contract::DeadLetter) -> Result<DeadLetter, Malformed> {
    Ok(DeadLetter {
        position: letter.position.0,
        event: rows::event_in(letter.event)?,
        reason: letter.reason,
        at: Timestamp(letter.at.0),
    })
}

pub(in crate::adapt) fn status(status: contract::OutboxStatus) -> OutboxStatus {
    OutboxStatus {
        through: status.through.0,
        waiting: status.waiting.0,
        oldest: status.oldest.map(|time| Timestamp(time.0)),
        dead: status.dead.0,
    }
}

pub(in crate::adapt) fn claim(claim: LeaseClaim) -> contract::LeaseClaim {
    let seen = claim.seen.map(|seen| contract::LeaseSeen { holder: seen.holder, beat: Nat(seen.beat) });
    contract::LeaseClaim { name: claim.name, seen }
}

pub(in crate::adapt) fn leases(
    reply: contract::OutboxLeases,
    asked: usize,
) -> Result<Vec<LeaseSeen>, Malformed> {
    if reply.leases.len() != asked {
        return Err(Malformed::new("OUTBOX_LEASE", "number of answers"));
    }
    let seen = |lease: contract::LeaseSeen| LeaseSeen { holder: lease.holder, beat: lease.beat.0 };
    Ok(reply.leases.into_iter().map(seen).collect())
}
