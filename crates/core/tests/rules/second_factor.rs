//! The second factor: programs of people who have one sign in with tokens; a code works once.

use patd_core::changes::{Changes, Conflict};
use patd_core::record::Session;
use patd_core::refusal::Refusal;
use patd_core::rules::password::{Code, PasswordSignIn, sign_in_with_password};
use patd_core::rules::totp::{begin_totp, confirm_totp, remove_totp};
use patd_core::rules::{Caller, Context, Place};
use patd_core::secret::FastDigest;

use crate::world::{ACME, MEMBER, World};

const RECOVERY: FastDigest = FastDigest([3; 32]);

fn on_own(
    w: &mut World,
    by: &Session,
    rule: impl FnOnce(&World, &mut Context<'_>, Caller<'_>) -> Result<Changes, Refusal>,
) -> Result<(), Refusal> {
    let changes = w.as_caller(by, rule)?;
    w.apply(&changes).expect("nobody raced");
    Ok(())
}

/// A person with a second factor, and the session in which it was set up.
fn enrolled() -> (World, Session) {
    let mut w = World::new();
    let own = w.present(MEMBER, ACME);
    on_own(&mut w, &own, |_, cx, caller| begin_totp(cx, caller, None, vec![1])).expect("may");
    let own = w.session(own.id).expect("live");
    let confirm = |w: &World, cx: &mut Context<'_>, caller: Caller<'_>, step| {
        confirm_totp(cx, caller, w.totp(MEMBER).as_ref(), step, vec![RECOVERY])
    };
    let wrong = on_own(&mut w, &own, |w, cx, caller| confirm(w, cx, caller, None));
    assert_eq!(wrong, Err(Refusal::CredentialsRejected));
    on_own(&mut w, &own, |w, cx, caller| confirm(w, cx, caller, Some(100))).expect("the right code");
    let own = w.session(own.id).expect("live");
    (w, own)
}

#[test]
fn an_unproved_second_factor_changes_nothing_and_a_proved_one_is_not_replaced() {
    let mut w = World::new();
    let own = w.present(MEMBER, ACME);
    on_own(&mut w, &own, |_, cx, caller| begin_totp(cx, caller, None, vec![1])).expect("may");
    assert!(w.password(MEMBER, ACME, false, Code::Missing).is_ok());
    let held = w.totp(MEMBER);
    on_own(&mut w, &own, |_, cx, caller| begin_totp(cx, caller, held.as_ref(), vec![2])).expect("may");
    assert_eq!(w.totp(MEMBER).expect("kept").sealed_secret, [2]);

    let (mut w, own) = enrolled();
    let held = w.totp(MEMBER);
    let again = on_own(&mut w, &own, |_, cx, caller| begin_totp(cx, caller, held.as_ref(), vec![2]));
    assert_eq!(again, Err(Refusal::TotpAlreadyEnabled));
    let again =
        on_own(&mut w, &own, |_, cx, caller| confirm_totp(cx, caller, held.as_ref(), Some(101), vec![]));
    assert_eq!(again, Err(Refusal::TotpAlreadyEnabled));
}

#[test]
fn a_password_alone_is_refused_to_programs_with_or_without_a_code() {
    let (mut w, _) = enrolled();
    for code in [Code::Missing, Code::Step(101), Code::Wrong, Code::Recovery(RECOVERY)] {
        let refused = w.password(MEMBER, ACME, false, code).expect_err("a token is needed");
        assert_eq!(refused, Refusal::PasswordNotAllowedWithMfa);
    }
    let token = {
        let session = w.password(MEMBER, ACME, true, Code::Step(101)).expect("present");
        w.mint(&session, "ci").expect("mints")
    };
    assert!(w.sign_in(token.id, ACME).is_ok(), "tokens need no code");
}

#[test]
fn a_wrong_password_says_nothing_of_the_second_factor() {
    let (mut w, _) = enrolled();
    for interactive in [false, true] {
        let new = w.new_session();
        let refused = w.ask(MEMBER, |w, cx| {
            let (site, member) = (w.site(ACME).expect("a site"), w.membership(ACME, MEMBER).expect("known"));
            let totp = w.totp(MEMBER);
            let ask = PasswordSignIn {
                password_ok: false,
                interactive,
                code: Code::Step(101),
                user: &w.user(MEMBER).expect("known"),
                totp: totp.as_ref(),
                visited: Some(Place { site: &site, member: &member }),
                new,
            };
            sign_in_with_password(cx, ask)
        });
        assert_eq!(refused.expect_err("wrong"), Refusal::CredentialsRejected);
    }
}

#[test]
fn a_code_and_a_recovery_code_work_once() {
    let (mut w, _) = enrolled();
    assert_eq!(w.password(MEMBER, ACME, true, Code::Missing).expect_err("no code"), Refusal::TotpRequired);
    for spent in [Code::Wrong, Code::Step(100), Code::Step(99)] {
        let refused = w.password(MEMBER, ACME, true, spent).expect_err("no code of now");
        assert_eq!(refused, Refusal::CredentialsRejected);
    }
    for code in [Code::Step(101), Code::Recovery(RECOVERY)] {
        assert!(w.password(MEMBER, ACME, true, code).is_ok());
        assert_eq!(w.password(MEMBER, ACME, true, code).expect_err("spent"), Refusal::CredentialsRejected);
    }
}

#[test]
fn of_two_sign_ins_with_one_code_only_one_is_applied() {
    let (mut w, _) = enrolled();
    let ask = |w: &mut World| {
        let new = w.new_session();
        w.ask(MEMBER, |w, cx| {
            let (site, member) = (w.site(ACME).expect("a site"), w.membership(ACME, MEMBER).expect("known"));
            let totp = w.totp(MEMBER);
            let ask = PasswordSignIn {
                password_ok: true,
                interactive: true,
                code: Code::Step(101),
                user: &w.user(MEMBER).expect("known"),
                totp: totp.as_ref(),
                visited: Some(Place { site: &site, member: &member }),
                new,
            };
            sign_in_with_password(cx, ask)
        })
        .expect("the right code")
    };
    let (one, two) = (ask(&mut w), ask(&mut w));
    w.apply(&one.changes).expect("first");
    assert!(matches!(w.apply(&two.changes), Err(Conflict::Row(..))));
    assert_eq!(w.session(two.session.id), None);
}

#[test]
fn setting_it_up_and_removing_it_end_the_persons_other_sessions() {
    let mut w = World::new();
    let program = w.password(MEMBER, ACME, false, Code::Missing).expect("signs in");
    let own = w.present(MEMBER, ACME);
    on_own(&mut w, &own, |_, cx, caller| begin_totp(cx, caller, None, vec![1])).expect("may");
    assert_eq!(w.state(program.id), Ok(()));
    let held = w.totp(MEMBER);
    on_own(&mut w, &own, |_, cx, caller| confirm_totp(cx, caller, held.as_ref(), Some(1), vec![]))
        .expect("may");
    assert_eq!(w.state(program.id), Err(Refusal::SessionRevoked { ended_at: None }));
    let (own, held) = (w.session(own.id).expect("live"), w.totp(MEMBER));
    assert_eq!(w.state(own.id), Ok(()));
    for (code, refusal) in [
        (Code::Missing, Refusal::TotpRequired),
        (Code::Wrong, Refusal::CredentialsRejected),
        (Code::Step(1), Refusal::CredentialsRejected),
        (Code::Recovery(RECOVERY), Refusal::CredentialsRejected),
    ] {
        let refused = on_own(&mut w, &own, |_, cx, caller| remove_totp(cx, caller, held.as_ref(), code));
        assert_eq!(refused, Err(refusal), "{code:?} is wrong, spent or of another");
    }
    on_own(&mut w, &own, |_, cx, caller| remove_totp(cx, caller, held.as_ref(), Code::Step(2))).expect("may");
    assert_eq!((w.totp(MEMBER), w.state(own.id)), (None, Ok(())));
    let own = w.session(own.id).expect("live");
    let again = on_own(&mut w, &own, |_, cx, caller| remove_totp(cx, caller, None, Code::Step(3)));
    assert_eq!(again, Err(Refusal::TotpNotEnabled));
    assert!(w.password(MEMBER, ACME, false, Code::Missing).is_ok());
}
