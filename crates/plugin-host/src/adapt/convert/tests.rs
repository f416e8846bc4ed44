//! Conversions lose nothing, and refuse what the contract does not allow.

use patd_core::changes::{Changes, Conflict, Expect, Row, RowKey, Write};
use patd_core::event::{Actor, Detail, EndReason, Event, EventType, Origin, TokenEnd};
use patd_core::id::{Epoch, EventId, SessionId, SiteLuid, TokenId, UserLuid, Version};
use patd_core::name::TokenName;
use patd_core::network::Network;
use patd_core::record::{Ended, Session, SessionEpochs, SessionKind, SessionToken, Token, TokenEpochs, Told};
use patd_core::secret::{FastDigest, PhcDigest};
use patd_core::time::{Span, Timestamp};
use patd_proto::store as wire;
use patd_service::ports::{Applied, Found, Query};
use uuid::Uuid;

use super::*;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn token() -> Token {
    Token {
        id: TokenId(id(1)),
        site: SiteLuid(id(2)),
        owner: UserLuid(id(3)),
        name: TokenName::parse("build server").expect("a name"),
        digest: PhcDigest("$pbkdf2-sha256$i=1,l=32$c2FsdA$AAAA".into()),
        created_at: Timestamp(10),
        expires_at: Timestamp(20),
        last_used_at: Some(Timestamp(15)),
        idle_limit: Span(5),
        told: Told { absolute_days: Some(7), idle_days: Some(1) },
        networks: ["192.0.2.0/24", "2001:db8::/64"]
            .map(|text| Network::parse(text).expect("a network"))
            .to_vec(),
        session: Some(SessionId(id(4))),
        ended: Some(Ended {
            at: Timestamp(17),
            reason: EndReason::Revoked,
            successor: Some(SessionId(id(5))),
        }),
        epochs: TokenEpochs { person: Epoch(1), member: Epoch(2), token: Epoch(u64::MAX) },
        version: Version(9),
    }
}

fn session() -> Session {
    Session {
        id: SessionId(id(4)),
        kind: SessionKind::Token,
        token: Some(SessionToken {
            id: TokenId(id(1)),
            home: SiteLuid(id(2)),
            minted_at: Timestamp(10),
            expires_at: Timestamp(20),
            idle_expires_at: Timestamp(19),
        }),
        user: UserLuid(id(3)),
        site: SiteLuid(id(2)),
        digest: FastDigest([7; 32]),
        created_at: Timestamp(11),
        expires_at: Timestamp(19),
        ended: None,
        epochs: SessionEpochs {
            person: Epoch(1),
            credential: Epoch(2),
            member: Epoch(3),
            home_member: Epoch(4),
            token: Epoch(5),
        },
        version: Version(2),
    }
}

/// Through JSON, as a plug-in sees it.
fn travelled<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(value).expect("writes")).expect("reads")
}

#[test]
fn rows_come_back_as_they_went() {
    for row in [Row::Token(token()), Row::Session(session())] {
        assert_eq!(changes::row_in(travelled(&changes::row_out(row.clone()))).as_ref(), Ok(&row));
        assert_eq!(changes::key_in(travelled(&changes::key_out(row.key()))), row.key());
    }
}

#[test]
fn events_come_back_as_they_went() {
    for kind in EventType::ALL {
        let event = Event {
            id: EventId(id(6)),
            time: Timestamp(1_700_000_000_000_000),
            site: Some(SiteLuid(id(2))),
            kind,
            actor: Actor::User { luid: UserLuid(id(3)), username: "ada".into() },
            user: Some(UserLuid(id(3))),
            token: None,
            session: Some(SessionId(id(4))),
            origin: Origin { address: "::1".into(), user_agent: "curl".into() },
            reason: "why".into(),
            count: 3,
            detail: Some(Box::new(Detail {
                ends: Some(TokenEnd::Idle),
                days: Some(5),
                ends_at: Some(Timestamp(1_700_000_000_000_001)),
                token_name: Some("ci".into()),
                network: Some("192.0.2.0/24".into()),
                found_at: Some("https://example.test/a".into()),
                tokens: Some(1),
                expiring: Some(2),
                unused: Some(3),
                not_before: Some(Timestamp(1_700_000_000_000_002)),
                not_before_was: Some(Timestamp(0)),
                seal: Some("{}".into()),
            })),
            seq: 7,
        };
        assert_eq!(rows::event_in(travelled(&rows::event_out(event.clone()))), Ok(event));
    }
}

#[test]
fn a_unit_of_work_keeps_its_order_and_its_bounds() {
    let work = Changes {
        id: id(6),
        expect: vec![
            Expect::Absent(RowKey::Token(TokenId(id(1)))),
            Expect::LiveTokensAtMost {
                site: SiteLuid(id(2)),
                owner: UserLuid(id(3)),
                max: 104,
                besides: vec![TokenId(id(8))],
            },
        ],
        write: vec![
            Write::Insert(Row::Token(token())),
            Write::Delete(RowKey::Session(SessionId(id(4))), Version(2)),
        ],
        events: Vec::new(),
    };
    let out = travelled(&changes::outward(work));
    assert_eq!(out.id, id(6));
    assert!(
        matches!(&out.expect[1], wire::Expect::LiveTokensAtMost { max: 104, besides, .. } if *besides == [id(8)])
    );
    assert!(matches!(&out.write[0], wire::Write::Insert(wire::Row::Token(row)) if row.id == id(1)));
    assert!(matches!(&out.write[1], wire::Write::Delete { .. }));
}

#[test]
fn a_conflict_brings_the_current_row() {
    let current = Some(Box::new(changes::row_out(Row::Token(token()))));
    let row = wire::RowKey::Token(id(1));
    let read = changes::applied(wire::Applied::Conflict(wire::Conflict::Row { row, current }));
    let expected = Conflict::Row(RowKey::Token(TokenId(id(1))), Some(Box::new(Row::Token(token()))));
    assert_eq!(read, Ok(Applied::Conflict(expected)));
}

#[test]
fn answers_of_another_kind_or_for_another_row_are_refused() {
    let other = rows::token_out(Token { id: TokenId(id(99)), ..token() });
    let asked = query::outward(Query::Token(TokenId(id(1))));
    for found in [
        wire::Found::Tokens(vec![other]),
        wire::Found::Tokens(vec![rows::token_out(token()), rows::token_out(token())]),
        wire::Found::Time(None),
    ] {
        assert!(query::inward(&asked, found).is_err());
    }
    let right = query::inward(&asked, wire::Found::Tokens(vec![rows::token_out(token())]));
    assert!(matches!(right, Ok(Found::Tokens(rows)) if rows == [token()]));
}

#[test]
fn a_session_of_another_token_is_refused_beside_a_token() {
    let asked = query::outward(Query::TokenAndSession(TokenId(id(1))));
    let mut stranger = session();
    stranger.token = stranger.token.map(|token| SessionToken { id: TokenId(id(99)), ..token });
    let found = |session| {
        let found = wire::TokenAndSession {
            token: rows::token_out(token()),
            session: Some(rows::session_out(session)),
        };
        query::inward(&asked, wire::Found::TokenAndSession(Some(Box::new(found))))
    };
    assert!(found(stranger).is_err());
    assert!(found(session()).is_ok());
}

#[test]
fn bad_words_and_lengths_are_named_but_not_quoted() {
    let mut bad = rows::session_out(session());
    bad.digest = patd_proto::wire::Bytes(vec![7; 31]);
    let error = rows::session_in(bad).expect_err("short");
    assert_eq!(error.to_string(), "the store answered a session with a bad digest");
    let mut lost = rows::session_out(session());
    lost.token = None;
    assert!(rows::session_in(lost).is_err());
    let mut word = rows::token_out(token());
    word.ended.as_mut().expect("ended").reason = "bored".into();
    assert!(rows::token_in(word).is_err());
}
