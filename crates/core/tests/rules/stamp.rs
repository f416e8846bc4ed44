//! Who is told after a site's `not_before` rose: the owner of each token that died of it, and nobody else.

use patd_core::event::{Actor, Event, EventType};
use patd_core::id::{EventId, UserLuid};
use patd_core::record::{Ended, Token};
use patd_core::rules::revoke::{revoke_all, revoke_before, revoke_token};
use patd_core::rules::stamp::Stamp;
use patd_core::time::{Span, Timestamp};
use uuid::Uuid;

use crate::world::{ACME, ADMIN, GLOBEX, MEMBER, OTHER, World};

/// An admin of acme revokes what was minted before a time; the event of it.
fn revoke(w: &mut World, before: Timestamp) -> Event {
    let admin = w.present(ADMIN, ACME);
    let site = w.site(ACME).expect("a site");
    let changes = w.as_caller(&admin, |_, cx, caller| revoke_before(cx, caller, &site, before));
    w.apply(&changes.expect("may")).expect("nobody raced");
    w.events.last().expect("an event").clone()
}

/// The names of the tokens that died of it.
fn killed(w: &World, event: &Event) -> Vec<String> {
    let site = w.site(ACME).expect("a site");
    let Some(stamp) = Stamp::of(event, &site) else { return Vec::new() };
    let died = |token: &Token| {
        let owner = w.user(token.owner).expect("a person");
        let member = w.membership(token.site, token.owner).expect("a member");
        stamp.killed(token, &owner, &member)
    };
    let mut names: Vec<_> =
        w.tokens().iter().filter(|token| died(token)).map(|t| t.name.as_str().to_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_was_alive_and_minted_between_the_stamps_died_of_it() {
    let mut w = World::new();
    w.token_of(MEMBER, ACME, "unused too long");
    w.wait(Span::days(15));
    w.token_of(MEMBER, ACME, "before the first");
    w.wait(Span(1));
    let first = w.now;
    let told_first = revoke(&mut w, first);
    assert_eq!(killed(&w, &told_first), ["before the first"], "time had ended the other one");
    for name in ["one", "two"] {
        w.token_of(MEMBER, ACME, name);
    }
    w.token_of(OTHER, ACME, "other");
    w.token_of(MEMBER, GLOBEX, "elsewhere");
    let own = w.token_of(OTHER, ACME, "revoked before");
    let present = w.present(OTHER, ACME);
    let changes = w.as_caller(&present, |_, cx, caller| revoke_token(cx, caller, &own, None));
    w.apply(&changes.expect("own")).expect("nobody raced");
    w.wait(Span(1));
    let stamp = w.now;
    w.token_of(MEMBER, ACME, "after");
    let event = revoke(&mut w, stamp);
    assert_eq!(killed(&w, &event), ["one", "other", "two"]);
    assert_eq!(killed(&w, &told_first), ["before the first"], "asked again later, the answer is the same");
    // Nothing rises, so nobody is told again.
    let again = revoke(&mut w, stamp);
    assert_eq!(killed(&w, &again), [""; 0]);
    assert_eq!(killed(&w, &Event { detail: None, ..event.clone() }), [""; 0], "of an earlier release");
}

#[test]
fn a_token_that_is_retired_since_is_told_all_the_same_and_one_that_an_epoch_killed_is_not() {
    let mut w = World::new();
    let old = w.token_of(MEMBER, ACME, "one");
    w.token_of(OTHER, ACME, "other");
    w.wait(Span(1));
    let stamp = w.now;
    let event = revoke(&mut w, stamp);
    // The mint of another token retires the dead one.
    w.wait(Span::minutes(1));
    w.token_of(MEMBER, ACME, "new");
    let retired: Option<Ended> = w.token(old.id).expect("a token").ended;
    assert!(retired.is_some());
    assert_eq!(killed(&w, &event), ["one", "other"]);
    // Who was told of a revocation of all is not told of this one, too.
    let (admin, member) = (w.present(ADMIN, ACME), w.membership(ACME, OTHER).expect("a member"));
    let changes = w.as_caller(&admin, |_, cx, caller| revoke_all(cx, caller, &member));
    w.apply(&changes.expect("may")).expect("nobody raced");
    assert_eq!(killed(&w, &event), ["one"]);
}

#[test]
fn the_notice_is_the_revocations_and_not_for_whoever_revoked() {
    let mut w = World::new();
    w.token_of(MEMBER, ACME, "one");
    w.wait(Span(1));
    let before = w.now;
    let event = revoke(&mut w, before);
    let site = w.site(ACME).expect("a site");
    let stamp = Stamp::of(&event, &site).expect("it rose");
    assert_eq!((stamp.concerns(MEMBER), stamp.concerns(ADMIN)), (true, false));
    let by_nobody = Event { actor: Actor::System, ..event.clone() };
    assert!(Stamp::of(&by_nobody, &site).expect("it rose").concerns(ADMIN));
    let notice = stamp.notice(MEMBER, EventId(Uuid::from_u128(1)));
    assert_eq!(notice.kind, EventType::NoticeTokenRevoked);
    assert_eq!((notice.site, notice.user, notice.token), (Some(ACME), Some(MEMBER), None::<_>));
    assert_eq!((notice.time, &notice.actor, &notice.origin), (event.time, &event.actor, &event.origin));
    assert_eq!(notice.detail.expect("a detail").not_before, Some(before));
    assert!(Stamp::of(&event, &w.site(GLOBEX).expect("a site")).is_none());
    assert!(stamp.concerns(UserLuid(Uuid::nil())));
}
