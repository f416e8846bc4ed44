//! R3: one token, one session.

use patd_core::changes::{Conflict, Row};
use patd_core::event::{EndReason, EventType};
use patd_core::id::SiteLuid;
use patd_core::refusal::Refusal;
use patd_core::rules::session::sign_out;
use patd_core::time::Span;

use crate::world::{ACME, GLOBEX, MEMBER, World};

#[test]
fn r3_a_second_sign_in_at_another_site_ends_the_first_session_and_says_so() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let first = w.sign_in(token.id, ACME).expect("signs in");
    assert_eq!(first.superseded, None);
    w.wait(Span::minutes(1));
    let at = w.events.len();
    let second = w.sign_in(token.id, GLOBEX).expect("signs in");
    assert_eq!(second.superseded, Some((first.session.id, w.now)));
    assert_eq!(
        w.state(first.session.id),
        Err(Refusal::SessionSuperseded { ended_at: w.now, successor: Some(second.session.id) })
    );
    assert_eq!(w.state(second.session.id), Ok(()));
    assert_eq!(w.live_sessions_of(token.id), 1);
    assert_eq!(w.kinds_since(at), [EventType::SessionOpened, EventType::SessionSuperseded]);
}

#[test]
fn r3_of_two_sign_ins_that_read_the_same_row_only_one_is_applied() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let one = w.ask_sign_in(token.id, ACME).expect("may sign in");
    let two = w.ask_sign_in(token.id, GLOBEX).expect("may sign in");
    assert_eq!(w.apply(&one.changes), Ok(()));
    assert!(matches!(w.apply(&two.changes), Err(Conflict::Row(..))));
    assert_eq!(w.apply(&one.changes), Ok(()), "a replay is the same success");
    assert_eq!(w.live_sessions_of(token.id), 1);
}

#[test]
fn r3_a_refused_sign_in_ends_nothing() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let session = w.sign_in(token.id, ACME).expect("signs in").session;
    w.set_policy(GLOBEX, |p| p.foreign_tokens = false);
    assert_eq!(w.sign_in(token.id, GLOBEX).expect_err("foreign"), Refusal::ForeignTokenRefused);
    assert_eq!(w.state(session.id), Ok(()));
}

#[test]
fn r3_two_tokens_of_one_person_have_a_session_each() {
    let mut w = World::new();
    let (a, b) = (w.token_of(MEMBER, ACME, "a"), w.token_of(MEMBER, ACME, "b"));
    let first = w.sign_in(a.id, ACME).expect("signs in").session;
    let second = w.sign_in(b.id, ACME).expect("signs in").session;
    assert_eq!((w.state(first.id), w.state(second.id)), (Ok(()), Ok(())));
}

#[test]
fn r3_a_sign_out_that_races_a_sign_in_cannot_end_the_new_session() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let old = w.sign_in(token.id, ACME).expect("signs in").session;
    let leaving = w.ask(MEMBER, |w, cx| sign_out(cx, &old, w.token(token.id).as_ref())).expect("may");
    let new = w.sign_in(token.id, GLOBEX).expect("signs in").session;
    assert!(matches!(w.apply(&leaving), Err(Conflict::Row(..))));
    assert_eq!((w.state(new.id), w.live_sessions_of(token.id)), (Ok(()), 1));
}

#[test]
fn r3_a_session_that_ran_out_or_was_killed_is_not_called_superseded_and_does_not_stand_in_the_way() {
    for (dies, name, reason) in [
        ((|w| w.wait(Span::minutes(121))) as fn(&mut World), "session-expired", EndReason::Expired),
        (|w| w.set_policy(GLOBEX, |p| p.foreign_tokens = false), "session-revoked", EndReason::Revoked),
        (|w| revoked_membership(w, GLOBEX), "session-revoked", EndReason::Revoked),
    ] {
        let mut w = World::new();
        let token = w.token_of(MEMBER, ACME, "ci");
        let old = w.sign_in(token.id, GLOBEX).expect("signs in").session;
        dies(&mut w);
        let at = w.events.len();
        let signed = w.sign_in(token.id, ACME).expect("signs in");
        assert_eq!(signed.superseded, None, "{name}");
        let ended = w.session(old.id).expect("kept").ended.expect("written down");
        assert_eq!((ended.reason, ended.successor), (reason, None));
        assert_eq!(ended.at, if name == "session-expired" { old.expires_at } else { w.now });
        assert_eq!(w.state(old.id).expect_err("dead").name(), name);
        assert_eq!(w.state(signed.session.id), Ok(()));
        assert_eq!(w.kinds_since(at), [EventType::SessionOpened, EventType::SessionEnded]);
    }
}

/// Removed and invited again: the epoch has risen, the person is a member.
fn revoked_membership(w: &mut World, site: SiteLuid) {
    let mut member = w.membership(site, MEMBER).expect("a member");
    member.access_epoch = member.access_epoch.next();
    w.put(Row::Membership(member));
}
