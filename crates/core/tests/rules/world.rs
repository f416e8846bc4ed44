//! A tiny store in memory and the records of two sites, so that the rules' changes can be applied and judged.

use std::collections::{BTreeMap, HashSet};

use patd_core::changes::{Row, RowKey};
use patd_core::event::{Actor, Event, EventType, Origin};
use patd_core::id::{
    Epoch, EventId, HomeNumber, InvitationId, SessionId, SiteLuid, TokenId, UserLuid, Version,
};
use patd_core::name::{ContentUrl, SiteRole, TokenName, Username};
use patd_core::notice::Muted;
use patd_core::record::{
    Invitation, MemberState, Membership, Password, Policy, Session, Site, SiteState, Token, Totp, User,
};
use patd_core::refusal::Refusal;
use patd_core::rules::invite::NewInvitation;
use patd_core::rules::mint::{Mint, Minted, mint};
use patd_core::rules::password::{Code, PasswordSignIn, sign_in_with_password};
use patd_core::rules::session::{SessionFacts, session_state};
use patd_core::rules::sign_in::{SignedIn, TokenSignIn, sign_in_with_token};
use patd_core::rules::{Caller, Context, NewSession, Place};
use patd_core::secret::{FastDigest, PhcDigest};
use patd_core::time::{Span, Timestamp};
use uuid::Uuid;

/// The first site; tokens are minted here unless a test says otherwise.
pub(crate) const ACME: SiteLuid = SiteLuid(Uuid::from_u128(0xac));
/// The second site.
pub(crate) const GLOBEX: SiteLuid = SiteLuid(Uuid::from_u128(0x91));
/// Member of both sites, admin of neither.
pub(crate) const MEMBER: UserLuid = UserLuid(Uuid::from_u128(0x11));
/// Another such member.
pub(crate) const OTHER: UserLuid = UserLuid(Uuid::from_u128(0x12));
/// Admin of acme and member of globex.
pub(crate) const ADMIN: UserLuid = UserLuid(Uuid::from_u128(0x1a));

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) rows: BTreeMap<String, Row>,
    pub(crate) events: Vec<Event>,
    pub(crate) applied: HashSet<Uuid>,
    /// Where requests come from.
    pub(crate) address: String,
    next: u128,
}

pub(crate) fn index(key: RowKey) -> String {
    format!("{key:?}")
}

macro_rules! getters {
    ($($name:ident($($arg:ident: $ty:ty),+) $key:expr => $row:ident),+ $(,)?) => {$(
        pub(crate) fn $name(&self, $($arg: $ty),+) -> Option<$row> {
            match self.rows.get(&index($key)) {
                Some(Row::$row(row)) => Some(row.clone()),
                _ => None,
            }
        }
    )+};
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            now: Timestamp(1_800_000_000_000_000),
            rows: BTreeMap::new(),
            events: Vec::new(),
            applied: HashSet::new(),
            address: "192.0.2.1".into(),
            next: 1_000,
        };
        for (luid, name, home) in [(ACME, "acme", 7), (GLOBEX, "globex", 8)] {
            world.put(Row::Site(site(luid, name, home, world.now)));
        }
        for (luid, name) in [(MEMBER, "member"), (OTHER, "other"), (ADMIN, "admin")] {
            world.put(Row::User(user(luid, name, world.now)));
            for at in [ACME, GLOBEX] {
                let admin = luid == ADMIN && at == ACME;
                let role = if admin { SiteRole::SiteAdministratorCreator } else { SiteRole::Creator };
                world.put(Row::Membership(membership(at, luid, role, world.now)));
            }
            let digest = PhcDigest("$x$1".into());
            let password = Password { user: luid, digest, changed_at: world.now, version: Version(1) };
            world.put(Row::Password(password));
        }
        world
    }

    getters! {
        site(luid: SiteLuid) RowKey::Site(luid) => Site,
        user(luid: UserLuid) RowKey::User(luid) => User,
        membership(site: SiteLuid, user: UserLuid) RowKey::Membership(site, user) => Membership,
        password_of(user: UserLuid) RowKey::Password(user) => Password,
        totp(user: UserLuid) RowKey::Totp(user) => Totp,
        invitation(id: InvitationId) RowKey::Invitation(id) => Invitation,
        token(id: TokenId) RowKey::Token(id) => Token,
        session(id: SessionId) RowKey::Session(id) => Session,
    }

    pub(crate) fn put(&mut self, row: Row) {
        self.rows.insert(index(row.key()), row);
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.rows
            .values()
            .filter_map(|r| if let Row::Token(t) = r { Some(t.clone()) } else { None })
            .collect()
    }

    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.rows
            .values()
            .filter_map(|r| if let Row::Session(s) = r { Some(s.clone()) } else { None })
            .collect()
    }

    pub(crate) fn invitations(&self) -> Vec<Invitation> {
        self.rows
            .values()
            .filter_map(|r| if let Row::Invitation(i) = r { Some(i.clone()) } else { None })
            .collect()
    }

    pub(crate) fn fresh(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(self.next)
    }

    pub(crate) fn new_session(&mut self) -> NewSession {
        NewSession { id: SessionId(self.fresh()), digest: FastDigest([7; 32]) }
    }

    pub(crate) fn new_invitation(&mut self) -> NewInvitation {
        let expires_at = self.now.plus(Span::days(7));
        NewInvitation { id: InvitationId(self.fresh()), digest: FastDigest([9; 32]), expires_at }
    }

    pub(crate) fn wait(&mut self, span: Span) {
        self.now = self.now.plus(span);
    }

    /// Asks a rule, as the person `actor`.
    pub(crate) fn ask<T>(&mut self, actor: UserLuid, rule: impl FnOnce(&Self, &mut Context<'_>) -> T) -> T {
        let mut next = self.next;
        let username = self.user(actor).expect("a known person").username.as_str().to_owned();
        let answer = {
            let mut event_id = || {
                next += 1;
                EventId(Uuid::from_u128(next))
            };
            let mut cx = Context {
                now: self.now,
                actor: Actor::User { luid: actor, username },
                origin: Origin { address: self.address.clone(), user_agent: "test".into() },
                event_id: &mut event_id,
            };
            rule(self, &mut cx)
        };
        self.next = next;
        answer
    }

    /// Signs in with the right password.
    pub(crate) fn password(
        &mut self,
        user: UserLuid,
        at: SiteLuid,
        interactive: bool,
        code: Code,
    ) -> Result<Session, Refusal> {
        let new = self.new_session();
        let signed = self.ask(user, |w, cx| {
            let (site, member) = (w.site(at).expect("a site"), w.membership(at, user));
            sign_in_with_password(
                cx,
                PasswordSignIn {
                    password_ok: true,
                    interactive,
                    code,
                    user: &w.user(user).expect("a person"),
                    totp: w.totp(user).as_ref(),
                    visited: member.as_ref().map(|member| Place { site: &site, member }),
                    new,
                },
            )
        })?;
        self.apply(&signed.changes).expect("nobody raced");
        Ok(signed.session)
    }

    /// An interactive session.
    pub(crate) fn present(&mut self, user: UserLuid, at: SiteLuid) -> Session {
        self.password(user, at, true, Code::Missing).expect("the right password")
    }

    /// Calls a rule with the caller that a session stands for.
    pub(crate) fn as_caller<T>(
        &mut self,
        session: &Session,
        rule: impl FnOnce(&Self, &mut Context<'_>, Caller<'_>) -> T,
    ) -> T {
        self.ask(session.user, |w, cx| {
            let user = w.user(session.user).expect("a person");
            let member = w.membership(session.site, session.user).expect("a member");
            rule(w, cx, Caller { session, user: &user, member: &member })
        })
    }

    /// Asks for a token, without applying the answer.
    pub(crate) fn ask_mint(
        &mut self,
        session: &Session,
        name: &str,
        lifetime_days: Option<u32>,
    ) -> Result<Minted, Refusal> {
        let id = TokenId(self.fresh());
        self.as_caller(session, |w, cx, caller| {
            let own = |t: &Token| t.owner == session.user && t.site == session.site && t.ended.is_none();
            let open: Vec<Token> = w.tokens().into_iter().filter(own).collect();
            let name = TokenName::parse(name).expect("a name");
            let ask = Mint { id, name, digest: PhcDigest("$x$2".into()), lifetime_days };
            mint(cx, caller, &w.site(session.site).expect("a site"), &open, &w.sessions(), ask)
        })
    }

    /// Mints a token.
    pub(crate) fn mint(&mut self, session: &Session, name: &str) -> Result<Token, Refusal> {
        let minted = self.ask_mint(session, name, None)?;
        self.apply(&minted.changes).expect("nobody raced");
        Ok(minted.token)
    }

    /// A fresh token of a person at a site.
    pub(crate) fn token_of(&mut self, user: UserLuid, at: SiteLuid, name: &str) -> Token {
        let session = self.present(user, at);
        self.mint(&session, name).expect("may mint")
    }

    /// Asks for a sign-in with a token, without applying the answer.
    pub(crate) fn ask_sign_in(&mut self, id: TokenId, at: SiteLuid) -> Result<SignedIn, Refusal> {
        let new = self.new_session();
        let owner = self.token(id).expect("a token").owner;
        self.ask(owner, |w, cx| {
            let token = w.token(id).expect("a token");
            let home =
                (w.site(token.site).expect("a site"), w.membership(token.site, owner).expect("a member"));
            let visited = (w.site(at).expect("a site"), w.membership(at, owner));
            let previous = token.session.and_then(|id| w.session(id));
            let previous_at = previous
                .as_ref()
                .map(|s| (w.site(s.site).expect("a site"), w.membership(s.site, owner).expect("a member")));
            sign_in_with_token(
                cx,
                TokenSignIn {
                    credential_ok: true,
                    claimed_name: None,
                    token: &token,
                    previous: previous.as_ref(),
                    previous_at: previous_at.as_ref().map(|(site, member)| Place { site, member }),
                    owner: &w.user(owner).expect("a person"),
                    home: Place { site: &home.0, member: &home.1 },
                    visited: visited.1.as_ref().map(|member| Place { site: &visited.0, member }),
                    new,
                },
            )
        })
    }

    /// Signs in with a token.
    pub(crate) fn sign_in(&mut self, id: TokenId, at: SiteLuid) -> Result<SignedIn, Refusal> {
        let signed = self.ask_sign_in(id, at)?;
        self.apply(&signed.changes).expect("nobody raced");
        Ok(signed)
    }

    /// Whether a session is accepted now.
    pub(crate) fn state(&self, id: SessionId) -> Result<(), Refusal> {
        let session = self.session(id).ok_or(Refusal::CredentialsRejected)?;
        let user = self.user(session.user).expect("a person");
        let at = |luid| {
            (self.site(luid).expect("a site"), self.membership(luid, session.user).expect("a membership"))
        };
        let visited = at(session.site);
        let home = session.token.map(|token| at(token.home));
        let facts = SessionFacts {
            user: &user,
            visited: Place { site: &visited.0, member: &visited.1 },
            home: home.as_ref().map(|(site, member)| Place { site, member }),
        };
        session_state(&session, facts, self.now)
    }

    /// How many sessions of a token are accepted now.
    pub(crate) fn live_sessions_of(&self, token: TokenId) -> usize {
        let own = |s: &&Session| s.token.is_some_and(|own| own.id == token);
        self.sessions().iter().filter(own).filter(|s| self.state(s.id).is_ok()).count()
    }

    /// The kinds of the events since the `n`-th.
    pub(crate) fn kinds_since(&self, n: usize) -> Vec<EventType> {
        self.events[n..].iter().map(|e| e.kind).collect()
    }

    /// Changes a site's policy without further ado.
    pub(crate) fn set_policy(&mut self, luid: SiteLuid, change: impl FnOnce(&mut Policy)) {
        let mut site = self.site(luid).expect("a site");
        change(&mut site.policy);
        self.put(Row::Site(site));
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        pat_enabled: true,
        mint_allowed: true,
        max_lifetime: Span::days(365),
        idle_limit: Span::days(15),
        session_lifetime: Span::minutes(120),
        tokens_per_user: 104,
        foreign_tokens: true,
        switch_site: true,
    }
}

fn site(luid: SiteLuid, name: &str, home: u32, created_at: Timestamp) -> Site {
    Site {
        luid,
        key: name.into(),
        content_url: ContentUrl::parse(name).expect("a content URL"),
        name: name.into(),
        home: HomeNumber(home),
        state: SiteState::Active,
        policy: policy(),
        not_before: Timestamp(0),
        credential: None,
        created_at,
        version: Version(1),
    }
}

fn user(luid: UserLuid, name: &str, created_at: Timestamp) -> User {
    User {
        luid,
        username: Username::parse(name).expect("a username"),
        full_name: String::new(),
        email: String::new(),
        disabled: false,
        access_epoch: Epoch(0),
        credential_epoch: Epoch(0),
        muted: Muted::default(),
        created_at,
        version: Version(1),
    }
}

fn membership(site: SiteLuid, user: UserLuid, role: SiteRole, created_at: Timestamp) -> Membership {
    Membership {
        site,
        user,
        role,
        state: MemberState::Active,
        access_epoch: Epoch(0),
        token_epoch: Epoch(0),
        created_at,
        version: Version(1),
    }
}
