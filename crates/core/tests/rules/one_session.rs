//! R3: one token, one session.

use patd_core::changes::Conflict;
use patd_core::event::EventType;
use patd_core::refusal::Refusal;
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
