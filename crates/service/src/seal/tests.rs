//! Trails that are sealed, copied and tampered with: what was done is found, and the right event is named.

use std::collections::HashSet;

use patd_core::event::{Actor, Detail, Event, EventType, Origin};
use patd_core::id::{EventId, SessionId, SiteLuid, TokenId, UserLuid};
use patd_core::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::canonical::hash;
use super::chain::{Chains, Notes, Read};
use super::check::{Checker, Copy, Fault, Head, Outcome};
use super::checkpoint::{self, Chain, Checkpoint, Content, Leaf, TYPE, sign};
use super::keys::{Keys, SigningKey};
use crate::cloud_event::event_json;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&Zeroizing::new([byte; 32]))
}

/// A store with its sealer.
pub(super) struct Trail {
    pub(super) keys: Keys,
    key: SigningKey,
    directory: bool,
    pub(super) events: Vec<(u64, Value)>,
    pub(super) chains: Chains,
    next_id: u128,
}

pub(super) fn site(number: u128) -> SiteLuid {
    SiteLuid(Uuid::from_u128(number))
}

fn chain_of(directory: bool, event: &Value) -> Chain {
    let source = event["source"].as_str().expect("a source");
    let site = source.strip_prefix("/sites/").map(|luid| SiteLuid(luid.parse().expect("a LUID")));
    Chain { directory, site }
}

impl Trail {
    pub(super) fn new(directory: bool) -> Self {
        let key = key(1);
        let keys = Keys::new(&key);
        Self {
            keys,
            key,
            directory,
            events: Vec::new(),
            chains: Chains::default(),
            next_id: if directory { 1 << 64 } else { 1 },
        }
    }

    pub(super) fn push(&mut self, event: Value) {
        let position = self.events.last().map_or(1, |(position, _)| position + 1);
        self.events.push((position, event));
    }

    pub(super) fn commit(&mut self, of: Option<SiteLuid>) {
        let id = Uuid::from_u128(self.next_id);
        self.next_id += 1;
        let source = of.map_or_else(|| "/directory".to_owned(), |site| format!("/sites/{site}"));
        let time = format!("2026-01-01T00:00:{:02}Z", self.next_id % 60);
        self.push(json!({"id": id, "source": source, "type": "patd.token.minted", "time": time, "data": {"count": 2}}));
    }

    /// What the sealer does when it wakes.
    pub(super) fn seal(&mut self) {
        self.read();
        while self.chains.is_waiting() {
            for event in self.checkpoints() {
                self.push(event);
            }
            self.read();
        }
    }

    pub(super) fn checkpoints(&self) -> Vec<Value> {
        let mut previous = std::collections::HashMap::new();
        let mut all = Vec::new();
        for draft in self.chains.next(2) {
            let (chain, seq) = (draft.chain, draft.seq);
            let before = previous.get(&chain).copied().or_else(|| self.chains.newest(chain));
            let content = draft.after(before);
            let id = checkpoint::id(self.keys.anchor(), chain, seq).0;
            let mut event = json!({"id": id, "source": chain.source(), "type": TYPE, "time": "2026-01-01T01:00:00Z", "data": {}});
            let text = sign(&content, &event, &self.key);
            previous.insert(chain, Checkpoint::parse(&text).expect("a checkpoint").hash);
            event["data"]["seal"] = json!(text);
            all.push(event);
        }
        all
    }

    pub(super) fn read(&mut self) {
        let after = self.chains.position();
        for (position, event) in self.events.iter().filter(|(position, _)| *position > after) {
            let checkpoint = Checkpoint::text(event).and_then(Checkpoint::parse);
            let foreign = self.chains.read(&Read {
                position: *position,
                chain: chain_of(self.directory, event),
                leaf: Leaf { id: id_of(event), hash: hash(event) },
                checkpoint: checkpoint.as_ref().filter(|c| c.signed_by(&self.keys).is_some()),
            });
            assert_eq!(foreign, Vec::<Uuid>::new(), "nobody else writes here");
        }
    }

    pub(super) fn heads(&self) -> Vec<Head> {
        self.chains.heads()
    }
}

pub(super) fn id_of(event: &Value) -> Uuid {
    event["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

/// A trail of some commits, sealed now and then: by number of commits before each seal.
fn trail(stretches: &[u8]) -> Trail {
    let mut trail = Trail::new(false);
    for commits in stretches {
        for _ in 0..*commits {
            trail.commit(Some(site(7)));
        }
        trail.seal();
    }
    trail
}

fn check(keys: &Keys, events: &[(u64, Value)], heads: &[Head]) -> Outcome {
    check_as(Copy::Store, keys, events, heads)
}

fn check_as(copy: Copy, keys: &Keys, events: &[(u64, Value)], heads: &[Head]) -> Outcome {
    let begins = heads.iter().map(|head| (head.chain, 1)).collect();
    let mut checker = Checker::new(keys, copy, begins);
    for (position, event) in events {
        checker.event(*position, event);
    }
    checker.finish(heads)
}

fn lines(events: Vec<Value>) -> Vec<(u64, Value)> {
    (1..).zip(events).collect()
}

const FILE: Copy = Copy::File { filtered: false };

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_trail_that_nobody_touched_is_good_and_all_of_it_is_sealed(
        stretches in prop::collection::vec(0_u8..9, 1..12), tail in 0_u8..4,
    ) {
        let mut trail = trail(&stretches);
        (0..tail).for_each(|_| trail.commit(Some(site(7))));
        for copy in [Copy::Store, FILE] {
            let outcome = check_as(copy, &trail.keys, &trail.events, &trail.heads());
            prop_assert_eq!(outcome.first_bad, None);
            prop_assert_eq!(outcome.checked, trail.events.len() as u64);
            prop_assert_eq!(outcome.unsealed, u64::from(tail));
            prop_assert_eq!(outcome.heads, trail.heads());
        }
    }

    #[test]
    fn what_was_tampered_with_is_named(
        stretches in prop::collection::vec(1_u8..9, 1..12), at in any::<Index>(), other in any::<Index>(), attack in 0..5,
        in_file: bool,
    ) {
        let trail = trail(&stretches);
        let (i, j) = (at.index(trail.events.len()), other.index(trail.events.len()));
        let (i, j) = (i.min(j), i.max(j));
        let named = id_of(&trail.events[i].1);
        let (copy, heads) = (if in_file { FILE } else { Copy::Store }, trail.heads());
        let mut events = trail.events.clone();
        let place = events[i].0;
        let faults: &[Fault] = match attack {
            0 => {
                flip(&mut events[i].1);
                &[Fault::Changed, Fault::Forged, Fault::Dropped]
            }
            1 => {
                events.remove(i);
                &[Fault::Dropped, Fault::Cut, Fault::Changed]
            }
            2 if i != j => {
                let (a, b) = (events[i].1.clone(), events[j].1.clone());
                (events[i].1, events[j].1) = (b, a);
                &[Fault::Swapped]
            }
            3 => {
                events.truncate(i);
                &[Fault::Cut]
            }
            4 => {
                rechain(&trail, &mut events, i);
                &[Fault::Forged]
            }
            _ => return Ok(()),
        };
        let outcome = check_as(copy, &trail.keys, &events, &heads);
        let bad = outcome.first_bad.expect("found");
        prop_assert!(faults.contains(&bad.fault), "{:?} by attack {}", bad, attack);
        // What cannot be known from this copy is known from another.
        let genuine = bad.stretch.and_then(|(chain, seq)| genuine(&trail, chain, seq));
        let vague = bad.is_vague();
        let bad = match genuine {
            Some(genuine) if vague => bad.explained_by(&genuine),
            _ => bad,
        };
        prop_assert_eq!(bad.id, Some(named), "attack {} fault {:?} position {}", attack, bad.fault, bad.position);
        if attack != 4 {
            prop_assert_eq!(bad.position, place, "attack {} fault {:?}", attack, bad.fault);
        }
    }

    #[test]
    fn a_file_with_two_stores_chains_and_batches_that_came_again_is_good(
        order in prop::collection::vec((any::<bool>(), 0_u8..4), 1..20), again in prop::collection::vec((any::<Index>(), 1_usize..9), 0..4),
    ) {
        let (mut home, mut directory) = (Trail::new(false), Trail::new(true));
        let mut file: Vec<Value> = Vec::new();
        let mut heads = Vec::new();
        for (of_directory, commits) in order {
            let trail = if of_directory { &mut directory } else { &mut home };
            let before = trail.events.len();
            (0..commits).for_each(|_| trail.commit(Some(site(7))));
            trail.seal();
            file.extend(trail.events[before..].iter().map(|(_, event)| event.clone()));
        }
        heads.extend(home.heads());
        heads.extend(directory.heads());
        for (at, length) in again {
            if !file.is_empty() {
                let begin = at.index(file.len());
                let end = (begin + length).min(file.len());
                let batch = file[begin..end].to_vec();
                file.splice(end..end, batch);
            }
        }
        let outcome = check_as(FILE, &home.keys, &lines(file.clone()), &heads);
        prop_assert_eq!(&outcome.first_bad, &None);
        prop_assert_eq!(outcome.unsealed, 0);
        let distinct: HashSet<Uuid> = file.iter().map(id_of).collect();
        prop_assert_eq!(outcome.duplicates, (file.len() - distinct.len()) as u64);
    }

    #[test]
    fn a_sealer_that_starts_again_goes_on_where_it_was(
        stretches in prop::collection::vec((0_u8..6, any::<bool>(), any::<bool>()), 1..12),
    ) {
        let mut trail = Trail::new(false);
        for (commits, crash, lost) in stretches {
            for n in 0..commits {
                trail.commit(Some(site(7 + u128::from(n % 2))));
            }
            let mut notes = trail.chains.notes();
            if crash {
                // The checkpoints are in the store; nobody has noted it.
                trail.read();
                let written = trail.checkpoints();
                written.into_iter().for_each(|event| trail.push(event));
            } else {
                trail.seal();
                notes = trail.chains.notes();
            }
            let text = serde_json::to_string(&notes).expect("text");
            let notes: Notes = serde_json::from_str(&text).expect("notes");
            let resumed = Chains::resume(&notes).filter(|_| !lost);
            trail.chains = resumed.unwrap_or_default();
            trail.read();
            prop_assert_eq!(trail.chains.keep_gaps(&notes.heads()), []);
        }
        trail.seal();
        let outcome = check(&trail.keys, &trail.events, &trail.heads());
        prop_assert_eq!(outcome.first_bad, None);
        prop_assert_eq!(outcome.unsealed, 0);
    }
}

/// Changes one thing in an event, its id and what says which trail it is in included.
fn flip(event: &mut Value) {
    let kind = event["id"].as_str().map_or(0, |id| id.as_bytes()[35] % 4);
    match kind {
        0 => event["time"] = json!("2026-01-01T00:00:59.5Z"),
        1 => event["type"] = json!("patd.token.revoked"),
        2 if event["data"]["seal"].is_string() => {
            let seal = event["data"]["seal"].as_str().expect("text").replacen("\"seq\":", "\"seq\":1", 1);
            event["data"]["seal"] = json!(seal);
        }
        2 => event["data"]["count"] = json!(3),
        _ => event["id"] = json!(Uuid::from_u128(0xdead)),
    }
}

/// Changes an event and makes all checkpoints after it anew, with a key of one's own.
fn rechain(trail: &Trail, events: &mut [(u64, Value)], from: usize) {
    let own = key(9);
    let mut changed: std::collections::HashMap<Uuid, Value> = std::collections::HashMap::new();
    let mut previous = None;
    for (_, event) in &mut events[from..] {
        match Checkpoint::text(event).and_then(Checkpoint::parse) {
            None if changed.is_empty() => {
                event["data"]["count"] = json!(9);
                changed.insert(id_of(event), event.clone());
            }
            None => {}
            Some(checkpoint) => {
                let mut content = checkpoint.content;
                content.previous = previous.or(content.previous);
                for leaf in &mut content.events {
                    leaf.hash = changed.get(&leaf.id).map_or(leaf.hash, hash);
                }
                event["data"] = json!({});
                let text = sign(&content, event, &own);
                previous = Some(Checkpoint::parse(&text).expect("a checkpoint").hash);
                event["data"]["seal"] = json!(text);
                changed.insert(id_of(event), event.clone());
            }
        }
    }
    assert_ne!(events, trail.events);
}

fn genuine(trail: &Trail, chain: Chain, seq: u64) -> Option<Checkpoint> {
    let checkpoints =
        trail.events.iter().filter_map(|(_, event)| Checkpoint::parse(Checkpoint::text(event)?));
    let mut all = checkpoints;
    all.find(|checkpoint| (checkpoint.content.chain, checkpoint.content.seq) == (chain, seq))
}

#[test]
fn sites_in_one_store_have_chains_of_their_own() {
    let mut trail = Trail::new(false);
    for of in [7, 8, 7, 7, 8] {
        trail.commit(Some(site(of)));
    }
    trail.seal();
    trail.commit(Some(site(8)));
    trail.seal();
    let of_one: Vec<_> = trail
        .events
        .iter()
        .filter(|(_, event)| chain_of(false, event).site == Some(site(8)))
        .cloned()
        .collect();
    let heads: Vec<_> = trail.heads().into_iter().filter(|head| head.chain.site == Some(site(8))).collect();
    assert_eq!(heads[0].seq, 2);
    let outcome = check(&trail.keys, &of_one, &heads);
    assert_eq!((outcome.first_bad, outcome.checked), (None, 5));
    assert_eq!(check(&trail.keys, &trail.events, &trail.heads()).first_bad, None);
}

#[test]
fn what_is_put_in_between_sealed_events_is_found() {
    let trail = trail(&[3, 3, 3]);
    for copy in [Copy::Store, FILE] {
        let mut events = trail.events.clone();
        let forged = json!({"id": Uuid::from_u128(0xbad), "source": events[0].1["source"], "type": "patd.token.revoked", "time": "2026-01-01T00:00:04Z"});
        events.insert(5, (5, forged));
        let bad = check_as(copy, &trail.keys, &events, &trail.heads()).first_bad.expect("found");
        assert_eq!((bad.id, bad.fault, bad.position), (Some(Uuid::from_u128(0xbad)), Fault::Inserted, 5));
    }
}

#[test]
fn a_checkpoint_is_needed_by_events_and_not_by_checkpoints() {
    let mut trail = trail(&[2]);
    let length = trail.events.len();
    assert_eq!(length, 3);
    trail.seal();
    assert_eq!(trail.events.len(), length);
}

#[test]
fn a_key_that_was_handed_over_to_signs_from_then_on_and_the_old_one_no_more() {
    let mut trail = trail(&[2, 2]);
    let new = key(2);
    trail.keys = trail.keys.hand_over(&trail.key, &new).expect("handed over");
    let old = std::mem::replace(&mut trail.key, new);
    trail.commit(Some(site(7)));
    trail.seal();
    assert_eq!(check(&trail.keys, &trail.events, &trail.heads()).first_bad, None);
    // Whoever checks with the old list sees a key that he does not know.
    let bad = check(&Keys::new(&old), &trail.events, &[]).first_bad.expect("found");
    assert_eq!((bad.fault, bad.id), (Fault::Forged, trail.events.last().map(|(_, event)| id_of(event))));
    trail.key = old;
    trail.commit(Some(site(7)));
    trail.seal();
    let bad = check(&trail.keys, &trail.events, &[]).first_bad.expect("found");
    assert_eq!((bad.fault, bad.id), (Fault::Forged, trail.events.last().map(|(_, event)| id_of(event))));
}

#[test]
fn what_was_let_go_on_purpose_is_told_from_what_was_cut() {
    let mut trail = trail(&[3, 3, 3]);
    let chain = trail.heads()[0].chain;
    let last_of_first_stretch = 3;
    let kept: Vec<_> =
        trail.events.iter().filter(|(position, _)| *position > last_of_first_stretch).cloned().collect();
    let bad = check(&trail.keys, &kept, &trail.heads()).first_bad.expect("a cut");
    assert_eq!((bad.fault, bad.id), (Fault::Dropped, Some(id_of(&trail.events[0].1))));
    // Said first, then let go; in between all is good as well.
    trail.chains.let_go(chain, 2);
    trail.seal();
    assert_eq!((trail.chains.begins(chain), trail.heads()[0].seq), (2, 4));
    assert_eq!(check(&trail.keys, &trail.events, &trail.heads()).first_bad, None);
    let kept: Vec<_> =
        trail.events.iter().filter(|(position, _)| *position > last_of_first_stretch).cloned().collect();
    assert_eq!(check(&trail.keys, &kept, &trail.heads()).first_bad, None);
    // More than was said is a cut.
    let kept: Vec<_> = trail.events.iter().filter(|(position, _)| *position > 5).cloned().collect();
    assert!(check(&trail.keys, &kept, &trail.heads()).first_bad.is_some());
    trail.seal();
    assert_eq!(trail.heads()[0].seq, 4, "said once");
}

#[test]
fn what_is_cut_or_dropped_behind_a_beginning_that_was_let_go_is_named_and_not_what_was_let_go() {
    let mut trail = trail(&[3, 3, 3]);
    let chain = trail.heads()[0].chain;
    trail.chains.let_go(chain, 2);
    trail.seal();
    let kept: Vec<_> = trail.events.iter().filter(|(position, _)| *position > 3).cloned().collect();
    let checked = |events: &[(u64, Value)]| {
        let mut checker = Checker::new(&trail.keys, Copy::Store, [(chain, 2)].into());
        events.iter().for_each(|(position, event)| checker.event(*position, event));
        let bad = checker.finish(&trail.heads()).first_bad.expect("found");
        (bad.fault, bad.id, bad.position)
    };
    let third = checkpoint::id(trail.keys.anchor(), chain, 3).0;
    // With the checkpoint that says what was let go.
    assert_eq!(checked(&kept[..6]), (Fault::Cut, Some(third), 10));
    let second = checkpoint::id(trail.keys.anchor(), chain, 2).0;
    assert_eq!(checked(&[]), (Fault::Cut, Some(second), 1));
    // The one after it lists nothing else.
    let at = kept.iter().position(|(_, event)| id_of(event) == third).expect("is there");
    let without = [&kept[..at], &kept[at + 1..]].concat();
    assert_eq!(checked(&without), (Fault::Dropped, Some(third), 12));
}

#[test]
fn what_is_done_in_a_file_to_events_that_their_store_let_go_is_found() {
    let mut trail = trail(&[3, 3, 3]);
    let chain = trail.heads()[0].chain;
    trail.chains.let_go(chain, 3);
    trail.seal();
    let file = Copy::File { filtered: false };
    assert_eq!(check_as(file, &trail.keys, &trail.events, &trail.heads()).first_bad, None);
    for at in 0..3 {
        let mut changed = trail.events.clone();
        changed[at].1["data"]["count"] = json!(3);
        let dropped = [&trail.events[..at], &trail.events[at + 1..]].concat();
        for (events, fault) in [(changed, Fault::Changed), (dropped, Fault::Dropped)] {
            let bad = check_as(file, &trail.keys, &events, &trail.heads()).first_bad;
            let found = bad.map(|bad| (bad.fault, bad.id));
            assert_eq!(found, Some((fault, Some(id_of(&trail.events[at].1)))), "event {at}");
        }
    }
}

#[test]
fn a_store_that_was_put_back_goes_on_with_a_gap_that_stays() {
    let mut trail = trail(&[3, 3, 3]);
    let heads = trail.heads();
    trail.events.truncate(5);
    trail.chains = Chains::default();
    trail.read();
    assert_eq!(trail.chains.keep_gaps(&heads), [heads[0].chain]);
    trail.commit(Some(site(7)));
    trail.seal();
    let bad = check(&trail.keys, &trail.events, &trail.heads()).first_bad.expect("a gap");
    let missing = checkpoint::id(trail.keys.anchor(), heads[0].chain, 2).0;
    assert_eq!((bad.fault, bad.id), (Fault::Dropped, Some(missing)));
}

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
