//! Rows and stores for the tests.

use patd_proto::rows::{
    Actor, Ended, Event, EventDetail, MemberState, Membership, Policy, Session, SessionEpochs, SessionKind,
    SessionToken, Site, SiteState, Token, TokenEpochs, Told, User,
};
use patd_proto::store::{Applied, Changes, Found, Query, Row, Write};
use patd_proto::wire::{Bytes, Micros, Nat, Phc};
use store_sql::{Config, Engine};
use uuid::Uuid;

pub(crate) const DAY: i64 = 86_400_000_000;
pub(crate) const NOW: i64 = 1_763_000_000_000_000;

pub(crate) struct Scratch {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) engine: Engine,
}

pub(crate) async fn scratch() -> Scratch {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let engine =
        Engine::open(Config::at(&folder.path().join("in/store.db")), None).await.expect("the store opens");
    Scratch { folder, engine }
}

pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(crate) fn token(n: u128) -> Token {
    Token {
        id: id(n),
        site: id(1),
        owner: id(2),
        name: format!("token {n}"),
        digest: Phc(format!("$x$i=1$c2FsdA$digest-of-{n}")),
        created_at: Micros(NOW),
        expires_at: Micros(NOW + 365 * DAY),
        last_used_at: None,
        idle_limit: Micros(15 * DAY),
        due_at: Micros(NOW + 15 * DAY),
        told: Told { absolute_days: Some(30), idle_days: None },
        networks: vec!["192.0.2.0/24".into(), "2001:db8::/64".into()],
        session: None,
        ended: None,
        epochs: TokenEpochs { person: Nat(1), member: Nat(2), token: Nat(3) },
        version: Nat(1),
    }
}

pub(crate) fn session(n: u128, token: Option<&Token>) -> Session {
    Session {
        id: id(n),
        kind: if token.is_some() { SessionKind::Token } else { SessionKind::Interactive },
        token: token.map(|t| SessionToken {
            id: t.id,
            home: t.site,
            minted_at: t.created_at,
            expires_at: t.expires_at,
            idle_expires_at: Micros(NOW + 15 * DAY),
        }),
        user: id(2),
        site: id(1),
        digest: Bytes(vec![u8::try_from(n % 256).expect("a byte"); 32]),
        created_at: Micros(NOW),
        expires_at: Micros(NOW + DAY),
        ended: None,
        epochs: SessionEpochs {
            person: Nat(1),
            credential: Nat(0),
            member: Nat(2),
            home_member: Nat(2),
            token: Nat(3),
        },
        version: Nat(1),
    }
}

pub(crate) fn event(n: u128) -> Event {
    Event {
        id: id(n),
        time: Micros(NOW),
        site: Some(id(1)),
        kind: "patd.token.minted".into(),
        actor: Actor::User { luid: id(2), username: "Ann".into() },
        user: Some(id(2)),
        token: None,
        session: None,
        address: "192.0.2.1".into(),
        user_agent: "test".into(),
        reason: String::new(),
        count: 1,
        detail: Some(Box::new(EventDetail {
            days: Some(5),
            token_name: Some("\"ci\"".into()),
            ..EventDetail::default()
        })),
        seq: Nat(n as u64),
    }
}

pub(crate) fn site(n: u128) -> Site {
    Site {
        luid: id(n),
        key: format!("site{n}"),
        content_url: format!("Site{n}"),
        name: "A site".into(),
        home: u32::try_from(n).expect("small"),
        state: SiteState::Active,
        policy: Policy {
            pat_enabled: true,
            mint_allowed: true,
            max_lifetime: Micros(365 * DAY),
            idle_limit: Micros(15 * DAY),
            session_lifetime: Micros(DAY),
            tokens_per_user: 104,
            foreign_tokens: true,
            switch_site: false,
        },
        not_before: Micros(0),
        credential: None,
        created_at: Micros(NOW),
        version: Nat(1),
    }
}

pub(crate) fn user(n: u128, username: &str) -> User {
    User {
        luid: id(n),
        username: username.into(),
        full_name: "Somebody".into(),
        email: String::new(),
        disabled: false,
        access_epoch: Nat(0),
        credential_epoch: Nat(0),
        muted: vec!["token_minted".into(), "inventory".into()],
        created_at: Micros(NOW),
        version: Nat(1),
    }
}

pub(crate) fn member(site: u128, user: u128, state: MemberState) -> Membership {
    Membership {
        site: id(site),
        user: id(user),
        role: "Creator".into(),
        state,
        access_epoch: Nat(0),
        token_epoch: Nat(0),
        created_at: Micros(NOW),
        version: Nat(1),
    }
}

/// Ended now, superseded.
pub(crate) fn ended(successor: Option<u128>) -> Option<Ended> {
    Some(Ended { at: Micros(NOW + 1), reason: "superseded".into(), successor: successor.map(id) })
}

/// A change with one event, whose id is its key.
pub(crate) fn change(n: u128, write: Vec<Write>) -> Changes {
    Changes { id: id(n), expect: Vec::new(), write, events: vec![event(n)] }
}

pub(crate) fn insert_token(t: Token) -> Write {
    Write::Insert(Row::Token(t))
}

pub(crate) fn insert_session(s: Session) -> Write {
    Write::Insert(Row::Session(s))
}

impl Scratch {
    pub(crate) async fn apply(&self, changes: Changes) -> Applied {
        self.engine.apply(changes).await.expect("the store answers")
    }

    pub(crate) async fn done(&self, changes: Changes) {
        assert_eq!(self.apply(changes).await, Applied::Done);
    }

    pub(crate) async fn ask(&self, query: Query) -> Found {
        self.engine.query(vec![query]).await.expect("the store answers").pop().expect("one answer")
    }

    pub(crate) async fn token(&self, n: u128) -> Option<Token> {
        match self.ask(Query::Token(id(n))).await {
            Found::Tokens(mut found) => found.pop(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn session(&self, n: u128) -> Option<Session> {
        match self.ask(Query::Session(id(n))).await {
            Found::Sessions(mut found) => found.pop(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn events(&self) -> Vec<u128> {
        let waiting = self.engine.outbox_take("nobody", None, None, 10_000).await.expect("the store answers");
        waiting.iter().map(|w| w.event.id.as_u128()).collect()
    }
}

/// Runs the jobs together.
pub(crate) async fn join_all<F>(jobs: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future,
{
    // Polled in order before any is done, so that they meet in the writer's queue.
    let mut jobs: Vec<_> = jobs.map(|job| Some(Box::pin(job))).collect();
    let mut outcomes: Vec<Option<F::Output>> = jobs.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (job, outcome) in jobs.iter_mut().zip(&mut outcomes) {
            if let Some(running) = job
                && let std::task::Poll::Ready(done) = running.as_mut().poll(cx)
            {
                *outcome = Some(done);
                *job = None;
            }
        }
        if jobs.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outcomes.into_iter().map(|outcome| outcome.expect("is done")).collect()
}
