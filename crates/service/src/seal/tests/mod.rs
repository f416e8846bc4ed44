//! Trails that are sealed, copied and tampered with: what was done is found, and the right event is named.

mod beginnings;
mod chains;
mod files;
mod format;
mod tampering;

use patd_core::id::SiteLuid;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::canonical::hash;
use super::chain::{Chains, Read};
use super::check::{Checker, Copy, Head, Outcome};
use super::checkpoint::{self, Chain, Checkpoint, Leaf, TYPE, sign};
use super::keys::{Keys, SigningKey};

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

const FILE: Copy = Copy::File { filtered: false, shortened: false };
