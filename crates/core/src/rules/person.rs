//! What an operator may do to a person: disable and enable, everywhere. Enabling revives nothing.

use crate::changes::{Changes, Row};
use crate::event::EventType;
use crate::record::User;
use crate::rules::{Context, Draft};

/// Disables a person at every site. Empty changes mean that it is so already.
#[must_use]
pub fn disable_person(cx: &mut Context<'_>, user: &User) -> Changes {
    let mut draft = Draft::default();
    if !user.disabled {
        draft.events.push(cx.event(EventType::UserDisabled, None).of_user(user.luid));
        let access_epoch = user.access_epoch.next();
        draft.update(Row::User(User { disabled: true, access_epoch, ..user.clone() }));
    }
    draft.done(cx)
}

/// Lets a disabled person sign in again. Empty changes mean that it is so already.
#[must_use]
pub fn enable_person(cx: &mut Context<'_>, user: &User) -> Changes {
    let mut draft = Draft::default();
    if user.disabled {
        draft.events.push(cx.event(EventType::UserEnabled, None).of_user(user.luid));
        draft.update(Row::User(User { disabled: false, ..user.clone() }));
    }
    draft.done(cx)
}
