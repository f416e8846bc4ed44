//! R10: identity changes do not break automation; what ends a membership ends it here and for good.

use patd_core::changes::{Changes, Row};
use patd_core::name::{SiteRole, Username};
use patd_core::record::{Session, SiteState};
use patd_core::refusal::Refusal;
use patd_core::rules::invite::{Invitee, invite};
use patd_core::rules::member::{MemberChange, change_member, remove_member};
use patd_core::rules::password::Code;
use patd_core::rules::person::{disable_person, enable_person};
use patd_core::rules::profile::{ProfileChange, change_profile, set_password};
use patd_core::rules::session::end_sessions;
use patd_core::rules::site::{Ends, WantedSite, change_policy};
use patd_core::rules::{By, Context};
use patd_core::secret::PhcDigest;

use crate::world::{ACME, ADMIN, GLOBEX, MEMBER, World};

fn as_admin(w: &mut World, rule: impl FnOnce(&World, &mut Context<'_>, By<'_>) -> Result<Changes, Refusal>) {
    let admin = w.present(ADMIN, ACME);
    let changes = w.as_caller(&admin, |w, cx, caller| rule(w, cx, By::Caller(caller))).expect("an admin may");
    w.apply(&changes).expect("nobody raced");
}

fn change(w: &mut World, ask: MemberChange) {
    as_admin(w, |w, cx, by| {
        let By::Caller(caller) = by else { return Err(Refusal::NotPermitted) };
        change_member(cx, caller, &w.membership(ACME, MEMBER).expect("a member"), ask)
    });
}

fn role(role: SiteRole) -> MemberChange {
    MemberChange { role: Some(role), disabled: None }
}

fn disabled(disabled: bool) -> MemberChange {
    MemberChange { role: None, disabled: Some(disabled) }
}

#[test]
fn r10_a_new_password_ends_other_password_sessions_and_neither_tokens_nor_the_own_session() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let by_token = w.sign_in(token.id, GLOBEX).expect("signs in").session;
    let by_password = w.password(MEMBER, GLOBEX, false, Code::Missing).expect("signs in");
    let (own, other) = (w.present(MEMBER, ACME), w.present(MEMBER, ACME));
    let ask = |w: &mut World, by: &Session, ok| {
        w.as_caller(by, |w, cx, caller| {
            let held = w.password_of(MEMBER).expect("a password");
            set_password(cx, caller, ok, &held, PhcDigest("$x$new".into()))
        })
    };
    assert_eq!(ask(&mut w, &own, false), Err(Refusal::CurrentPasswordWrong));
    assert_eq!(ask(&mut w, &by_password, true), Err(Refusal::InteractiveRequired));
    assert_eq!(ask(&mut w, &by_token, true), Err(Refusal::InteractiveRequired));
    let changes = ask(&mut w, &own, true).expect("may");
    w.apply(&changes).expect("nobody raced");
    assert_eq!((w.state(own.id), w.state(by_token.id)), (Ok(()), Ok(())));
    for ended in [by_password, other] {
        assert_eq!(w.state(ended.id), Err(Refusal::SessionRevoked { ended_at: None }));
    }
    assert!(w.sign_in(token.id, ACME).is_ok());
}

#[test]
fn r10_names_and_addresses_change_under_a_live_token() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let by_token = w.sign_in(token.id, ACME).expect("signs in").session;
    let own = w.present(MEMBER, ACME);
    let ask = ProfileChange {
        full_name: Some("M. Ember".into()),
        email: Some("m@example.org".into()),
        username: Some(Username::parse("renamed").expect("a name")),
        muted: None,
    };
    let changes = w.as_caller(&own, |_, cx, caller| change_profile(cx, caller, ask.clone())).expect("may");
    assert_eq!(changes.events[0].reason, "full name, e-mail, username");
    assert!(!changes.events[0].reason.contains("example.org"));
    w.apply(&changes).expect("nobody raced");
    assert_eq!((w.state(by_token.id), w.state(own.id)), (Ok(()), Ok(())));
    let again = w.as_caller(&own, |_, cx, caller| change_profile(cx, caller, ask)).expect("may");
    assert!(again.is_empty());
}

#[test]
fn r10_disable_unlicense_and_remove_end_what_is_here_at_once_and_nothing_elsewhere() {
    let ends: [fn(&mut World); 3] = [
        |w| change(w, disabled(true)),
        |w| change(w, role(SiteRole::Unlicensed)),
        |w| {
            as_admin(w, |w, cx, by| {
                let By::Caller(caller) = by else { return Err(Refusal::NotPermitted) };
                remove_member(cx, caller, &w.membership(ACME, MEMBER).expect("a member"), &[])
            });
        },
    ];
    for end in ends {
        let mut w = World::new();
        let here = w.token_of(MEMBER, ACME, "here");
        let there = w.token_of(MEMBER, GLOBEX, "there");
        let home_token_abroad = w.sign_in(here.id, GLOBEX).expect("signs in").session;
        let foreign_token_here = w.sign_in(there.id, ACME).expect("signs in").session;
        let password_here = w.present(MEMBER, ACME);
        let password_there = w.present(MEMBER, GLOBEX);
        end(&mut w);
        for dead in [&home_token_abroad, &foreign_token_here, &password_here] {
            assert_eq!(w.state(dead.id), Err(Refusal::SessionRevoked { ended_at: None }));
        }
        assert_eq!(w.state(password_there.id), Ok(()));
        assert_eq!(w.sign_in(here.id, GLOBEX).expect_err("dead"), Refusal::CredentialsRejected);
        assert_eq!(w.sign_in(there.id, ACME).expect_err("no member"), Refusal::CredentialsRejected);
        assert_eq!(
            w.password(MEMBER, ACME, false, Code::Missing).expect_err("no member"),
            Refusal::CredentialsRejected
        );
        w.sign_in(there.id, GLOBEX).expect("the other site is a stranger");
    }
}

#[test]
fn r10_enabling_licensing_and_adding_again_revive_nothing() {
    let revivals: [fn(&mut World); 3] = [
        |w| [true, false].map(|off| change(w, disabled(off))).into_iter().collect(),
        |w| [SiteRole::Unlicensed, SiteRole::Creator].map(|to| change(w, role(to))).into_iter().collect(),
        |w| {
            as_admin(w, |w, cx, by| {
                let By::Caller(caller) = by else { return Err(Refusal::NotPermitted) };
                remove_member(cx, caller, &w.membership(ACME, MEMBER).expect("a member"), &[])
            });
            let new = w.new_invitation();
            as_admin(w, |w, cx, by| {
                let (user, member) = (w.user(MEMBER).expect("known"), w.membership(ACME, MEMBER));
                let (site, ask) = (w.site(ACME).expect("a site"), (SiteRole::Creator, new));
                invite(cx, by, &site, Invitee::Known(&user), member.as_ref(), &[], ask).map(|i| i.changes)
            });
            crate::invitations::join(w, new.id, MEMBER).expect("joins again");
        },
    ];
    for revive in revivals {
        let mut w = World::new();
        let here = w.token_of(MEMBER, ACME, "here");
        let there = w.token_of(MEMBER, GLOBEX, "there");
        let abroad = w.sign_in(here.id, GLOBEX).expect("signs in").session;
        let visiting = w.sign_in(there.id, ACME).expect("signs in").session;
        let present = w.present(MEMBER, ACME);
        revive(&mut w);
        for dead in [abroad, visiting, present] {
            assert_eq!(w.state(dead.id), Err(Refusal::SessionRevoked { ended_at: None }));
        }
        assert_eq!(w.sign_in(here.id, ACME).expect_err("dead"), Refusal::TokenRevoked { ended_at: None });
        w.sign_in(there.id, ACME).expect("a living token of a member");
        w.token_of(MEMBER, ACME, "here");
    }
}

#[test]
fn r10_a_change_of_role_alone_ends_nothing() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let session = w.sign_in(token.id, ACME).expect("signs in").session;
    change(&mut w, role(SiteRole::Viewer));
    assert_eq!(w.state(session.id), Ok(()));
    assert!(w.sign_in(token.id, ACME).is_ok());
}

#[test]
fn r10_a_person_disabled_by_the_operator_is_out_everywhere_and_comes_back_empty_handed() {
    let mut w = World::new();
    let tokens = [ACME, GLOBEX].map(|at| w.token_of(MEMBER, at, "ci"));
    let open = w.sign_in(tokens[0].id, GLOBEX).expect("signs in").session;
    let user = w.user(MEMBER).expect("known");
    let changes = w.ask(ADMIN, |_, cx| disable_person(cx, &user));
    w.apply(&changes).expect("nobody raced");
    for token in &tokens {
        assert_eq!(w.sign_in(token.id, GLOBEX).expect_err("out"), Refusal::CredentialsRejected);
    }
    let user = w.user(MEMBER).expect("known");
    assert!(w.ask(ADMIN, |_, cx| disable_person(cx, &user)).is_empty());
    let changes = w.ask(ADMIN, |_, cx| enable_person(cx, &user));
    w.apply(&changes).expect("nobody raced");
    assert_eq!(w.state(open.id), Err(Refusal::SessionRevoked { ended_at: None }));
    for token in &tokens {
        assert_eq!(w.sign_in(token.id, GLOBEX).expect_err("dead"), Refusal::TokenRevoked { ended_at: None });
    }
    w.token_of(MEMBER, ACME, "new");
}

#[test]
fn a_policy_that_is_taken_back_revives_no_session_that_it_ended() {
    let mut w = World::new();
    let home = w.token_of(MEMBER, ACME, "home");
    let visitor = w.token_of(MEMBER, GLOBEX, "visitor");
    let home_session = w.sign_in(home.id, ACME).expect("signs in").session;
    let visit = w.sign_in(visitor.id, ACME).expect("signs in").session;
    let set = |w: &mut World, pat: bool, foreign: bool, state: SiteState| {
        let old = w.site(ACME).expect("a site");
        let mut policy = old.policy.clone();
        (policy.pat_enabled, policy.foreign_tokens) = (pat, foreign);
        let wanted =
            WantedSite { content_url: old.content_url.clone(), name: old.name.clone(), policy, state };
        let changed = w.ask(ADMIN, |_, cx| change_policy(cx, &old, wanted));
        w.apply(&changed.changes).expect("nobody raced");
        assert_eq!(w.site(ACME), Some(changed.site));
        changed.ends
    };
    assert_eq!(set(&mut w, false, false, SiteState::Active), [Ends::TokensAtHome, Ends::Visitors]);
    for session in [&home_session, &visit] {
        assert!(matches!(w.state(session.id), Err(Refusal::SessionRevoked { .. })), "in force at once");
    }
    assert_eq!(w.sign_in(home.id, ACME).expect_err("off"), Refusal::TokensDisabled);
    assert_eq!(w.sign_in(visitor.id, ACME).expect_err("off"), Refusal::ForeignTokenRefused);
    let sessions = [home_session.clone(), visit.clone()];
    let changes = w.ask(ADMIN, |w, cx| end_sessions(cx, &sessions, &w.tokens(), "policy changed"));
    w.apply(&changes).expect("nobody raced");
    assert!(set(&mut w, true, true, SiteState::Active).is_empty());
    for session in [&home_session, &visit] {
        assert_eq!(w.state(session.id), Err(Refusal::SessionRevoked { ended_at: Some(w.now) }));
    }
    assert!(w.sign_in(home.id, ACME).is_ok() && w.sign_in(visitor.id, ACME).is_ok());
    assert_eq!(set(&mut w, true, true, SiteState::Suspended), [Ends::Everything]);
    assert_eq!(w.sign_in(home.id, GLOBEX).expect_err("suspended"), Refusal::CredentialsRejected);
    assert_eq!(w.sign_in(visitor.id, ACME).expect_err("suspended"), Refusal::CredentialsRejected);
    // Nothing wanted, nothing done; and what is deleted stays so.
    assert!(set(&mut w, true, true, SiteState::Suspended).is_empty());
    // Coming back revives nothing either, should a store have been away when the site left.
    assert_eq!(set(&mut w, true, true, SiteState::Active), [Ends::Everything]);
    assert!(set(&mut w, true, true, SiteState::Active).is_empty());
    let mut site = w.site(ACME).expect("a site");
    site.state = SiteState::Deleted;
    w.put(Row::Site(site));
    assert!(set(&mut w, true, true, SiteState::Active).is_empty());
    assert_eq!(w.site(ACME).expect("a site").state, SiteState::Deleted);
}
