//! A checkpoint: what it says, how it is written, signed and read.
//!
//! The text is canonical JSON, so there is one spelling of it and its hash names it. A text that reads as a checkpoint is
//! none until [`Checkpoint::signed_by`] has said whose it is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use patd_core::id::{EventId, SiteLuid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::canonical::{Hash, canonical, hash};
use super::keys::{KeyId, Keys, SigningKey, signature_text};

/// The type of the events that carry checkpoints.
pub const TYPE: &str = "patd.audit.checkpoint";
/// Events in one checkpoint at most: its event stays below 20 KiB, which every sink takes.
pub const MAX_EVENTS: usize = 256;
/// Stands before everything that is signed as a checkpoint.
const DOMAIN: &[u8] = b"patd audit checkpoint v1\n";
/// The format's version.
const VERSION: u32 = 1;

/// The events of one site, or of none, in one store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Chain {
    /// Whether the store is the directory.
    pub directory: bool,
    /// The site; `None` for events of no site.
    pub site: Option<SiteLuid>,
}

impl Chain {
    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (store, site) = match text.split_once('/') {
            Some((store, site)) => (store, Some(SiteLuid(Uuid::try_parse(site).ok()?))),
            None => (text, None),
        };
        let chain = Self { directory: store == "directory", site };
        (chain.to_string() == text).then_some(chain)
    }

    /// The `source` of its events.
    #[must_use]
    pub fn source(&self) -> String {
        self.site.map_or_else(|| "/directory".to_owned(), |site| format!("/sites/{site}"))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.directory { "directory" } else { "site" })?;
        self.site.map_or(Ok(()), |site| write!(f, "/{site}"))
    }
}

/// The id of a checkpoint's event: the same for every attempt to write it, and known to whoever misses it.
#[must_use]
pub fn id(anchor: KeyId, chain: Chain, seq: u64) -> EventId {
    let text = format!("patd audit checkpoint id v1\n{anchor}\n{chain}\n{seq}");
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(text)[..16]);
    EventId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The hash of an event, as a checkpoint lists it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// The event's id.
    pub id: Uuid,
    /// The hash of its canonical JSON.
    pub hash: Hash,
}

/// What a checkpoint says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Content {
    /// The chain.
    pub chain: Chain,
    /// Its number: 1, then one more each time.
    pub seq: u64,
    /// The hash of the checkpoint before it; `None` for the first.
    pub previous: Option<Hash>,
    /// The first number that is still kept; above 1 when older ones were let go on purpose.
    pub begins: u64,
    /// The events since the checkpoint before it, in order.
    pub events: Vec<Leaf>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u32,
    chain: String,
    seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    begins: u64,
    /// 48 bytes each: id, hash.
    events: String,
    /// The hash of the event that carries this, without this.
    event: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

/// A checkpoint that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// What it says.
    pub content: Content,
    /// The hash of its text, by which the next one names it.
    pub hash: Hash,
    /// Whose signature it claims.
    pub key: KeyId,
    signed: Vec<u8>,
    signature: String,
    /// The hash that the carrying event must have.
    event: Hash,
}

/// Writes and signs a checkpoint; `event` is the CloudEvent that will carry it, still without it.
#[must_use]
pub fn sign(content: &Content, event: &Value, key: &SigningKey) -> String {
    let leaves: Vec<u8> =
        content.events.iter().flat_map(|leaf| leaf.id.as_bytes().iter().chain(&leaf.hash)).copied().collect();
    let mut wire = Wire {
        v: VERSION,
        chain: content.chain.to_string(),
        seq: content.seq,
        previous: content.previous.map(|hash| B64.encode(hash)),
        begins: content.begins,
        events: B64.encode(leaves),
        event: B64.encode(hash(event)),
        key: key.id().to_string(),
        signature: None,
    };
    wire.signature = Some(signature_text(&key.sign(&message(&wire))));
    String::from_utf8(spell(&wire)).unwrap_or_default()
}

/// The hash of a checkpoint's text, by which the next one names it.
#[must_use]
pub fn hash_of(text: &str) -> Hash {
    Sha256::digest(text).into()
}

fn spell(wire: &Wire) -> Vec<u8> {
    serde_json::to_value(wire).map(|value| canonical(&value)).unwrap_or_default()
}

fn message(unsigned: &Wire) -> Vec<u8> {
    [DOMAIN, &spell(unsigned)].concat()
}

impl Checkpoint {
    /// The text of the checkpoint in a CloudEvent, if it is to carry one.
    #[must_use]
    pub fn text(event: &Value) -> Option<&str> {
        event["data"]["seal"].as_str().filter(|_| event["type"] == TYPE)
    }

    /// Reads a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut wire: Wire = serde_json::from_str(text).ok()?;
        if wire.v != VERSION || spell(&wire) != text.as_bytes() {
            return None;
        }
        let signature = wire.signature.take()?;
        let leaves = B64.decode(&wire.events).ok()?;
        let (leaves, rest) = leaves.as_chunks::<48>();
        if !rest.is_empty() || leaves.len() > MAX_EVENTS || wire.seq == 0 {
            return None;
        }
        let content = Content {
            chain: Chain::parse(&wire.chain)?,
            seq: wire.seq,
            previous: wire.previous.as_deref().map(read_hash).map_or(Some(None), |hash| hash.map(Some))?,
            begins: wire.begins,
            events: leaves.iter().map(leaf).collect(),
        };
        Some(Self {
            hash: hash_of(text),
            key: KeyId::parse(&wire.key)?,
            event: read_hash(&wire.event)?,
            signed: message(&wire),
            signature,
            content,
        })
    }

    /// The place in the list of the key that signed it; `None` when none of them did.
    #[must_use]
    pub fn signed_by(&self, keys: &Keys) -> Option<usize> {
        keys.place(self.key).filter(|place| keys.signed(*place, &self.signed, &self.signature))
    }

    /// The checkpoint in an event, if one of the keys signed it and the event is the one that was to carry it.
    #[must_use]
    pub fn genuine(event: &Value, keys: &Keys) -> Option<Self> {
        let read = Self::parse(Self::text(event)?)?;
        (read.signed_by(keys).is_some() && read.is_carried_by(event)).then_some(read)
    }

    /// Whether this event is the one that was to carry it.
    #[must_use]
    pub fn is_carried_by(&self, event: &Value) -> bool {
        hash(&without_seal(event)) == self.event
    }
}

fn without_seal(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(data) = event.get_mut("data").and_then(Value::as_object_mut) {
        data.remove("seal");
    }
    event
}

fn read_hash(text: &str) -> Option<Hash> {
    B64.decode(text).ok()?.try_into().ok()
}

fn leaf(bytes: &[u8; 48]) -> Leaf {
    let (mut id, mut hash) = ([0; 16], [0; 32]);
    id.copy_from_slice(&bytes[..16]);
    hash.copy_from_slice(&bytes[16..]);
    Leaf { id: Uuid::from_bytes(id), hash }
}
