//! What the rise of a site's `not_before` did, looked at afterwards: which tokens died of it, and what their owners are told.
//!
//! Revokes nothing: the tokens are dead by the site's row. Never tells the owner of a token that had died before.

use crate::event::{Actor, Detail, EndReason, Event, EventType};
use crate::id::{EventId, UserLuid};
use crate::record::{Membership, Site, Token, User};
use crate::rules::token::dead_reason;
use crate::time::Timestamp;

/// A `not_before` that rose.
#[derive(Clone, Debug)]
pub struct Stamp<'a> {
    event: &'a Event,
    /// From now on.
    now: Timestamp,
    /// The site with the one of before.
    before: Site,
}

impl<'a> Stamp<'a> {
    /// Of the event that tells of it, and the site's row. `None` for another event, for one that raised nothing and for one
    /// of an earlier release, which does not say from where the stamp rose.
    #[must_use]
    pub fn of(event: &'a Event, site: &Site) -> Option<Self> {
        let detail = event.detail.as_deref()?;
        let (now, was) = (detail.not_before?, detail.not_before_was?);
        let rose = event.kind == EventType::SiteRevokedBefore && event.site == Some(site.luid) && was < now;
        rose.then(|| Self { event, now, before: Site { not_before: was, ..site.clone() } })
    }

    /// When it rose.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.event.time
    }

    /// The tokens that it may have killed were minted in this time.
    #[must_use]
    pub fn minted(&self) -> std::ops::Range<Timestamp> {
        self.before.not_before..self.now
    }

    /// Whether this owner has to be told when a token died: not who raised the stamp.
    #[must_use]
    pub fn concerns(&self, owner: UserLuid) -> bool {
        !matches!(self.event.actor, Actor::User { luid, .. } if luid == owner)
    }

    /// Whether a token was alive until then. One that is retired since, as revoked, had died of the stamp; where an epoch
    /// has risen, before or since, its owner is told of that or is out.
    #[must_use]
    pub fn killed(&self, token: &Token, owner: &User, home: &Membership) -> bool {
        let retired_since = |at, reason| at >= self.at() && reason == EndReason::Revoked;
        token.site == self.before.luid
            && self.minted().contains(&token.created_at)
            && token.ended.is_none_or(|ended| retired_since(ended.at, ended.reason))
            && dead_reason(token, owner, home, &self.before, self.at()).is_none()
    }

    /// The notice to an owner, one for all tokens; its time, actor and origin are those of the revocation.
    #[must_use]
    pub fn notice(&self, owner: UserLuid, id: EventId) -> Event {
        let of = self.event;
        let notice = Event {
            actor: of.actor.clone(),
            origin: of.origin.clone(),
            ..Event::new(id, of.time, EventType::NoticeTokenRevoked, of.site)
        };
        notice.of_user(owner).with(Detail { not_before: Some(self.now), ..Detail::default() })
    }
}
