//! The rules: one module per decision, each a pure function of what was read that answers with
//! [`Changes`](crate::changes::Changes) or a [`Refusal`].
//!
//! A rule never reads a clock, never invents an id and never trusts a caller's word for what a row says. Every
//! change carries its audit event (R7). On a conflict the caller reads again and asks the rule again.

pub mod invite;
pub mod member;
pub mod mint;
pub mod notice;
pub mod password;
pub mod person;
pub mod profile;
pub mod redeem;
pub mod revoke;
pub mod session;
pub mod sign_in;
pub mod site;
pub mod stamp;
pub mod sweep;
pub mod switch;
pub mod token;
pub mod totp;

use crate::changes::{Changes, Expect, Row, Write};
use crate::event::{Actor, Detail, Event, EventType, Origin};
use crate::id::{EventId, SessionId, SiteLuid, TokenId, UserLuid};
use crate::record::{MemberState, Membership, Session, SessionKind, Site, SiteState, User};
use crate::refusal::Refusal;
use crate::secret::FastDigest;
use crate::time::Timestamp;

/// When, by whom and from where a change is asked for, and fresh ids for its events.
pub struct Context<'a> {
    /// The time of the request.
    pub now: Timestamp,
    /// Who asks, for the events.
    pub actor: Actor,
    /// From where, for the events.
    pub origin: Origin,
    /// A fresh, time-ordered id at every call.
    pub event_id: &'a mut dyn FnMut() -> EventId,
}

impl Context<'_> {
    fn event(&mut self, kind: EventType, site: Option<SiteLuid>) -> Event {
        Event {
            actor: self.actor.clone(),
            origin: self.origin.clone(),
            ..Event::new((self.event_id)(), self.now, kind, site)
        }
    }
}

impl Event {
    fn of_user(mut self, user: UserLuid) -> Self {
        self.user = Some(user);
        self
    }

    fn of_token(mut self, token: TokenId) -> Self {
        self.token = Some(token);
        self
    }

    fn of_session(mut self, session: &Session) -> Self {
        self.session = Some(session.id);
        self.token = session.token.map(|token| token.id);
        self.user = Some(session.user);
        self
    }

    fn with(mut self, detail: Detail) -> Self {
        self.detail = Some(Box::new(detail));
        self
    }

    fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}

/// Collects a change.
#[derive(Default)]
struct Draft {
    expect: Vec<Expect>,
    write: Vec<Write>,
    events: Vec<Event>,
}

impl Draft {
    fn insert(&mut self, row: Row) {
        self.write.push(Write::Insert(row));
    }

    fn update(&mut self, row: Row) {
        self.write.push(Write::Update(row));
    }

    fn done(self, cx: &mut Context<'_>) -> Changes {
        let id = self.events.first().map_or_else(|| (cx.event_id)(), |event| event.id);
        Changes { id: id.0, expect: self.expect, write: self.write, events: self.events }
    }
}

impl Changes {
    /// Whether there is nothing to apply: what was asked for holds already.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.write.is_empty()
    }
}

/// A signed-in person with what the request's session says and what the directory says now.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The session, judged live by [`session::session_state`].
    pub session: &'a Session,
    /// Its person.
    pub user: &'a User,
    /// The person's membership in the session's site.
    pub member: &'a Membership,
}

impl Caller<'_> {
    /// Closes the gap between judging the session and reading the rows that this change is decided on.
    fn consistent(&self) -> Result<(), Refusal> {
        let s = self.session;
        let same_people =
            s.user == self.user.luid && self.member.user == s.user && self.member.site == s.site;
        let same_epochs = s.epochs.person == self.user.access_epoch
            && s.epochs.member == self.member.access_epoch
            && (s.kind == SessionKind::Token || s.epochs.credential == self.user.credential_epoch);
        if same_people && same_epochs && s.ended.is_none() && may_sign_in(self.user, self.member) {
            Ok(())
        } else {
            Err(Refusal::SessionRevoked { ended_at: s.ended.map(|e| e.at) })
        }
    }

    /// The caller is present in person.
    fn interactive(&self) -> Result<(), Refusal> {
        self.consistent()?;
        if self.session.kind == SessionKind::Interactive { Ok(()) } else { Err(Refusal::InteractiveRequired) }
    }

    /// The caller acts in this site.
    fn at(&self, site: SiteLuid) -> Result<(), Refusal> {
        self.consistent()?;
        if self.session.site == site { Ok(()) } else { Err(Refusal::NotFound) }
    }

    /// The caller acts in this site as its admin.
    fn admin_of(&self, site: SiteLuid) -> Result<(), Refusal> {
        self.at(site)?;
        if self.member.role.is_admin() { Ok(()) } else { Err(Refusal::NotPermitted) }
    }
}

/// Who asks for what an operator may do as well as a site admin.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// A signed-in person.
    Caller(Caller<'a>),
    /// Whoever runs the daemon.
    Operator,
}

impl By<'_> {
    fn admin_of(&self, site: SiteLuid) -> Result<(), Refusal> {
        match self {
            Self::Caller(caller) => caller.admin_of(site),
            Self::Operator => Ok(()),
        }
    }
}

/// A site, and somebody's membership in it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The site.
    pub site: &'a Site,
    /// The membership.
    pub member: &'a Membership,
}

impl Place<'_> {
    /// Whether the person may sign in here at all.
    fn open_to(&self, user: &User) -> bool {
        self.site.state == SiteState::Active
            && self.member.site == self.site.luid
            && self.member.user == user.luid
            && may_sign_in(user, self.member)
    }
}

/// What the caller invents for a new session.
#[derive(Clone, Copy, Debug)]
pub struct NewSession {
    /// A fresh id.
    pub id: SessionId,
    /// Digest of a fresh secret.
    pub digest: FastDigest,
}

/// Whether this person may sign in by this membership in any way.
#[must_use]
pub fn may_sign_in(user: &User, member: &Membership) -> bool {
    !user.disabled && member.state == MemberState::Active && member.role != crate::name::SiteRole::Unlicensed
}
