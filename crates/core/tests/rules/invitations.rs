//! Invitations: one use, no way into another's account (R2).

use patd_core::changes::{Changes, Conflict, Row, Write};
use patd_core::event::EventType;
use patd_core::id::{InvitationId, SiteLuid, UserLuid};
use patd_core::name::{SiteRole, Username};
use patd_core::record::{MemberState, Session};
use patd_core::refusal::Refusal;
use patd_core::rules::invite::{Invited, Invitee, invite, recover};
use patd_core::rules::member::{MemberChange, change_member, remove_member};
use patd_core::rules::password::Code;
use patd_core::rules::redeem::{Proof, Redeem, redeem};
use patd_core::rules::{By, Caller};
use patd_core::secret::PhcDigest;
use patd_core::time::Span;

use crate::world::{ACME, ADMIN, GLOBEX, MEMBER, World};

fn new_password() -> Proof<'static> {
    Proof::NewPassword(PhcDigest("$x$first".into()))
}

fn own_password() -> Proof<'static> {
    Proof::OwnPassword { ok: true, code: Code::Missing }
}

fn ask_redeem(
    w: &mut World,
    id: InvitationId,
    user: UserLuid,
    secret_ok: bool,
    proof: Proof<'_>,
) -> Result<Changes, Refusal> {
    w.ask(user, |w, cx| {
        let invitation = w.invitation(id).expect("an invitation");
        let member = invitation.site.and_then(|site| w.membership(site, user));
        let (password, totp) = (w.password_of(user), w.totp(user));
        redeem(
            cx,
            Redeem {
                secret_ok,
                invitation: &invitation,
                user: &w.user(user).expect("known"),
                member: member.as_ref(),
                password: password.as_ref(),
                totp: totp.as_ref(),
                proof,
            },
        )
    })
}

/// Joins by the own password.
pub(crate) fn join(w: &mut World, id: InvitationId, user: UserLuid) -> Result<(), Refusal> {
    let changes = ask_redeem(w, id, user, true, own_password())?;
    w.apply(&changes).expect("nobody raced");
    Ok(())
}

fn ask_invite(
    w: &mut World,
    by: &Session,
    at: SiteLuid,
    name: &str,
) -> Result<(InvitationId, Invited), Refusal> {
    let (new, luid) = (w.new_invitation(), UserLuid(w.fresh()));
    let known = [MEMBER, ADMIN]
        .into_iter()
        .chain(w.invitations().iter().map(|i| i.user))
        .filter_map(|luid| w.user(luid))
        .find(|u| u.username.as_str() == name);
    let invited = w.as_caller(by, |w, cx, caller| {
        let member = known.as_ref().and_then(|u| w.membership(at, u.luid));
        let open: Vec<_> = w
            .invitations()
            .into_iter()
            .filter(|i| Some(i.user) == known.as_ref().map(|u| u.luid) && i.site == Some(at))
            .collect();
        let invitee = match &known {
            Some(user) => Invitee::Known(user),
            None => Invitee::New { luid, username: Username::parse(name).expect("a name") },
        };
        let ask = (SiteRole::Explorer, new);
        invite(cx, By::Caller(caller), &w.site(at).expect("a site"), invitee, member.as_ref(), &open, ask)
    })?;
    w.apply(&invited.changes).expect("nobody raced");
    Ok((new.id, invited))
}

#[test]
fn a_new_person_joins_with_a_first_password_and_the_invitation_works_once() {
    let mut w = World::new();
    let admin = w.present(ADMIN, ACME);
    let (id, invited) = ask_invite(&mut w, &admin, ACME, "nova").expect("may");
    let nova = invited.user;
    assert_eq!(invited.member.state, MemberState::Pending);
    let refused = w.password(nova, ACME, true, Code::Missing).expect_err("pending");
    assert_eq!(refused, Refusal::CredentialsRejected);
    assert_eq!(ask_redeem(&mut w, id, nova, false, new_password()), Err(Refusal::InvitationRejected));
    assert_eq!(ask_redeem(&mut w, id, nova, true, own_password()), Err(Refusal::PasswordRequired));
    assert_eq!(ask_redeem(&mut w, id, nova, true, Proof::Nothing), Err(Refusal::PasswordRequired));
    let (one, two) = (
        ask_redeem(&mut w, id, nova, true, new_password()).expect("joins"),
        ask_redeem(&mut w, id, nova, true, new_password()).expect("joins"),
    );
    w.apply(&one).expect("nobody raced");
    assert!(matches!(w.apply(&two), Err(Conflict::Row(..))), "spent in the write that it authorizes");
    assert_eq!(ask_redeem(&mut w, id, nova, true, new_password()), Err(Refusal::InvitationRejected));
    w.token_of(nova, ACME, "mine");
}

#[test]
fn r2_an_invitation_never_resets_a_password() {
    let mut w = World::new();
    let mut gone = w.membership(GLOBEX, MEMBER).expect("a member");
    gone.state = MemberState::Removed;
    w.put(Row::Membership(gone));
    let mut boss = w.membership(GLOBEX, ADMIN).expect("a member");
    boss.role = SiteRole::SiteAdministratorCreator;
    w.put(Row::Membership(boss));
    let admin = w.present(ADMIN, GLOBEX);
    let (id, invited) = ask_invite(&mut w, &admin, GLOBEX, "member").expect("may");
    assert!(invited.changes.write.iter().all(|w| !matches!(
        w,
        Write::Insert(Row::User(_) | Row::Password(_)) | Write::Update(Row::User(_) | Row::Password(_))
    )));
    // The admin holds the invitation's secret, and gets nowhere with it.
    let wrong = Proof::OwnPassword { ok: false, code: Code::Missing };
    for proof in [new_password(), wrong] {
        assert_eq!(ask_redeem(&mut w, id, MEMBER, true, proof), Err(Refusal::CredentialsRejected));
    }
    assert_eq!(ask_redeem(&mut w, id, MEMBER, true, Proof::Nothing), Err(Refusal::PasswordRequired));
    let (user, member) = (w.user(ADMIN).expect("known"), w.membership(GLOBEX, ADMIN).expect("known"));
    let theirs = Proof::OwnSession(Caller { session: &admin, user: &user, member: &member });
    assert_eq!(ask_redeem(&mut w, id, MEMBER, true, theirs), Err(Refusal::CredentialsRejected));
    // The person does: by an own session.
    let own = w.present(MEMBER, ACME);
    let (user, member) = (w.user(MEMBER).expect("known"), w.membership(ACME, MEMBER).expect("known"));
    let mine = Proof::OwnSession(Caller { session: &own, user: &user, member: &member });
    let changes = ask_redeem(&mut w, id, MEMBER, true, mine).expect("joins");
    w.apply(&changes).expect("nobody raced");
    assert_eq!(w.password_of(MEMBER).expect("a password").digest, PhcDigest("$x$1".into()));
    w.token_of(MEMBER, GLOBEX, "again");
}

#[test]
fn an_invitation_is_alike_whether_or_not_the_person_exists() {
    let mut w = World::new();
    let mut gone = w.membership(ACME, MEMBER).expect("a member");
    gone.state = MemberState::Removed;
    w.put(Row::Membership(gone));
    let admin = w.present(ADMIN, ACME);
    for name in ["nova", "member"] {
        let (_, invited) = ask_invite(&mut w, &admin, ACME, name).expect("may");
        let m = invited.member;
        assert_eq!((m.state, m.role, m.created_at), (MemberState::Pending, SiteRole::Explorer, w.now));
        let kinds: Vec<_> = invited.changes.events.iter().map(|e| e.kind).collect();
        assert_eq!(kinds, [EventType::UserInvited]);
    }
}

#[test]
fn a_late_replaced_or_withdrawn_invitation_is_rejected() {
    let mut w = World::new();
    let admin = w.present(ADMIN, ACME);
    let (first, invited) = ask_invite(&mut w, &admin, ACME, "nova").expect("may");
    let nova = invited.user;
    let (second, _) = ask_invite(&mut w, &admin, ACME, "nova").expect("pending may be invited again");
    assert_eq!(ask_redeem(&mut w, first, nova, true, new_password()), Err(Refusal::InvitationRejected));
    let expires_at = w.invitation(second).expect("kept").expires_at;
    let now = std::mem::replace(&mut w.now, expires_at);
    assert_eq!(ask_redeem(&mut w, second, nova, true, new_password()), Err(Refusal::InvitationRejected));
    w.now = expires_at.minus(Span(1));
    assert!(ask_redeem(&mut w, second, nova, true, new_password()).is_ok());
    w.now = now;
    let pending = w.membership(ACME, nova).expect("pending");
    let ask = MemberChange { disabled: Some(true), role: None };
    let refused = w.as_caller(&admin, |_, cx, caller| change_member(cx, caller, &pending, ask));
    assert_eq!(refused, Err(Refusal::MemberPending), "no way round the invitation");
    let removed = w
        .as_caller(&admin, |w, cx, caller| remove_member(cx, caller, &pending, &w.invitations()))
        .expect("may");
    w.apply(&removed).expect("nobody raced");
    assert_eq!(ask_redeem(&mut w, second, nova, true, new_password()), Err(Refusal::InvitationRejected));
    ask_invite(&mut w, &admin, ACME, "nova").expect("may be invited again");
    assert_eq!(ask_redeem(&mut w, second, nova, true, new_password()), Err(Refusal::InvitationRejected));
}

#[test]
fn members_are_not_invited_again_and_only_admins_invite() {
    let mut w = World::new();
    let (admin, member) = (w.present(ADMIN, ACME), w.present(MEMBER, ACME));
    assert_eq!(ask_invite(&mut w, &admin, ACME, "member").expect_err("member"), Refusal::AlreadyMember);
    assert_eq!(ask_invite(&mut w, &member, ACME, "nova").expect_err("no admin"), Refusal::NotPermitted);
    assert_eq!(ask_invite(&mut w, &admin, GLOBEX, "nova").expect_err("not there"), Refusal::NotFound);
}

#[test]
fn a_recovery_is_the_operators_and_ends_every_password_session_but_no_token() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let by_token = w.sign_in(token.id, ACME).expect("signs in").session;
    let present = w.present(MEMBER, ACME);
    let admin = w.present(ADMIN, ACME);
    let new = w.new_invitation();
    let refused = w.as_caller(&admin, |w, cx, caller| {
        recover(cx, By::Caller(caller), &w.user(MEMBER).expect("known"), &[], new)
    });
    assert_eq!(refused, Err(Refusal::NotPermitted));
    let changes = w
        .ask(ADMIN, |w, cx| recover(cx, By::Operator, &w.user(MEMBER).expect("known"), &[], new))
        .expect("may");
    w.apply(&changes).expect("nobody raced");
    assert_eq!(ask_redeem(&mut w, new.id, MEMBER, true, own_password()), Err(Refusal::PasswordRequired));
    let changes = ask_redeem(&mut w, new.id, MEMBER, true, new_password()).expect("recovers");
    w.apply(&changes).expect("nobody raced");
    assert_eq!(w.password_of(MEMBER).expect("a password").digest, PhcDigest("$x$first".into()));
    assert_eq!(w.state(present.id), Err(Refusal::SessionRevoked { ended_at: None }));
    assert_eq!(w.state(by_token.id), Ok(()));
}
