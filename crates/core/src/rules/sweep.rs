//! What the sweeper writes down of what time has ended already, and what owners are told before: one event for each.

use crate::changes::{Changes, Row, RowKey, Write};
use crate::event::EventType;
use crate::record::{Membership, Session, Site, Token, User};
use crate::rules::session::trail;
use crate::rules::token::{dead_reason, retire_dead};
use crate::rules::{Context, Draft, notice};

/// Ends dead tokens at home in a site, each given with its owner and home membership, and tells the owners of those
/// that are alive what is due. `sessions` are those that the tokens name, as far as they were read. Empty changes mean
/// that nothing was due.
#[must_use]
pub fn what_is_due(
    cx: &mut Context<'_>,
    site: &Site,
    tokens: &[(&Token, &User, &Membership)],
    sessions: &[Session],
) -> Changes {
    let mut draft = Draft::default();
    for (token, owner, member) in tokens.iter().filter(|(t, ..)| t.site == site.luid && t.ended.is_none()) {
        if let Some(dead) = dead_reason(token, owner, member, site, cx.now) {
            retire_dead(cx, &mut draft, token, sessions, dead);
        } else if let Some((events, told)) = notice::due(cx, token) {
            draft.events.extend(events);
            draft.update(Row::Token(told));
        }
    }
    draft.done(cx)
}

/// Deletes the rows of sessions that are past their natural end. One that nobody ended before gets its event.
#[must_use]
pub fn forget_sessions(cx: &mut Context<'_>, sessions: &[Session]) -> Changes {
    let mut draft = Draft::default();
    let now = cx.now;
    for session in sessions.iter().filter(|s| now >= s.expires_at) {
        if session.ended.is_none() {
            let event = cx.event(EventType::SessionEnded, Some(trail(session))).of_session(session);
            draft.events.push(event.because("expired"));
        }
        draft.write.push(Write::Delete(RowKey::Session(session.id), session.version));
    }
    draft.done(cx)
}
