//! What the owner of a token should be told of its ends, and when: from nothing but when it was minted, used and revoked, and
//! when somebody looked.

use patd_core::event::TokenEnd;
use patd_core::time::{Span, Timestamp};

/// Which end, how many days before, when it was told, and the end that it tells of.
pub(crate) type Told = (TokenEnd, u32, Timestamp, Timestamp);

const UNUSED: Span = Span::days(15);

/// What happened to a token.
pub(crate) struct History {
    pub(crate) minted: Timestamp,
    /// As it was asked for: a year, or less.
    pub(crate) end: Timestamp,
    /// In order; each while it lived.
    pub(crate) uses: Vec<Timestamp>,
    pub(crate) revoked: Option<Timestamp>,
}

impl History {
    fn unused_until(&self) -> Timestamp {
        self.uses.last().copied().unwrap_or(self.minted).plus(UNUSED)
    }

    /// When time ends it, if nobody does anything.
    pub(crate) fn ends(&self) -> (Timestamp, &'static str) {
        let unused = self.unused_until();
        if unused < self.end { (unused, "expired-idle") } else { (self.end, "expired-absolute") }
    }

    pub(crate) fn lives(&self, at: Timestamp) -> bool {
        at < self.ends().0 && self.revoked.is_none_or(|revoked| at < revoked)
    }

    /// What should have been told, by time; `looks` are the times of the sweeps, in order.
    pub(crate) fn told(&self, looks: &[Timestamp]) -> Vec<Told> {
        let gone = self.ends().0.min(self.revoked.unwrap_or(Timestamp(i64::MAX)));
        let mut told = Vec::new();
        notices(TokenEnd::Absolute, [30, 7, 1], (self.minted, gone, self.end), looks, &mut told);
        let begins = std::iter::once(self.minted).chain(self.uses.iter().copied());
        let untils = self.uses.iter().copied().chain(std::iter::once(gone));
        for (begin, until) in begins.zip(untils) {
            let unused = begin.plus(UNUSED);
            // Nobody is told to use a token that ends before all the same.
            if unused < self.end {
                notices(TokenEnd::Idle, [5, 2, 1], (begin, until.min(gone), unused), looks, &mut told);
            }
        }
        in_order(&mut told);
        told
    }
}

/// By time, so that two lists of the same are equal.
pub(crate) fn in_order(told: &mut [Told]) {
    told.sort_by_key(|(which, days, at, end)| (*at, *which == TokenEnd::Idle, *days, *end));
}

/// Notices of one end of a stretch: each at the first look when it is due, if that is before the stretch is over; of several at
/// one look (nobody looked for long) the last.
fn notices(
    which: TokenEnd,
    days: [u32; 3],
    (begin, until, end): (Timestamp, Timestamp, Timestamp),
    looks: &[Timestamp],
    told: &mut Vec<Told>,
) {
    let due = days.map(|days| (days, end.minus(Span::days(i64::from(days)))));
    let seen = due.into_iter().filter(|(_, due)| *due > begin).filter_map(|(days, due)| {
        let look = *looks.get(looks.partition_point(|look| *look < due))?;
        (look < until).then_some((which, days, look, end))
    });
    let seen: Vec<Told> = seen.collect();
    // The later ones of one look have fewer days.
    told.extend(
        seen.iter()
            .enumerate()
            .filter(|(at, one)| seen.get(at + 1).is_none_or(|next| next.2 > one.2))
            .map(|(_, one)| *one),
    );
}
