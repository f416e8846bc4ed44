//! Sins of a store against the outbox.

use patd_proto::store::{
    DeadLetters, DeadLettersAsk, DeadLettersForget, DeadLettersForgotten, Empty, EventsRemove, EventsRemoved,
    OutboxAck, OutboxAsk, OutboxBatch, OutboxLease, OutboxLeases, OutboxTake, SCHEMA, op,
};
use patd_proto::wire::Nat;
use patd_sdk::Failure;

use crate::journal::Line;
use crate::sin::Sin;
use crate::store::{FaultyStore, Open, read, write};

impl FaultyStore {
    pub(crate) fn outbox(&self, open: &mut Open, op: u32, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let sin = self.config.now();
        match op {
            op::OUTBOX_TAKE => {
                let mut request: OutboxTake = read(payload)?;
                if sin == Sin::OneCursor {
                    request.scope = None;
                }
                let mut events = open.memory.outbox_take(&request);
                if sin == Sin::UnorderedOutbox {
                    events.reverse();
                }
                write(&OutboxBatch { schema: SCHEMA, events })
            }
            op::OUTBOX_ACK => {
                let mut request: OutboxAck = read(payload)?;
                match sin {
                    Sin::ForgetsCursor => return write(&Empty { schema: SCHEMA }),
                    Sin::OneCursor => request.scope = None,
                    Sin::LosesDeadLetters => request.dead.clear(),
                    _ => {}
                }
                open.memory.outbox_ack(&request);
                self.keep(open, &Line::Cursor(request))?;
                write(&Empty { schema: SCHEMA })
            }
            op::OUTBOX_STATUS => {
                let request: OutboxAsk = read(payload)?;
                let mut status = open.memory.outbox_status(&request);
                if sin == Sin::Miscounts {
                    status.waiting = Nat(open.memory.events().len() as u64);
                }
                write(&status)
            }
            op::DEAD_LETTERS => {
                let request: DeadLettersAsk = read(payload)?;
                write(&DeadLetters { schema: SCHEMA, letters: open.memory.dead_letters(&request) })
            }
            op::DEAD_LETTERS_FORGET => {
                let request: DeadLettersForget = read(payload)?;
                let forgotten = Nat(open.memory.dead_letters_forget(&request));
                self.keep(open, &Line::Forget(request))?;
                write(&DeadLettersForgotten { schema: SCHEMA, forgotten })
            }
            op::OUTBOX_LEASE => {
                let mut request: OutboxLease = read(payload)?;
                if sin == Sin::LeasesTwice {
                    // As if the other had not renewed it for long.
                    let seen = open.memory.outbox_lease(&request);
                    for (claim, seen) in request.claims.iter_mut().zip(seen) {
                        claim.seen = Some(seen);
                    }
                }
                let leases = open.memory.outbox_lease(&request);
                self.keep(open, &Line::Lease(request))?;
                write(&OutboxLeases { schema: SCHEMA, leases })
            }
            op::EVENTS_REMOVE => {
                let mut request: EventsRemove = read(payload)?;
                if sin == Sin::RemovesTooMuch {
                    request.through = Nat(u64::MAX);
                }
                let removed = Nat(open.memory.events_remove(&request));
                self.keep(open, &Line::Remove(request))?;
                write(&EventsRemoved { schema: SCHEMA, removed })
            }
            other => Err(Failure::unsupported(other)),
        }
    }
}
