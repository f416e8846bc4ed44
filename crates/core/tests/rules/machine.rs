//! Drives the rules and the naive model side by side and compares everything that can be seen after every step.

use patd_core::changes::{Changes, Row};
use patd_core::id::{SessionId, SiteLuid, TokenId, UserLuid};
use patd_core::name::SiteRole;
use patd_core::record::{MemberState, Session, SessionKind};
use patd_core::refusal::Refusal;
use patd_core::rules::invite::{Invitee, invite};
use patd_core::rules::member::{MemberChange, change_member, remove_member};
use patd_core::rules::password::Code;
use patd_core::rules::person::{disable_person, enable_person};
use patd_core::rules::profile::set_password;
use patd_core::rules::redeem::{Proof, Redeem, redeem};
use patd_core::rules::revoke::{revoke_all, revoke_before, revoke_token};
use patd_core::rules::session::{end_sessions, sign_out};
use patd_core::rules::site::{Ends, WantedSite, change_policy};
use patd_core::rules::sweep::what_is_due;
use patd_core::rules::switch::{Switch, switch_site};
use patd_core::rules::{By, Place};
use patd_core::secret::PhcDigest;
use patd_core::time::{Span, Timestamp};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use crate::model::{CAP, DAY, MINUTE, Model, PolicyChange, SECOND, START, Step};
use crate::world::{ACME, ADMIN, GLOBEX, MEMBER, OTHER, World};

const SITES: [SiteLuid; 2] = [ACME, GLOBEX];
const PEOPLE: [UserLuid; 2] = [MEMBER, OTHER];

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::new()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        let who = || (0..2usize, 0..2usize);
        let days = prop_oneof![Just(None), (0u32..4).prop_map(Some), Just(Some(365)), Just(Some(366))];
        prop_oneof![
            5 => (who(), 0..4usize, days)
                .prop_map(|((person, site), name, days)| Step::Mint { person, site, name, days }),
            10 => (any::<usize>(), 0..2usize).prop_map(|(token, site)| Step::SignIn { token, site }),
            2 => (who(), any::<bool>())
                .prop_map(|((person, site), interactive)| Step::Password { person, site, interactive }),
            1 => any::<usize>().prop_map(|session| Step::SetPassword { session }),
            2 => any::<usize>().prop_map(|session| Step::SignOut { session }),
            3 => (any::<usize>(), 0..2usize).prop_map(|(session, site)| Step::Switch { session, site }),
            2 => (any::<usize>(), any::<bool>()).prop_map(|(token, by_admin)| Step::Revoke { token, by_admin }),
            1 => who().prop_map(|(person, site)| Step::RevokeAll { person, site }),
            1 => (0..2usize, prop_oneof![Just(0), Just(1), Just(MINUTE), Just(DAY)])
                .prop_map(|(site, ago)| Step::RevokeBefore { site, ago }),
            1 => who().prop_map(|(person, site)| Step::Disable { person, site }),
            2 => who().prop_map(|(person, site)| Step::Enable { person, site }),
            1 => who().prop_map(|(person, site)| Step::Remove { person, site }),
            2 => who().prop_map(|(person, site)| Step::Rejoin { person, site }),
            2 => (who(), any::<bool>())
                .prop_map(|((person, site), licensed)| Step::Role { person, site, licensed }),
            1 => (0..2usize).prop_map(|person| Step::DisablePerson { person }),
            2 => (0..2usize).prop_map(|person| Step::EnablePerson { person }),
            3 => (0..2usize, policy_changes()).prop_map(|(site, change)| Step::Policy { site, change }),
            1 => (0..2usize).prop_map(|site| Step::Sweep { site }),
            6 => prop_oneof![
                Just(1), Just(SECOND), Just(10 * MINUTE), Just(120 * MINUTE), Just(DAY), Just(3 * DAY),
                Just(15 * DAY - 1), Just(15 * DAY), Just(100 * DAY),
            ].prop_map(|span| Step::Wait { span }),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.step(step);
        state
    }
}

fn policy_changes() -> impl Strategy<Value = PolicyChange> {
    prop_oneof![
        prop::bool::weighted(0.7).prop_map(PolicyChange::Pat),
        prop::bool::weighted(0.7).prop_map(PolicyChange::Mint),
        prop::bool::weighted(0.7).prop_map(PolicyChange::Foreign),
        prop::bool::weighted(0.7).prop_map(PolicyChange::Switch),
        prop_oneof![Just(10 * SECOND), Just(DAY), Just(3 * DAY), Just(15 * DAY), Just(40 * DAY)]
            .prop_map(PolicyChange::Idle),
        prop_oneof![Just(10 * MINUTE), Just(120 * MINUTE), Just(40 * DAY)].prop_map(PolicyChange::Session),
        prop_oneof![Just(5 * SECOND), Just(2 * DAY), Just(365 * DAY), Just(1000 * DAY)]
            .prop_map(PolicyChange::Max),
    ]
}

/// The rules over a store in memory, with the ids in the model's order.
pub(crate) struct Patd {
    world: World,
    tokens: Vec<TokenId>,
    sessions: Vec<SessionId>,
}

impl Patd {
    fn new() -> Self {
        let mut world = World::new();
        assert_eq!(world.now, Timestamp(START));
        let mut admin = world.membership(GLOBEX, ADMIN).expect("a member");
        admin.role = SiteRole::SiteAdministratorExplorer;
        world.put(Row::Membership(admin));
        for site in SITES {
            world.set_policy(site, |p| p.tokens_per_user = u32::try_from(CAP).expect("small"));
        }
        Self { world, tokens: Vec::new(), sessions: Vec::new() }
    }

    fn done(&mut self, answer: Result<Changes, Refusal>) -> bool {
        let Ok(changes) = answer else { return false };
        self.world.apply(&changes).expect("nobody races here");
        true
    }

    fn session(&self, n: usize) -> Option<Session> {
        let id = self.sessions.get(n % self.sessions.len().max(1))?;
        self.world.session(*id)
    }

    /// The session at `n`, if the daemon would accept its credential.
    fn accepted(&self, n: usize) -> Option<Session> {
        self.session(n).filter(|s| self.world.state(s.id).is_ok())
    }

    fn change_member(&mut self, person: usize, site: usize, ask: MemberChange) {
        let admin = self.world.present(ADMIN, SITES[site]);
        let member = self.world.membership(SITES[site], PEOPLE[person]).expect("a membership");
        let answer = self.world.as_caller(&admin, |_, cx, caller| change_member(cx, caller, &member, ask));
        self.done(answer);
    }

    fn switch(&mut self, n: usize, site: usize) {
        let Some(old) = self.accepted(n) else { return };
        let new = self.world.new_session();
        let answer = self.world.ask(old.user, |w, cx| {
            let at = |luid| (w.site(luid).expect("a site"), w.membership(luid, old.user).expect("a member"));
            let target = at(SITES[site]);
            let home = old.token.map(|t| at(t.home));
            let token = old.token.and_then(|t| w.token(t.id));
            switch_site(
                cx,
                Switch {
                    session: &old,
                    user: &w.user(old.user).expect("a person"),
                    token: token
                        .as_ref()
                        .zip(home.as_ref())
                        .map(|(token, (site, member))| (token, Place { site, member })),
                    target: Some(Place { site: &target.0, member: &target.1 }),
                    new,
                },
            )
        });
        if let Ok(signed) = answer {
            assert_eq!(signed.session.kind, old.kind);
            self.done(Ok(signed.changes));
            self.sessions.push(signed.session.id);
        }
    }

    fn rejoin(&mut self, person: usize, site: usize) {
        let (site, person) = (SITES[site], PEOPLE[person]);
        let admin = self.world.present(ADMIN, site);
        let new = self.world.new_invitation();
        let answer = self.world.as_caller(&admin, |w, cx, caller| {
            let (user, member) = (w.user(person).expect("a person"), w.membership(site, person));
            let ask = (SiteRole::Creator, new);
            let at = w.site(site).expect("a site");
            invite(cx, By::Caller(caller), &at, Invitee::Known(&user), member.as_ref(), &[], ask)
        });
        let Ok(invited) = answer else { return };
        // A disabled person cannot redeem; the model counts the membership as gone until then.
        if self.world.user(person).expect("a person").disabled {
            return;
        }
        self.done(Ok(invited.changes));
        let answer = self.world.ask(person, |w, cx| {
            let (member, password) = (w.membership(site, person), w.password_of(person));
            let ask = Redeem {
                secret_ok: true,
                invitation: &w.invitation(new.id).expect("an invitation"),
                user: &w.user(person).expect("a person"),
                member: member.as_ref(),
                password: password.as_ref(),
                totp: None,
                proof: Proof::OwnPassword { ok: true, code: Code::Missing },
            };
            redeem(cx, ask)
        });
        assert!(self.done(answer), "the invited person joins");
    }

    fn policy(&mut self, site: usize, change: PolicyChange) {
        let old = self.world.site(SITES[site]).expect("a site");
        let mut policy = old.policy.clone();
        match change {
            PolicyChange::Pat(on) => policy.pat_enabled = on,
            PolicyChange::Mint(on) => policy.mint_allowed = on,
            PolicyChange::Foreign(on) => policy.foreign_tokens = on,
            PolicyChange::Switch(on) => policy.switch_site = on,
            PolicyChange::Idle(span) => policy.idle_limit = Span(span),
            PolicyChange::Session(span) => policy.session_lifetime = Span(span),
            PolicyChange::Max(span) => policy.max_lifetime = Span(span),
        }
        let wanted = WantedSite {
            content_url: old.content_url.clone(),
            name: old.name.clone(),
            policy,
            state: old.state,
        };
        let changed = self.world.ask(ADMIN, |_, cx| change_policy(cx, &old, wanted));
        self.done(Ok(changed.changes));
        let luid = SITES[site];
        let hit = |s: &Session| {
            s.token.is_some_and(|t| {
                changed.ends.iter().any(|ends| match ends {
                    Ends::TokensAtHome => t.home == luid,
                    Ends::Visitors => t.home != luid && s.site == luid,
                    Ends::Everything => true,
                })
            })
        };
        let sessions: Vec<Session> = self.world.sessions().into_iter().filter(hit).collect();
        let changes =
            self.world.ask(ADMIN, |w, cx| end_sessions(cx, &sessions, &w.tokens(), "policy changed"));
        self.done(Ok(changes));
    }

    fn sweep(&mut self, site: usize) {
        let changes = self.world.ask(ADMIN, |w, cx| {
            let site = w.site(SITES[site]).expect("a site");
            let tokens = w.tokens();
            let owners: Vec<_> = tokens
                .iter()
                .map(|t| {
                    (w.user(t.owner).expect("a person"), w.membership(t.site, t.owner).expect("a member"))
                })
                .collect();
            let all: Vec<_> = tokens.iter().zip(&owners).map(|(t, (u, m))| (t, u, m)).collect();
            what_is_due(cx, &site, &all, &w.sessions())
        });
        self.done(Ok(changes));
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Mint { person, site, name, days } => {
                let Ok(session) = self.world.password(PEOPLE[person], SITES[site], true, Code::Missing)
                else {
                    return;
                };
                if let Ok(minted) = self.world.ask_mint(&session, &format!("token {name}"), days) {
                    self.done(Ok(minted.changes));
                    self.tokens.push(minted.token.id);
                }
            }
            Step::SignIn { token, site } => {
                let Some(id) = self.tokens.get(token % self.tokens.len().max(1)).copied() else { return };
                if let Ok(signed) = self.world.sign_in(id, SITES[site]) {
                    self.sessions.push(signed.session.id);
                }
            }
            Step::Password { person, site, interactive } => {
                let answer = self.world.password(PEOPLE[person], SITES[site], interactive, Code::Missing);
                if let Ok(session) = answer {
                    self.sessions.push(session.id);
                }
            }
            Step::SetPassword { session } => {
                let Some(mut session) = self.accepted(session).filter(|s| s.token.is_none()) else { return };
                // The model does not tell password sessions apart; here the person does it in person.
                if session.kind == SessionKind::Password {
                    session.kind = SessionKind::Interactive;
                    self.world.put(Row::Session(session.clone()));
                }
                let answer = self.world.as_caller(&session, |w, cx, caller| {
                    let held = w.password_of(session.user).expect("a password");
                    set_password(cx, caller, true, &held, PhcDigest("$x$3".into()))
                });
                assert!(self.done(answer), "a person may change the own password");
            }
            Step::SignOut { session } => {
                let Some(session) = self.accepted(session) else { return };
                let answer = self.world.ask(session.user, |w, cx| {
                    sign_out(cx, &session, session.token.and_then(|t| w.token(t.id)).as_ref())
                });
                assert!(self.done(answer), "a live session may be signed out");
            }
            Step::Switch { session, site } => self.switch(session, site),
            Step::Revoke { token, by_admin } => {
                let Some(id) = self.tokens.get(token % self.tokens.len().max(1)).copied() else { return };
                let token = self.world.token(id).expect("a token");
                let by = if by_admin { ADMIN } else { token.owner };
                let Ok(session) = self.world.password(by, token.site, true, Code::Missing) else { return };
                let answer = self.world.as_caller(&session, |w, cx, caller| {
                    revoke_token(cx, caller, &token, token.session.and_then(|s| w.session(s)).as_ref())
                });
                self.done(answer);
            }
            Step::RevokeAll { person, site } => {
                let admin = self.world.present(ADMIN, SITES[site]);
                let member = self.world.membership(SITES[site], PEOPLE[person]).expect("a membership");
                let answer = self.world.as_caller(&admin, |_, cx, caller| revoke_all(cx, caller, &member));
                self.done(answer);
            }
            Step::RevokeBefore { site, ago } => {
                let admin = self.world.present(ADMIN, SITES[site]);
                let (row, before) =
                    (self.world.site(SITES[site]).expect("a site"), self.world.now.minus(Span(ago)));
                let answer =
                    self.world.as_caller(&admin, |_, cx, caller| revoke_before(cx, caller, &row, before));
                assert!(self.done(answer), "an admin may");
            }
            Step::Disable { person, site } => {
                self.change_member(person, site, MemberChange { disabled: Some(true), role: None });
            }
            Step::Enable { person, site } => {
                self.change_member(person, site, MemberChange { disabled: Some(false), role: None });
            }
            Step::Role { person, site, licensed } => {
                let role = if licensed { SiteRole::Explorer } else { SiteRole::Unlicensed };
                self.change_member(person, site, MemberChange { role: Some(role), disabled: None });
            }
            Step::Remove { person, site } => {
                let admin = self.world.present(ADMIN, SITES[site]);
                let member = self.world.membership(SITES[site], PEOPLE[person]).expect("a membership");
                let answer =
                    self.world.as_caller(&admin, |_, cx, caller| remove_member(cx, caller, &member, &[]));
                self.done(answer);
            }
            Step::Rejoin { person, site } => self.rejoin(person, site),
            Step::DisablePerson { person } => {
                let user = self.world.user(PEOPLE[person]).expect("a person");
                let changes = self.world.ask(ADMIN, |_, cx| disable_person(cx, &user));
                self.done(Ok(changes));
            }
            Step::EnablePerson { person } => {
                let user = self.world.user(PEOPLE[person]).expect("a person");
                let changes = self.world.ask(ADMIN, |_, cx| enable_person(cx, &user));
                self.done(Ok(changes));
            }
            Step::Policy { site, change } => self.policy(site, change),
            Step::Sweep { site } => self.sweep(site),
            Step::Wait { span } => self.world.wait(Span(span)),
        }
    }
}

impl StateMachineTest for Patd {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        Self::new()
    }

    fn apply(mut patd: Self, _: &Model, step: Step) -> Self {
        patd.step(&step);
        patd
    }

    fn check_invariants(patd: &Self, model: &Model) {
        assert_eq!(patd.world.now.0, model.now);
        assert_eq!(patd.tokens.len(), model.tokens.len(), "the same mints succeed");
        assert_eq!(patd.sessions.len(), model.sessions.len(), "the same sign-ins succeed");
        for (i, id) in patd.sessions.iter().enumerate() {
            let state = patd.world.state(*id);
            assert_eq!(state.is_ok(), model.session_lives(i), "session {i}: {state:?}, model {model:#?}");
            if let (Err(refusal), Some(why)) = (&state, model.sessions[i].dead) {
                assert_eq!(refusal.name(), why, "session {i}");
            }
        }
        for (i, id) in patd.tokens.iter().enumerate() {
            assert!(patd.world.live_sessions_of(*id) <= 1, "R3: token {i} has two live sessions");
            for (s, site) in SITES.iter().enumerate() {
                let refusal = patd.world.clone().ask_sign_in(*id, *site).err().map(|r| r.name());
                assert_eq!(refusal, model.token_refusal(i, s), "token {i} at site {s}, model {model:#?}");
            }
        }
        for (s, site) in SITES.iter().enumerate() {
            for (p, person) in PEOPLE.iter().enumerate() {
                let state = patd.world.membership(*site, *person).expect("a membership").state;
                let active = model.members[s][p].standing == crate::model::Standing::Active;
                assert_eq!(state == MemberState::Active, active);
            }
        }
    }
}

proptest_state_machine::prop_state_machine! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_and_a_naive_model_agree_after_every_step(sequential 1..60 => Patd);
}
