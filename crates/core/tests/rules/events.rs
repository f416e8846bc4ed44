//! R7: no change without its event; and what events must not tell (R8).

use patd_core::event::{Event, EventType};
use patd_core::id::EventId;
use patd_core::refusal::Refusal;
use patd_core::rules::revoke::revoke_token;
use patd_core::rules::session::sign_out;
use patd_core::rules::sign_in::relayed;

use crate::world::{ACME, ADMIN, GLOBEX, MEMBER, World};

fn shows(event: &Event, id: impl ToString) -> bool {
    format!("{event:?}").contains(&id.to_string())
}

#[test]
fn r8_no_event_of_a_foreign_session_names_the_visited_site_to_the_home_sites_admins() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let at = w.events.len();
    let old = w.sign_in(token.id, GLOBEX).expect("signs in").session;
    w.sign_in(token.id, GLOBEX).expect("signs in");
    let last = w.sign_in(token.id, GLOBEX).expect("signs in").session;
    let changes = w.ask(MEMBER, |w, cx| sign_out(cx, &last, w.token(token.id).as_ref())).expect("may");
    w.apply(&changes).expect("nobody raced");
    let events = &w.events[at..];
    assert_eq!(events.len(), 6);
    for event in events {
        assert_eq!((event.site, event.token, event.user), (Some(ACME), Some(token.id), Some(MEMBER)));
        assert!(!shows(event, GLOBEX));
        let copy = relayed(event, GLOBEX, EventId(uuid::Uuid::from_u128(1)));
        assert_eq!((copy.site, copy.session, copy.kind), (Some(GLOBEX), event.session, event.kind));
        assert!(!shows(&copy, ACME) && !shows(&copy, token.id));
    }
    assert_eq!(events[0].session, Some(old.id));
}

#[test]
fn r8_the_visited_site_is_not_told_which_admin_at_home_ended_a_visit() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    w.sign_in(token.id, GLOBEX).expect("signs in");
    let (admin, token) = (w.present(ADMIN, ACME), w.token(token.id).expect("a token"));
    let changes = w
        .as_caller(&admin, |w, cx, caller| {
            revoke_token(cx, caller, &token, token.session.and_then(|s| w.session(s)).as_ref())
        })
        .expect("an admin may");
    let ended = changes.events.iter().find(|e| e.kind == EventType::SessionEnded).expect("it ends");
    assert!(shows(ended, ADMIN));
    let copy = relayed(ended, GLOBEX, EventId(uuid::Uuid::from_u128(1)));
    assert!(!shows(&copy, ADMIN) && !shows(&copy, ACME) && !shows(&copy, &ended.origin.address));
}

#[test]
fn a_session_signs_out_once_and_its_token_is_free_of_it() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let session = w.sign_in(token.id, ACME).expect("signs in").session;
    let changes = w.ask(MEMBER, |w, cx| sign_out(cx, &session, w.token(token.id).as_ref())).expect("may");
    assert_eq!(changes.events.iter().map(|e| e.kind).collect::<Vec<_>>(), [EventType::SessionSignedOut]);
    w.apply(&changes).expect("nobody raced");
    assert_eq!(w.state(session.id), Err(Refusal::SessionSignedOut { ended_at: w.now }));
    assert_eq!(w.token(token.id).expect("a token").session, None);
    let again = w.session(session.id).expect("kept");
    let refused = w.ask(MEMBER, |_, cx| sign_out(cx, &again, None));
    assert_eq!(refused, Err(Refusal::SessionSignedOut { ended_at: w.now }));
    assert_eq!(w.sign_in(token.id, ACME).expect("signs in").superseded, None);
}

#[test]
fn r7_every_change_has_an_event_of_its_own_and_the_first_ones_id() {
    // `World::apply` refuses a change without an event; here: the ids.
    let mut w = World::new();
    let token = w.token_of(ADMIN, ACME, "ci");
    for at in [ACME, GLOBEX, ACME] {
        let signed = w.sign_in(token.id, at).expect("signs in");
        assert_eq!(signed.changes.id, signed.changes.events[0].id.0);
    }
    let mut ids: Vec<_> = w.events.iter().map(|e| e.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), w.events.len());
}

#[test]
fn no_refusal_and_no_debug_shows_a_digest() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let signed = w.sign_in(token.id, ACME).expect("signs in");
    let shown = format!("{signed:?}");
    assert!(!shown.contains("$x$") && !shown.contains("[7, 7"));
}
