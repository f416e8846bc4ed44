//! R1: own tokens only. And what a mint is refused for.

use patd_core::changes::{Conflict, Expect, Row, Write};
use patd_core::event::{EndReason, EventType};
use patd_core::id::TokenId;
use patd_core::name::TokenName;
use patd_core::record::SessionKind;
use patd_core::refusal::Refusal;
use patd_core::rules::member::{MemberChange, change_member};
use patd_core::rules::mint::{Mint, mint};
use patd_core::rules::password::Code;
use patd_core::rules::{Caller, Context};
use patd_core::secret::PhcDigest;
use patd_core::time::Span;

use crate::world::{ACME, ADMIN, GLOBEX, MEMBER, OTHER, World};

fn ask(w: &mut World) -> Mint {
    let name = TokenName::parse("x").expect("a name");
    Mint { id: TokenId(w.fresh()), name, digest: PhcDigest("$x$2".into()), lifetime_days: None }
}

#[test]
fn r1_only_an_interactive_session_mints() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let by_token = w.sign_in(token.id, ACME).expect("signs in").session;
    let by_password = w.password(MEMBER, ACME, false, Code::Missing).expect("signs in");
    for session in [by_token, by_password] {
        assert_eq!(w.mint(&session, "more").expect_err("no mint"), Refusal::InteractiveRequired);
    }
    let admin = w.token_of(ADMIN, ACME, "ci");
    let admin = w.sign_in(admin.id, ACME).expect("signs in").session;
    assert_eq!(w.mint(&admin, "more").expect_err("no mint"), Refusal::InteractiveRequired);
}

#[test]
fn r1_the_owner_is_the_person_of_the_session_and_nobody_else_can_be_named() {
    let mut w = World::new();
    let session = w.present(ADMIN, ACME);
    assert_eq!(w.mint(&session, "mine").expect("mints").owner, ADMIN);
    // A caller put together from somebody else's rows is no caller.
    let ask = ask(&mut w);
    let refused = w.ask(ADMIN, |w, cx: &mut Context<'_>| {
        let (user, member) = (w.user(OTHER).expect("known"), w.membership(ACME, OTHER).expect("a member"));
        let caller = Caller { session: &session, user: &user, member: &member };
        mint(cx, caller, &w.site(ACME).expect("a site"), &[], &[], ask)
    });
    assert_eq!(refused.expect_err("no mint"), Refusal::SessionRevoked { ended_at: None });
}

#[test]
fn r1_a_session_of_one_site_mints_nothing_in_another() {
    let mut w = World::new();
    let session = w.present(MEMBER, ACME);
    let ask = ask(&mut w);
    let refused = w.as_caller(&session, |w, cx, caller| {
        mint(cx, caller, &w.site(GLOBEX).expect("a site"), &[], &[], ask)
    });
    assert_eq!(refused.expect_err("no mint"), Refusal::NotFound);
}

#[test]
fn r1_no_rule_changes_the_kind_of_a_session() {
    let mut w = World::new();
    let before = w.password(MEMBER, ACME, false, Code::Missing).expect("signs in");
    let after = crate::switching::switch(&mut w, &before, GLOBEX).expect("switches").session;
    assert_eq!(after.kind, SessionKind::Password);
    assert_eq!(w.mint(&after, "more").expect_err("no mint"), Refusal::InteractiveRequired);
}

#[test]
fn r1_a_disable_that_lands_between_judging_the_session_and_minting_wins() {
    let mut w = World::new();
    let session = w.present(MEMBER, ACME);
    // Decided before, applied after: the token is born dead.
    let minted = w.ask_mint(&session, "late", None).expect("still a member");
    let admin = w.present(ADMIN, ACME);
    for disabled in [true, false] {
        let member = w.membership(ACME, MEMBER).expect("a member");
        let ask = MemberChange { disabled: Some(disabled), role: None };
        let changes = w.as_caller(&admin, |_, cx, caller| change_member(cx, caller, &member, ask));
        w.apply(&changes.expect("an admin may")).expect("nobody raced");
    }
    w.apply(&minted.changes).expect("another store, no conflict");
    assert_eq!(w.sign_in(minted.token.id, ACME).expect_err("dead"), Refusal::TokenRevoked { ended_at: None });
    assert_eq!(w.mint(&session, "later").expect_err("dead"), Refusal::SessionRevoked { ended_at: None });
}

#[test]
fn a_taken_name_is_refused_by_the_rule_and_by_the_store() {
    let mut w = World::new();
    let session = w.present(MEMBER, ACME);
    let racing = w.ask_mint(&session, "ci", None).expect("free");
    w.mint(&session, "ci").expect("mints");
    assert_eq!(w.mint(&session, "ci").expect_err("taken"), Refusal::TokenNameTaken);
    assert!(matches!(w.apply(&racing.changes), Err(Conflict::TokenNameTaken(_))));
    w.mint(&session, "CI").expect("names are compared exactly");
    w.token_of(OTHER, ACME, "ci");
    w.token_of(MEMBER, GLOBEX, "ci");
}

#[test]
fn the_limit_refuses_and_evicts_nothing() {
    let mut w = World::new();
    w.set_policy(ACME, |p| p.tokens_per_user = 2);
    let session = w.present(MEMBER, ACME);
    let racing = w.ask_mint(&session, "racing", None).expect("room");
    assert_eq!(
        racing.changes.expect,
        [Expect::LiveTokensAtMost { site: ACME, owner: MEMBER, max: 1, besides: vec![] }]
    );
    let one = w.mint(&session, "one").expect("room");
    w.mint(&session, "two").expect("room");
    assert_eq!(w.mint(&session, "three").expect_err("full"), Refusal::TokenLimitReached { limit: 2 });
    assert_eq!(w.apply(&racing.changes), Err(Conflict::TooManyTokens));
    assert!(w.sign_in(one.id, ACME).is_ok());
    w.set_policy(ACME, |p| p.tokens_per_user = 0);
    assert_eq!(w.mint(&session, "three").expect_err("full"), Refusal::TokenLimitReached { limit: 0 });
}

#[test]
fn a_mint_retires_the_owners_dead_tokens_so_that_they_block_neither_name_nor_limit() {
    let mut w = World::new();
    w.set_policy(ACME, |p| p.tokens_per_user = 1);
    let old = w.token_of(MEMBER, ACME, "ci");
    w.wait(Span::days(15));
    let at = w.events.len();
    let session = w.present(MEMBER, ACME);
    let minted = w.ask_mint(&session, "ci", None).expect("the old one is dead");
    assert_eq!(minted.changes.id, minted.changes.events[0].id.0, "the mint's own event is the change's id");
    w.apply(&minted.changes).expect("nobody raced");
    let ended = w.token(old.id).expect("kept").ended.expect("ended");
    assert_eq!((ended.reason, ended.at), (EndReason::ExpiredIdle, old.created_at.plus(Span::days(15))));
    assert_eq!(
        w.kinds_since(at),
        [
            EventType::SessionOpened,
            EventType::TokenMinted,
            EventType::TokenExpired,
            EventType::NoticeTokenMinted
        ]
    );
}

#[test]
fn a_token_that_a_shorter_policy_killed_takes_its_session_along_when_it_is_retired() {
    let mut w = World::new();
    w.set_policy(ACME, |p| p.session_lifetime = Span::days(10));
    let token = w.token_of(MEMBER, ACME, "ci");
    let session = w.sign_in(token.id, ACME).expect("signs in").session;
    w.set_policy(ACME, |p| p.idle_limit = Span::days(1));
    w.wait(Span::days(2));
    assert_eq!(w.state(session.id), Ok(()), "a policy shortens from the next sign-in");
    w.token_of(MEMBER, ACME, "ci");
    assert!(matches!(w.state(session.id), Err(Refusal::SessionRevoked { .. })));
}

#[test]
fn a_token_whose_session_was_not_read_is_not_retired_while_that_may_live() {
    let mut w = World::new();
    w.set_policy(ACME, |p| p.session_lifetime = Span::days(10));
    let token = w.token_of(MEMBER, ACME, "ci");
    w.sign_in(token.id, ACME).expect("signs in");
    w.set_policy(ACME, |p| p.idle_limit = Span::days(1));
    w.wait(Span::days(2));
    let session = w.present(MEMBER, ACME);
    let (ask, open) = (ask(&mut w), w.tokens());
    let minted = w
        .as_caller(&session, |w, cx, caller| {
            mint(cx, caller, &w.site(ACME).expect("a site"), &open, &[], ask)
        })
        .expect("mints");
    assert!(minted.changes.write.iter().all(|w| matches!(w, Write::Insert(Row::Token(_)))));
}

#[test]
fn lifetimes_outside_one_day_to_the_policy_are_refused() {
    let mut w = World::new();
    w.set_policy(ACME, |p| p.max_lifetime = Span::days(30));
    let session = w.present(MEMBER, ACME);
    for days in [0, 31, u32::MAX] {
        let refused = w.ask_mint(&session, "ci", Some(days)).expect_err("out of range");
        assert_eq!(refused, Refusal::LifetimeOutOfRange { max_days: 30 });
    }
    for (days, span) in [(Some(1), 1), (Some(30), 30), (None, 30)] {
        let token = w.ask_mint(&session, "ci", days).expect("in range").token;
        assert_eq!(token.expires_at, w.now.plus(Span::days(span)));
    }
    w.set_policy(ACME, |p| p.max_lifetime = Span::seconds(5));
    let refused = w.ask_mint(&session, "ci", Some(1)).expect_err("out of range");
    assert_eq!(refused, Refusal::LifetimeOutOfRange { max_days: 0 });
    let token = w.ask_mint(&session, "ci", None).expect("the policy's own").token;
    assert_eq!(token.expires_at, w.now.plus(Span::seconds(5)));
}

#[test]
fn a_frozen_site_mints_nothing_and_one_without_tokens_neither() {
    let mut w = World::new();
    let session = w.present(MEMBER, ACME);
    w.set_policy(ACME, |p| p.mint_allowed = false);
    assert_eq!(w.mint(&session, "ci").expect_err("frozen"), Refusal::MintFrozen);
    w.set_policy(ACME, |p| p.pat_enabled = false);
    assert_eq!(w.mint(&session, "ci").expect_err("off"), Refusal::TokensDisabled);
}
