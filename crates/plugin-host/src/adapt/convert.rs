//! Core's records ↔ the payloads of the store contract. Outward never fails; inward checks every word and length, because a
//! store may hold what an older patd, or a hand, has written.

pub(super) mod changes;
pub(super) mod outbox;
pub(super) mod query;
pub(super) mod rows;

/// Something that the contract does not allow; says where, never what, as it may be a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store answered a {record} with a bad {member}")]
pub(super) struct Malformed {
    record: &'static str,
    member: &'static str,
}

impl Malformed {
    pub(super) fn new(record: &'static str, member: &'static str) -> Self {
        Self { record, member }
    }
}

#[cfg(test)]
mod tests;
