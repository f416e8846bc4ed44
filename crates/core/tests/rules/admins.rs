//! R2: admins revoke, nothing more. R8: what is another site's is not there.

use patd_core::changes::{Changes, Row, Write};
use patd_core::event::EventType;
use patd_core::id::{SiteLuid, UserLuid};
use patd_core::name::SiteRole;
use patd_core::record::{Session, Token};
use patd_core::refusal::Refusal;
use patd_core::rules::member::{MemberChange, change_member, remove_member};
use patd_core::rules::revoke::{revoke_all, revoke_before, revoke_token};
use patd_core::time::Span;

use crate::world::{ACME, ADMIN, GLOBEX, MEMBER, OTHER, World};

fn revoke(w: &mut World, by: &Session, token: &Token) -> Result<Changes, Refusal> {
    let token = w.token(token.id).expect("a token");
    w.as_caller(by, |w, cx, caller| {
        revoke_token(cx, caller, &token, token.session.and_then(|s| w.session(s)).as_ref())
    })
}

fn change(
    w: &mut World,
    by: &Session,
    (site, user): (SiteLuid, UserLuid),
    ask: MemberChange,
) -> Result<Changes, Refusal> {
    let member = w.membership(site, user).expect("a member");
    w.as_caller(by, |_, cx, caller| change_member(cx, caller, &member, ask))
}

#[test]
fn r2_owner_and_admin_of_the_home_site_revoke_and_the_session_ends_in_the_same_change() {
    for by in [MEMBER, ADMIN] {
        let mut w = World::new();
        let token = w.token_of(MEMBER, ACME, "ci");
        let open = w.sign_in(token.id, GLOBEX).expect("signs in").session;
        let by = w.present(by, ACME);
        let at = w.events.len();
        let changes = revoke(&mut w, &by, &token).expect("may");
        assert_eq!(changes.write.len(), 2);
        w.apply(&changes).expect("nobody raced");
        assert_eq!(w.state(open.id), Err(Refusal::SessionRevoked { ended_at: Some(w.now) }));
        assert_eq!(
            w.sign_in(token.id, ACME).expect_err("dead"),
            Refusal::TokenRevoked { ended_at: Some(w.now) }
        );
        let kinds = w.kinds_since(at);
        assert_eq!(kinds[..2], [EventType::TokenRevoked, EventType::SessionEnded]);
        assert_eq!(w.events[at].actor, w.events[at + 1].actor);
        assert_eq!(w.events[at].user, Some(MEMBER));
        assert_eq!(revoke(&mut w, &by, &token), Err(Refusal::NotFound), "it has ended");
    }
}

#[test]
fn r2_nobody_else_can_revoke_and_all_hear_the_same() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let another_member = w.present(OTHER, ACME);
    // The owner and the admin of the home site, but in another site's session.
    let owner_elsewhere = w.present(MEMBER, GLOBEX);
    let admin_elsewhere = w.present(ADMIN, GLOBEX);
    for by in [another_member, owner_elsewhere, admin_elsewhere] {
        assert_eq!(revoke(&mut w, &by, &token), Err(Refusal::NotFound));
    }
    assert!(w.sign_in(token.id, ACME).is_ok());
}

#[test]
fn r2_a_demoted_admin_is_no_admin_from_then_on() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let session = w.present(ADMIN, ACME);
    let mut row = w.membership(ACME, ADMIN).expect("a member");
    row.role = SiteRole::Viewer;
    w.put(Row::Membership(row));
    assert_eq!(revoke(&mut w, &session, &token), Err(Refusal::NotFound));
    let ask = MemberChange { role: Some(SiteRole::Viewer), disabled: None };
    assert_eq!(change(&mut w, &session, (ACME, MEMBER), ask), Err(Refusal::NotPermitted));
}

#[test]
fn r2_an_admins_change_to_a_member_writes_the_membership_and_nothing_of_the_person() {
    let mut w = World::new();
    let admin = w.present(ADMIN, ACME);
    for ask in [
        MemberChange { role: Some(SiteRole::Viewer), disabled: None },
        MemberChange { role: Some(SiteRole::Unlicensed), disabled: Some(true) },
    ] {
        let changes = change(&mut w, &admin, (ACME, MEMBER), ask).expect("may");
        assert!(matches!(changes.write[..], [Write::Update(Row::Membership(_))]));
    }
}

#[test]
fn r2_admins_change_and_remove_others_only_in_their_own_site_and_never_themselves() {
    let mut w = World::new();
    let ask = MemberChange { role: None, disabled: Some(true) };
    let (admin, member) = (w.present(ADMIN, ACME), w.present(MEMBER, ACME));
    assert_eq!(change(&mut w, &admin, (ACME, ADMIN), ask), Err(Refusal::NotPermitted));
    assert_eq!(change(&mut w, &admin, (GLOBEX, MEMBER), ask), Err(Refusal::NotFound));
    assert_eq!(change(&mut w, &member, (ACME, OTHER), ask), Err(Refusal::NotPermitted));
    let own = w.membership(ACME, ADMIN).expect("a member");
    let removed = w.as_caller(&admin, |_, cx, caller| remove_member(cx, caller, &own, &[]));
    assert_eq!(removed, Err(Refusal::NotPermitted));
}

#[test]
fn asking_for_what_holds_already_changes_nothing() {
    let mut w = World::new();
    let admin = w.present(ADMIN, ACME);
    let ask = MemberChange { role: Some(SiteRole::Creator), disabled: Some(false) };
    let changes = change(&mut w, &admin, (ACME, MEMBER), ask).expect("may");
    assert!(changes.is_empty() && changes.events.is_empty());
}

#[test]
fn revoke_all_is_one_write_that_ends_every_token_of_that_member_here_and_no_other() {
    let mut w = World::new();
    let here: Vec<_> = ["a", "b", "c"].map(|n| w.token_of(MEMBER, ACME, n)).into();
    let open = w.sign_in(here[0].id, GLOBEX).expect("signs in").session;
    let elsewhere = w.token_of(MEMBER, GLOBEX, "a");
    let others = w.token_of(OTHER, ACME, "a");
    let (admin, other) = (w.present(ADMIN, ACME), w.present(OTHER, ACME));
    let member = w.membership(ACME, MEMBER).expect("a member");
    let refused = w.as_caller(&other, |_, cx, caller| revoke_all(cx, caller, &member));
    assert_eq!(refused, Err(Refusal::NotPermitted));
    let changes = w.as_caller(&admin, |_, cx, caller| revoke_all(cx, caller, &member)).expect("may");
    assert_eq!(changes.write.len(), 1);
    w.apply(&changes).expect("nobody raced");
    for token in here {
        assert_eq!(w.sign_in(token.id, ACME).expect_err("dead"), Refusal::TokenRevoked { ended_at: None });
    }
    assert_eq!(w.state(open.id), Err(Refusal::SessionRevoked { ended_at: None }));
    assert!(w.sign_in(elsewhere.id, ACME).is_ok() && w.sign_in(others.id, ACME).is_ok());
    w.token_of(MEMBER, ACME, "a");
}

#[test]
fn issued_before_kills_what_was_minted_before_it_and_never_goes_back() {
    let mut w = World::new();
    let old = w.token_of(MEMBER, ACME, "old");
    let open = w.sign_in(old.id, GLOBEX).expect("signs in").session;
    w.wait(Span(1));
    let at_the_stamp = w.token_of(MEMBER, ACME, "at the stamp");
    let (stamp, admin, member) = (w.now, w.present(ADMIN, ACME), w.present(MEMBER, ACME));
    w.wait(Span::minutes(1));
    let ask = |w: &mut World, by: &Session, before| {
        let site = w.site(ACME).expect("a site");
        w.as_caller(by, |_, cx, caller| revoke_before(cx, caller, &site, before))
    };
    let later = w.now.plus(Span(1));
    assert_eq!(ask(&mut w, &admin, later), Err(Refusal::InFuture));
    assert_eq!(ask(&mut w, &member, stamp), Err(Refusal::NotPermitted));
    for before in [stamp, stamp.minus(Span::days(9))] {
        let changes = ask(&mut w, &admin, before).expect("may");
        w.apply(&changes).expect("nobody raced");
        assert_eq!(w.site(ACME).expect("a site").not_before, stamp);
    }
    assert!(matches!(w.ask_sign_in(old.id, ACME), Err(Refusal::TokenRevoked { .. })));
    assert!(matches!(w.state(open.id), Err(Refusal::SessionRevoked { .. })));
    assert!(w.ask_sign_in(at_the_stamp.id, ACME).is_ok());
}
