//! R4: two clocks. The moment of an end is already too late.

use patd_core::event::{EndReason, EventType};
use patd_core::record::{MAX_IDLE, MAX_TOKEN_LIFETIME};
use patd_core::refusal::Refusal;
use patd_core::rules::session::natural_end;
use patd_core::rules::sweep::{forget_sessions, what_is_due};
use patd_core::time::{Span, Timestamp};

use crate::world::{ACME, ADMIN, GLOBEX, MEMBER, World};

const INSTANT: Span = Span(1);

#[test]
fn r4_an_unused_token_dies_fifteen_days_after_minting_to_the_microsecond() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    w.now = token.created_at.plus(MAX_IDLE).minus(INSTANT);
    assert!(w.ask_sign_in(token.id, ACME).is_ok());
    w.wait(INSTANT);
    let refused = w.ask_sign_in(token.id, ACME).expect_err("dead");
    assert_eq!(refused, Refusal::TokenExpiredIdle { ended_at: w.now });
}

#[test]
fn r4_each_sign_in_restarts_the_idle_clock_and_none_the_absolute_one() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    for _ in 0..26 {
        w.wait(Span::days(14));
        w.sign_in(token.id, GLOBEX).expect("used in time");
    }
    w.now = token.created_at.plus(MAX_TOKEN_LIFETIME).minus(INSTANT);
    let last = w.sign_in(token.id, ACME).expect("the last instant").session;
    assert_eq!(last.expires_at, token.expires_at, "no session outlives its token");
    w.wait(INSTANT);
    assert_eq!(
        w.ask_sign_in(token.id, ACME).expect_err("dead"),
        Refusal::TokenExpiredAbsolute { ended_at: token.expires_at }
    );
    assert_eq!(w.state(last.id), Err(Refusal::SessionExpired { ended_at: token.expires_at }));
}

#[test]
fn r4_a_refused_sign_in_is_no_use_and_moves_no_clock() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    w.set_policy(GLOBEX, |p| p.foreign_tokens = false);
    w.wait(Span::days(14));
    assert_eq!(w.sign_in(token.id, GLOBEX).expect_err("foreign"), Refusal::ForeignTokenRefused);
    w.wait(Span::days(1));
    assert!(matches!(w.sign_in(token.id, ACME), Err(Refusal::TokenExpiredIdle { .. })));
}

#[test]
fn r4_a_policy_shortens_the_idle_clock_and_never_lengthens_it() {
    let mut w = World::new();
    w.set_policy(ACME, |p| p.idle_limit = Span::days(300));
    let token = w.token_of(MEMBER, ACME, "ci");
    assert_eq!(token.idle_limit, MAX_IDLE);
    w.set_policy(ACME, |p| p.idle_limit = Span::days(2));
    w.wait(Span::days(1));
    w.sign_in(token.id, ACME).expect("within two days");
    // What was in force at the last sign-in stays in force until the next one.
    w.set_policy(ACME, |p| p.idle_limit = Span::days(15));
    w.wait(Span::days(2).minus_one());
    let used = w.ask_sign_in(token.id, ACME).expect("within two days");
    assert_eq!(used.token.expect("a token").idle_limit, Span::days(15));
    w.wait(INSTANT);
    assert!(matches!(w.ask_sign_in(token.id, ACME), Err(Refusal::TokenExpiredIdle { .. })));
}

#[test]
fn r4_a_policy_of_a_year_and_more_mints_no_longer_than_a_year() {
    let mut w = World::new();
    w.set_policy(ACME, |p| p.max_lifetime = Span::days(10_000));
    let token = w.token_of(MEMBER, ACME, "ci");
    assert_eq!(token.expires_at, token.created_at.plus(MAX_TOKEN_LIFETIME));
    let session = w.present(MEMBER, ACME);
    assert!(w.ask_mint(&session, "long", Some(366)).is_err());
}

#[test]
fn r4_of_two_clocks_that_are_both_past_the_first_one_is_named() {
    let mut w = World::new();
    let session = w.present(MEMBER, ACME);
    let short = w.ask_mint(&session, "short", Some(3)).expect("mints");
    w.apply(&short.changes).expect("nobody raced");
    let long = w.mint(&session, "long").expect("mints");
    w.wait(Span::days(400));
    let ended_at = short.token.created_at.plus(Span::days(3));
    assert_eq!(
        w.ask_sign_in(short.token.id, ACME).expect_err("dead"),
        Refusal::TokenExpiredAbsolute { ended_at }
    );
    let ended_at = long.created_at.plus(MAX_IDLE);
    assert_eq!(w.ask_sign_in(long.id, ACME).expect_err("dead"), Refusal::TokenExpiredIdle { ended_at });
}

#[test]
fn r4_a_session_ends_at_the_earliest_of_its_own_and_its_tokens_ends() {
    let now = Timestamp(1_000);
    assert_eq!(natural_end(now, Span(50), None), Timestamp(1_050));
    assert_eq!(natural_end(now, Span(50), Some(Timestamp(1_049))), Timestamp(1_049));
    assert_eq!(natural_end(now, Span(50), Some(Timestamp(1_051))), Timestamp(1_050));
    assert_eq!(natural_end(Timestamp(i64::MAX), Span(50), None), Timestamp(i64::MAX));

    let mut w = World::new();
    w.set_policy(ACME, |p| (p.session_lifetime, p.idle_limit) = (Span::days(40), Span::days(3)));
    let token = w.token_of(MEMBER, ACME, "ci");
    let session = w.sign_in(token.id, ACME).expect("signs in").session;
    assert_eq!(session.expires_at, w.now.plus(Span::days(3)));
    w.now = session.expires_at.minus(INSTANT);
    assert_eq!(w.state(session.id), Ok(()));
    w.wait(INSTANT);
    assert_eq!(w.state(session.id), Err(Refusal::SessionExpired { ended_at: session.expires_at }));
}

#[test]
fn the_sweeper_ends_what_time_has_ended_once_and_forgets_sessions_that_are_over() {
    let mut w = World::new();
    let dead = w.token_of(MEMBER, ACME, "dead");
    w.wait(Span::days(10));
    let live = w.token_of(MEMBER, ACME, "live");
    let session = w.sign_in(live.id, ACME).expect("signs in").session;
    w.wait(Span::days(5));
    let at = w.events.len();
    let sweep = |w: &mut World| {
        let changes = w.ask(ADMIN, |w, cx| {
            let (user, member) = (w.user(MEMBER).expect("known"), w.membership(ACME, MEMBER).expect("known"));
            let tokens = w.tokens();
            let all: Vec<_> = tokens.iter().map(|t| (t, &user, &member)).collect();
            what_is_due(cx, &w.site(ACME).expect("a site"), &all, &w.sessions())
        });
        w.apply(&changes).expect("nobody raced");
        changes.is_empty()
    };
    assert!(!sweep(&mut w));
    assert!(sweep(&mut w), "nothing is left to end");
    assert_eq!(w.token(dead.id).expect("kept").ended.map(|e| e.reason), Some(EndReason::ExpiredIdle));
    assert!(w.ask_sign_in(live.id, ACME).is_ok());
    let changes = w.ask(ADMIN, |w, cx| forget_sessions(cx, &w.sessions()));
    w.apply(&changes).expect("nobody raced");
    assert_eq!(w.session(session.id), None);
    assert_eq!(w.sign_in(live.id, ACME).expect("signs in").superseded, None);
    // Two interactive sessions and one of the token had run out.
    let kinds = w.kinds_since(at);
    assert_eq!(kinds.iter().filter(|k| **k == EventType::TokenExpired).count(), 1);
    assert_eq!(kinds.iter().filter(|k| **k == EventType::SessionEnded).count(), 3);
}

trait MinusOne {
    fn minus_one(self) -> Self;
}

impl MinusOne for Span {
    fn minus_one(self) -> Self {
        Self(self.0 - 1)
    }
}
