//! A started store to talk to, and rows to put in. Small numbers stand for ids, so that a failure can be read.

use patd_abi::status;
use patd_proto::rows::{
    Actor, Ended, Event, EventDetail, Invitation, InvitationKind, MemberState, Membership, Password, Policy,
    Session, SessionEpochs, SessionKind, SessionToken, Site, SiteState, Token, TokenEpochs, Told, Totp, User,
};
use patd_proto::store::{
    Applied, ApplyReply, ApplyRequest, Changes, Conflict, Found, OutboxAck, OutboxBatch, OutboxTake, Query,
    QueryReply, QueryRequest, Row, SCHEMA, Waiting, Write, op,
};
use patd_proto::wire::{Bytes, Micros, Nat, Phc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::running::{Answer, Running, bytes};
use crate::case::ensure;
use crate::subject::{Elsewhere, Subject, status_name};

pub(crate) const DAY: i64 = 86_400_000_000;
pub(crate) const NOW: i64 = 1_763_000_000_000_000;
/// Ids of the tokens and sessions of pairs lie this far above their changes.
const TOKENS: u128 = 1 << 40;
const SESSIONS: u128 = 2 << 40;

/// A started store.
pub(crate) struct Store {
    pub(crate) running: Running,
}

impl Store {
    pub(crate) fn start(subject: &Subject) -> Result<Self, String> {
        Ok(Self { running: Running::start(subject)? })
    }

    /// A store in another place.
    pub(crate) fn start_at(subject: &Subject, place: &Elsewhere) -> Result<Self, String> {
        Ok(Self { running: Running::start_with(subject, &place.config)? })
    }

    /// One request, which must be answered OK.
    pub(crate) fn exchange<T: DeserializeOwned>(
        &self,
        op: u32,
        request: &impl Serialize,
    ) -> Result<T, String> {
        Self::read(op, &self.running.ask(op, &bytes(request))?)
    }

    /// One request of an optional operation; `None` when the store does without it.
    pub(crate) fn optional<T: DeserializeOwned>(
        &self,
        op: u32,
        request: &impl Serialize,
    ) -> Result<Option<T>, String> {
        let answer = self.running.ask(op, &bytes(request))?;
        if answer.status == status::UNSUPPORTED { Ok(None) } else { Self::read(op, &answer).map(Some) }
    }

    /// One request, which must be answered INVALID, with why.
    pub(crate) fn refused(&self, op: u32, request: &impl Serialize, what: &str) -> Result<String, String> {
        let answer = self.running.ask(op, &bytes(request))?;
        ensure(answer.status == status::INVALID, || {
            format!("{what} is answered {}, INVALID is asked for", status_name(answer.status))
        })?;
        ensure(!answer.detail.is_empty(), || format!("{what} is refused without a detail"))?;
        Ok(String::from_utf8_lossy(&answer.detail).into_owned())
    }

    fn read<T: DeserializeOwned>(op: u32, answer: &Answer) -> Result<T, String> {
        ensure(answer.status == status::OK, || {
            format!(
                "operation {op} answers {}: {}",
                status_name(answer.status),
                String::from_utf8_lossy(&answer.detail)
            )
        })?;
        serde_json::from_slice(&answer.payload)
            .map_err(|error| format!("the answer to operation {op} does not read: {error}"))
    }

    pub(crate) fn apply(&self, changes: &Changes) -> Result<Applied, String> {
        let request = ApplyRequest { schema: SCHEMA, changes: changes.clone() };
        self.exchange::<ApplyReply>(op::APPLY, &request).map(|reply| reply.applied)
    }

    /// A change that must be applied.
    pub(crate) fn done(&self, changes: &Changes) -> Result<(), String> {
        match self.apply(changes)? {
            Applied::Done => Ok(()),
            Applied::Conflict(conflict) => {
                Err(format!("a change without a conflict is refused: {conflict:?}"))
            }
        }
    }

    /// A change that must not be.
    pub(crate) fn conflict(&self, changes: &Changes, why: &str) -> Result<Conflict, String> {
        match self.apply(changes)? {
            Applied::Conflict(conflict) => Ok(conflict),
            Applied::Done => Err(format!("a change was applied {why}")),
        }
    }

    pub(crate) fn query(&self, queries: Vec<Query>) -> Result<Vec<Found>, String> {
        let asked = queries.len();
        let found = self.exchange::<QueryReply>(op::QUERY, &QueryRequest { schema: SCHEMA, queries })?.found;
        ensure(found.len() == asked, || format!("{asked} queries get {} answers", found.len()))?;
        Ok(found)
    }

    pub(crate) fn ask(&self, query: Query) -> Result<Found, String> {
        self.query(vec![query])?.pop().ok_or_else(|| "a query gets no answer".to_owned())
    }

    pub(crate) fn token(&self, number: u128) -> Result<Option<Token>, String> {
        match self.ask(Query::Token(id(number)))? {
            Found::Tokens(mut found) => Ok(found.pop()),
            other => Err(format!("the query for a token is answered with {other:?}")),
        }
    }

    /// Whether the token and the session of [`pair`] are there.
    pub(crate) fn has_pair(&self, number: u128) -> Result<[bool; 2], String> {
        Ok([self.token(TOKENS + number)?.is_some(), self.has_session(SESSIONS + number)?])
    }

    pub(crate) fn has_session(&self, number: u128) -> Result<bool, String> {
        match self.ask(Query::Session(id(number)))? {
            Found::Sessions(found) => Ok(!found.is_empty()),
            other => Err(format!("the query for a session is answered with {other:?}")),
        }
    }

    pub(crate) fn take(&self, sink: &str, after: Option<u64>, limit: u32) -> Result<Vec<Waiting>, String> {
        let after = after.map(Nat);
        let request = OutboxTake { schema: SCHEMA, sink: sink.into(), scope: None, after, limit };
        self.exchange::<OutboxBatch>(op::OUTBOX_TAKE, &request).map(|batch| batch.events)
    }

    pub(crate) fn acknowledge(&self, sink: &str, through: Nat) -> Result<(), String> {
        let request = OutboxAck { schema: SCHEMA, sink: sink.into(), scope: None, through, dead: Vec::new() };
        self.exchange::<serde_json::Value>(op::OUTBOX_ACK, &request).map(drop)
    }

    /// The ids of all events, in the order of the outbox.
    pub(crate) fn events(&self) -> Result<Vec<Uuid>, String> {
        Ok(self.take("nobody", None, 1_000_000)?.into_iter().map(|waiting| waiting.event.id).collect())
    }

    pub(crate) fn stop(self) -> Result<(), String> {
        self.running.stop().map(drop)
    }
}

pub(crate) const fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn token(number: u128) -> Token {
    Token {
        id: id(number),
        site: id(1),
        owner: id(2),
        name: format!("token {number}"),
        digest: Phc(format!("$x$i=1$c2FsdA$digest-of-{number}")),
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

pub(crate) fn session(number: u128, of: Option<u128>) -> Session {
    Session {
        id: id(number),
        kind: if of.is_some() { SessionKind::Token } else { SessionKind::Interactive },
        token: of.map(|of| SessionToken {
            id: id(of),
            home: id(1),
            minted_at: Micros(NOW),
            expires_at: Micros(NOW + 365 * DAY),
            idle_expires_at: Micros(NOW + 15 * DAY),
        }),
        user: id(2),
        site: id(1),
        digest: Bytes(number.to_be_bytes().repeat(2)),
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

pub(crate) fn user(number: u128, username: &str) -> User {
    User {
        luid: id(number),
        username: username.into(),
        full_name: "Änne \"O'Hara\" \u{1f511}".into(),
        email: String::new(),
        disabled: false,
        access_epoch: Nat(0),
        credential_epoch: Nat(7),
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
        token_epoch: Nat(1 << 60),
        created_at: Micros(NOW),
        version: Nat(1),
    }
}

pub(crate) fn site(number: u32) -> Site {
    let luid = id(u128::from(number));
    Site {
        luid,
        key: format!("site{number}"),
        content_url: format!("Site{number}"),
        name: "A site".into(),
        home: u32::MAX - number,
        state: SiteState::Active,
        policy: Policy {
            pat_enabled: true,
            mint_allowed: false,
            max_lifetime: Micros(365 * DAY),
            idle_limit: Micros(15 * DAY),
            session_lifetime: Micros(DAY),
            tokens_per_user: 104,
            foreign_tokens: true,
            switch_site: false,
        },
        not_before: Micros(-1),
        credential: None,
        created_at: Micros(NOW),
        version: Nat(1),
    }
}

pub(crate) fn password(user: u128) -> Password {
    Password {
        user: id(user),
        digest: Phc("$p$i=1$c2FsdA$x".into()),
        changed_at: Micros(NOW),
        version: Nat(1),
    }
}

pub(crate) fn totp(user: u128) -> Totp {
    Totp {
        user: id(user),
        sealed_secret: Bytes(vec![0, 255, 1]),
        confirmed: true,
        last_step: Nat(58_000_000),
        recovery: vec![Bytes(vec![1; 32]), Bytes(vec![2; 32])],
        version: Nat(1),
    }
}

pub(crate) fn invitation(number: u128, user: u128) -> Invitation {
    Invitation {
        id: id(number),
        kind: InvitationKind::Join,
        site: Some(id(1)),
        user: id(user),
        digest: Bytes(vec![7; 32]),
        created_at: Micros(NOW),
        expires_at: Micros(NOW + DAY),
        spent_at: Some(Micros(NOW + 1)),
        version: Nat(1),
    }
}

pub(crate) fn event(number: u128) -> Event {
    Event {
        id: id(number),
        time: Micros(NOW),
        site: Some(id(1)),
        kind: "patd.token.minted".into(),
        actor: Actor::User { luid: id(2), username: "Ann".into() },
        user: Some(id(2)),
        token: Some(id(3)),
        session: None,
        address: "2001:db8::1".into(),
        user_agent: "kit".into(),
        reason: String::new(),
        count: 1,
        detail: Some(Box::new(EventDetail {
            days: Some(5),
            token_name: Some("\"ci\"".into()),
            ..EventDetail::default()
        })),
        seq: Nat(number as u64),
    }
}

pub(crate) fn ended(successor: Option<u128>) -> Option<Ended> {
    Some(Ended { at: Micros(NOW + 1), reason: "superseded".into(), successor: successor.map(id) })
}

/// A change with one event, whose id is its key.
pub(crate) fn change(number: u128, write: Vec<Write>) -> Changes {
    Changes { id: id(number), expect: Vec::new(), write, events: vec![event(number)] }
}

pub(crate) fn insert_token(token: Token) -> Write {
    Write::Insert(Row::Token(token))
}

pub(crate) fn insert_session(session: Session) -> Write {
    Write::Insert(Row::Session(session))
}

pub(crate) fn update_token(token: Token) -> Write {
    Write::Update(Row::Token(token))
}

/// A change that writes a token, its session and an event, which belong together.
pub(crate) fn pair(number: u128) -> Changes {
    let (minted, opened) = (token(TOKENS + number), session(SESSIONS + number, Some(TOKENS + number)));
    change(number, vec![insert_token(minted), insert_session(opened)])
}
