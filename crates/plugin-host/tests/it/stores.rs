//! The SQL store, really loaded: what goes in through the port comes out the same.

use std::path::Path;
use std::time::Duration;

use patd_core::changes::{Changes, Conflict, Expect, Row, RowKey, Write};
use patd_core::event::{Actor, Event, EventType, Origin};
use patd_core::id::{Epoch, EventId, SiteLuid, TokenId, UserLuid, Version};
use patd_core::name::{TokenName, Username};
use patd_core::network::Network;
use patd_core::notice::{Muted, Notice};
use patd_core::record::{Token, TokenEpochs, Told, User};
use patd_core::secret::PhcDigest;
use patd_core::time::{Span, Timestamp};
use patd_plugin_host::adapt::{PluginStore, StoreRole};
use patd_plugin_host::{Kind, ServiceHandle};
use patd_service::ports::{Applied, Found, Outlet, Query, Store, StoreError};
use serde_json::json;
use uuid::Uuid;

use crate::world::World;

const LONG: Duration = Duration::from_secs(30);

async fn open(file: &Path, role: StoreRole) -> PluginStore {
    let image = World::new().load("store-sql").expect("loads");
    let config = json!({ "url": format!("sqlite://{}", file.display()) });
    let handle = ServiceHandle::create(&image, Kind::Store, "store", &config).expect("creates");
    PluginStore::start(handle, role, LONG).await.expect("starts")
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn token() -> Token {
    Token {
        id: TokenId(id(1)),
        site: SiteLuid(id(2)),
        owner: UserLuid(id(3)),
        name: TokenName::parse("nightly build ✓").expect("a name"),
        digest: PhcDigest("$pbkdf2-sha256$i=1,l=32$c2FsdA$AAAA".into()),
        created_at: Timestamp(1_700_000_000_000_000),
        expires_at: Timestamp(1_800_000_000_000_000),
        last_used_at: None,
        idle_limit: Span::days(15),
        told: Told { absolute_days: None, idle_days: Some(5) },
        networks: Network::of("192.0.2.1").into_iter().collect(),
        session: None,
        ended: None,
        epochs: TokenEpochs { person: Epoch(1), member: Epoch(2), token: Epoch(3) },
        version: Version(1),
    }
}

fn mint() -> Changes {
    let event = Event {
        id: EventId(id(6)),
        time: Timestamp(1_700_000_000_000_000),
        site: Some(SiteLuid(id(2))),
        kind: EventType::TokenMinted,
        actor: Actor::User { luid: UserLuid(id(3)), username: "ada".into() },
        user: Some(UserLuid(id(3))),
        token: Some(TokenId(id(1))),
        session: None,
        origin: Origin { address: "::1".into(), user_agent: "test".into() },
        reason: String::new(),
        count: 1,
        detail: None,
        seq: 0,
    };
    Changes {
        id: event.id.0,
        expect: vec![Expect::Absent(RowKey::Token(TokenId(id(1))))],
        write: vec![Write::Insert(Row::Token(token()))],
        events: vec![event],
    }
}

fn outlet(sink: &str) -> Outlet {
    Outlet { sink: sink.to_owned(), scope: None }
}

#[tokio::test]
async fn a_minted_token_is_read_back_with_its_event_even_after_a_restart() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let file = scratch.path().join("sites/one.db");
    let store = open(&file, StoreRole::Site).await;
    assert_eq!(store.apply(mint()).await.expect("applied"), Applied::Done);
    // The same unit of work again is one unit of work.
    assert_eq!(store.apply(mint()).await.expect("applied"), Applied::Done);
    store.stop().await.expect("stops");
    assert!(matches!(store.health().await, Err(StoreError::Unavailable(_))));

    let store = open(&file, StoreRole::Site).await;
    store.health().await.expect("is well");
    let queries = vec![
        Query::Token(TokenId(id(1))),
        Query::TokenAndSession(TokenId(id(1))),
        Query::Token(TokenId(id(99))),
        Query::CountMintedBefore(SiteLuid(id(2)), Timestamp(i64::MAX)),
    ];
    let found = store.query(queries).await.expect("found");
    assert!(matches!(&found[0], Found::Tokens(rows) if *rows == [token()]), "{:?}", found[0]);
    assert!(matches!(&found[1], Found::TokensAndSessions(rows) if rows.len() == 1 && rows[0].1.is_none()));
    assert!(matches!(&found[2], Found::Tokens(rows) if rows.is_empty()));
    assert!(matches!(&found[3], Found::Counts(1, 0)), "{:?}", found[3]);

    let waiting = store.outbox_take(&outlet("file"), None, 10).await.expect("taken");
    assert_eq!(waiting.iter().map(|waiting| &waiting.event).collect::<Vec<_>>(), [&mint().events[0]]);
    store.outbox_ack(&outlet("file"), waiting[0].position, Vec::new()).await.expect("acknowledged");
    assert!(store.outbox_take(&outlet("file"), None, 10).await.expect("taken").is_empty());
    assert_eq!(store.outbox_take(&outlet("other"), None, 10).await.expect("taken").len(), 1);
    assert_eq!(store.events_after(0, 10).await.expect("read").len(), 1);
    assert!(store.events_after(waiting[0].position, 10).await.expect("read").is_empty());

    let status = store.schema().await.expect("status");
    assert!(!status.applied.is_empty() && status.pending.is_empty(), "{status:?}");
    let backup = scratch.path().join("backup.db");
    store.backup(&backup.display().to_string()).await.expect("backed up");
    assert!(backup.exists());
    store.stop().await.expect("stops");
}

#[tokio::test]
async fn a_conflict_brings_the_row_as_it_is_now() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let store = open(&scratch.path().join("one.db"), StoreRole::Site).await;
    store.apply(mint()).await.expect("applied");
    let stale = Token { version: Version(7), ..token() };
    let work =
        Changes { id: id(50), expect: vec![], write: vec![Write::Update(Row::Token(stale))], events: vec![] };
    let conflict = Conflict::Row(RowKey::Token(TokenId(id(1))), Some(Box::new(Row::Token(token()))));
    assert_eq!(store.apply(work).await.expect("answered"), Applied::Conflict(conflict));
    store.stop().await.expect("stops");
}

#[tokio::test]
async fn user_names_are_found_and_unique_without_case() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let store = open(&scratch.path().join("directory.db"), StoreRole::Directory).await;
    let user = |number, name| User {
        luid: UserLuid(id(number)),
        username: Username::parse(name).expect("a name"),
        full_name: String::new(),
        email: String::new(),
        disabled: false,
        access_epoch: Epoch(0),
        credential_epoch: Epoch(0),
        muted: Muted::default().with(Notice::TokenMinted, true),
        created_at: Timestamp(1),
        version: Version(1),
    };
    let add = |number, name| Changes {
        id: id(number + 100),
        expect: vec![],
        write: vec![Write::Insert(Row::User(user(number, name)))],
        events: vec![],
    };
    assert_eq!(store.apply(add(1, "Ada@Example")).await.expect("applied"), Applied::Done);
    let taken = store.apply(add(2, "ada@example")).await.expect("answered");
    assert_eq!(taken, Applied::Conflict(Conflict::UsernameTaken));
    let found = store.query(vec![Query::UserByName("ada@example".into())]).await.expect("found");
    assert!(matches!(&found[0], Found::Users(rows) if *rows == [user(1, "Ada@Example")]), "{found:?}");
    store.stop().await.expect("stops");
}
