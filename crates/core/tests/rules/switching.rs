//! Switching a session to another site.

use patd_core::changes::Row;
use patd_core::id::SiteLuid;
use patd_core::record::{MemberState, Session};
use patd_core::refusal::Refusal;
use patd_core::rules::Place;
use patd_core::rules::password::Code;
use patd_core::rules::sign_in::SignedIn;
use patd_core::rules::switch::{Switch, switch_site};
use patd_core::time::Span;

use crate::world::{ACME, GLOBEX, MEMBER, World};

/// Switches a session, and applies the change.
pub(crate) fn switch(w: &mut World, old: &Session, to: SiteLuid) -> Result<SignedIn, Refusal> {
    let new = w.new_session();
    let signed = w.ask(old.user, |w, cx| {
        let at = |luid| w.site(luid).expect("a site");
        let (target, member) = (at(to), w.membership(to, old.user));
        let home = old.token.map(|t| (at(t.home), w.membership(t.home, old.user).expect("a member")));
        let token = old.token.and_then(|t| w.token(t.id));
        let ask = Switch {
            session: old,
            user: &w.user(old.user).expect("known"),
            token: token
                .as_ref()
                .zip(home.as_ref())
                .map(|(token, (site, member))| (token, Place { site, member })),
            target: member.as_ref().map(|member| Place { site: &target, member }),
            new,
        };
        switch_site(cx, ask)
    })?;
    w.apply(&signed.changes).expect("nobody raced");
    Ok(signed)
}

#[test]
fn r3_a_switched_token_session_is_still_the_tokens_only_one() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let old = w.sign_in(token.id, ACME).expect("signs in").session;
    w.wait(Span::minutes(1));
    let new = switch(&mut w, &old, GLOBEX).expect("switches");
    assert_eq!(new.superseded, Some((old.id, w.now)));
    assert_eq!(
        w.state(old.id),
        Err(Refusal::SessionSuperseded { ended_at: w.now, successor: Some(new.session.id) })
    );
    assert_eq!((w.state(new.session.id), w.live_sessions_of(token.id)), (Ok(()), 1));
    let next = w.sign_in(token.id, ACME).expect("signs in");
    assert_eq!(next.superseded.map(|s| s.0), Some(new.session.id));
    assert_eq!(w.live_sessions_of(token.id), 1);
    let refused = switch(&mut w, &new.session, ACME).expect_err("it is over");
    assert!(matches!(refused, Refusal::SessionSuperseded { .. }));
}

#[test]
fn a_switch_is_no_use_of_the_token_and_prolongs_nothing() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let old = w.sign_in(token.id, ACME).expect("signs in").session;
    w.wait(Span::minutes(100));
    w.set_policy(GLOBEX, |p| p.session_lifetime = Span::days(9));
    let new = switch(&mut w, &old, GLOBEX).expect("switches").session;
    assert_eq!(new.expires_at, old.expires_at);
    assert_eq!(w.token(token.id).expect("a token").last_used_at, Some(old.created_at));
    w.set_policy(ACME, |p| p.session_lifetime = Span::minutes(5));
    let short = switch(&mut w, &new, ACME).expect("switches").session;
    assert_eq!(short.expires_at, w.now.plus(Span::minutes(5)));
}

#[test]
fn the_target_decides_and_unknown_ones_answer_alike() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let by_token = w.sign_in(token.id, ACME).expect("signs in").session;
    let by_password = w.password(MEMBER, ACME, false, Code::Missing).expect("signs in");
    assert_eq!(switch(&mut w, &by_token, ACME).expect_err("there already"), Refusal::AlreadyAtSite);
    w.set_policy(GLOBEX, |p| p.foreign_tokens = false);
    assert_eq!(switch(&mut w, &by_token, GLOBEX).expect_err("foreign"), Refusal::SwitchRefused);
    w.set_policy(GLOBEX, |p| p.switch_site = false);
    assert_eq!(switch(&mut w, &by_password, GLOBEX).expect_err("off"), Refusal::SwitchRefused);
    w.set_policy(GLOBEX, |p| p.switch_site = true);
    let mut member = w.membership(GLOBEX, MEMBER).expect("a member");
    member.state = MemberState::Disabled;
    w.put(Row::Membership(member));
    assert_eq!(switch(&mut w, &by_password, GLOBEX).expect_err("no member"), Refusal::SwitchRefused);
    assert_eq!((w.state(by_token.id), w.state(by_password.id)), (Ok(()), Ok(())), "a refusal ends nothing");
}
