//! What was sealed once stays readable for ever.

use patd_core::event::{Actor, Detail, Event, EventType, Origin};
use patd_core::id::{EventId, SessionId, TokenId, UserLuid};
use patd_core::time::Timestamp;
use uuid::Uuid;

use super::{key, site};
use crate::cloud_event::event_json;
use crate::seal::canonical::hash;
use crate::seal::checkpoint::{self, Chain, Checkpoint, Content, Leaf, sign};
use crate::seal::keys::Keys;

/// Rows as a store keeps them.
fn rows() -> [Event; 3] {
    let minted = Event {
        id: EventId(Uuid::from_u128(1)),
        time: Timestamp(1_767_225_600_000_001),
        site: Some(site(7)),
        kind: EventType::TokenMinted,
        actor: Actor::User {
            luid: UserLuid(Uuid::from_u128(2)),
            username: "ann\u{e9}@example.test".to_owned(),
        },
        user: Some(UserLuid(Uuid::from_u128(2))),
        token: Some(TokenId(Uuid::from_u128(3))),
        session: Some(SessionId(Uuid::from_u128(4))),
        origin: Origin { address: "192.0.2.1".to_owned(), user_agent: "curl/8 \"quoted\"\t".to_owned() },
        reason: "because".to_owned(),
        count: 1,
        detail: Some(Box::new(Detail { token_name: Some("ci".to_owned()), ..Detail::default() })),
        seq: 5,
    };
    let failed = Event {
        kind: EventType::SigninFailed,
        actor: Actor::Anonymous,
        site: None,
        token: None,
        session: None,
        detail: None,
        count: 3,
        ..minted.clone()
    };
    let checkpoint = Event {
        kind: EventType::AuditCheckpoint,
        actor: Actor::System,
        user: None,
        origin: Origin::default(),
        reason: String::new(),
        count: 1,
        ..failed.clone()
    };
    [minted, failed, checkpoint]
}

#[test]
fn what_was_sealed_is_rendered_alike_for_ever() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let [minted, failed, checkpoint] = rows().map(|row| event_json(&row));
    // A change here makes every trail that was sealed before look forged: it needs another `dataschema`.
    assert_eq!(hex(&hash(&minted)), "80ba33306103834b58af29ec0921e02b492cfbcb0af39412acf13e613f530d9d");
    assert_eq!(hex(&hash(&failed)), "4c98b9300a4435b8ff192ab93391354b221096b7d0abffbda12ffa88fee0a057");
    assert_eq!(hex(&hash(&checkpoint)), "8395aff1a48bb52afbf13ddbbf12425a1d1ed1c96453ac6ff6a92a261190a3f0");
    let content = Content {
        chain: Chain { directory: true, site: None },
        seq: 2,
        previous: Some([9; 32]),
        begins: 1,
        events: vec![Leaf { id: Uuid::from_u128(1), hash: [8; 32] }],
    };
    let text = sign(&content, &checkpoint, &key(1));
    assert_eq!(
        text,
        "{\"begins\":1,\"chain\":\"directory\",\"event\":\"g5Wv8aSLtSr78T3bvxJCWh0e0clkU6xv9qkqJhGQo_A\",\"events\":\"AAAAAAAAAAAAAAAAAAAAAQgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI\",\"key\":\"NHUPmL1Z_PyUbaRaqr6TOw\",\"previous\":\"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk\",\"seq\":2,\"signature\":\"INiVNcAojHmfAWzqyHQSADoTgVXNOuxlFcSLQ45ovQYTNSu2cyuKpuhji8J2E4WLGmGSeYrzB30sKkobP9TjDA\",\"v\":1}"
    );
    let read = Checkpoint::parse(&text).expect("a checkpoint");
    assert_eq!((&read.content, read.signed_by(&Keys::new(&key(1)))), (&content, Some(0)));
    assert_eq!(
        checkpoint::id(key(1).id(), content.chain, 2).to_string(),
        "2194c035-9033-87aa-a583-bfc057951bd9"
    );
}
