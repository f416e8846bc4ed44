//! What somebody who can write to a store or a file, and has none of the keys, may try.

use std::collections::HashMap;

use patd_service::seal::canonical::hash;
use patd_service::seal::checkpoint::{Checkpoint, hash_of, sign};
use patd_service::seal::keys::SigningKey;
use rand::RngExt as _;
use rand::rngs::ThreadRng;
use serde_json::{Value, json};

use super::trail::{Trail, id};

/// Each failure tells what was done to which row.
#[expect(clippy::disallowed_methods, reason = "no secret: where to attack")]
fn dice() -> ThreadRng {
    rand::rng()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    /// Something in an event is another thing.
    Flip,
    /// An event is gone.
    Drop,
    /// Two events changed places.
    Swap,
    /// From one event on all are gone.
    Truncate,
    /// An event is another one, and all checkpoints after it are made anew with a key of the attacker's.
    Rechain,
}

impl Attack {
    pub(super) const ALL: [Self; 5] = [Self::Flip, Self::Drop, Self::Swap, Self::Truncate, Self::Rechain];

    /// Attacks a random row; its number and what was done.
    pub(super) fn on_store(self, trail: &Trail) -> (usize, String) {
        let rows = &trail.rows;
        let (at, other) = two(rows.len());
        let (here, there) = (rows[at].position, rows[other].position);
        let statements = match self {
            Self::Flip => {
                let columns = [
                    "time = time + 1",
                    "reason = reason || 'x'",
                    "address = '192.0.2.66'",
                    "actor = 'stranger'",
                    "type = 'patd.user.joined'",
                    "id = '00000000-0000-4000-8000-000000000000'",
                ];
                let change = columns[dice().random_range(0..columns.len())];
                format!("UPDATE events SET {change} WHERE position = {here};")
            }
            Self::Drop => format!("DELETE FROM events WHERE position = {here};"),
            Self::Swap => format!(
                "UPDATE events SET position = -1 WHERE position = {here}; UPDATE events SET position = {here} WHERE position = \
                 {there}; UPDATE events SET position = {there} WHERE position = -1;"
            ),
            Self::Truncate => format!("DELETE FROM events WHERE position >= {here};"),
            Self::Rechain => {
                let mut events: Vec<Value> = rows.iter().map(|row| row.event.clone()).collect();
                let changed = rechain(&mut events, at, Forged::Event);
                written(trail, &events, &changed)
            }
        };
        trail.sql(&statements);
        (at, format!("{self:?} {}", &statements[..statements.len().min(160)]))
    }

    /// Attacks a random line; the ids of the events of which one should be named, and what was done.
    pub(super) fn on_file(self, trail: &Trail) -> (Vec<String>, String) {
        let text = std::fs::read_to_string(trail.file()).expect("the file");
        let mut lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        // Those of the site's own store: what lies between chains has no order.
        let ours: Vec<usize> = (0..events.len()).filter(|at| trail.ids.contains(&id(&events[*at]))).collect();
        let (at, other) = two(ours.len());
        let (at, other) = (ours[at], ours[other]);
        let mut cut_at = None;
        match self {
            Self::Flip => {
                let byte = dice().random_range(0..lines[at].len());
                lines[at][byte] ^= 1;
            }
            Self::Drop => drop(lines.remove(at)),
            Self::Swap => lines.swap(at, other),
            Self::Truncate => {
                cut_at = Some(dice().random_range(0..lines[at].len()));
                lines.truncate(at + 1);
            }
            Self::Rechain => {
                let mut changed: Vec<Value> = ours.iter().map(|line| events[*line].clone()).collect();
                let from = ours.iter().position(|line| *line == at).expect("it is one of ours");
                for of_ours in rechain(&mut changed, from, Forged::Event) {
                    lines[ours[of_ours]] = changed[of_ours].to_string().into_bytes();
                }
            }
        }
        let mut bytes: Vec<u8> = lines.iter().flat_map(|line| line.iter().chain(b"\n")).copied().collect();
        if let Some(byte) = cut_at {
            bytes.truncate(bytes.len() - lines[at].len() - 1 + byte);
        }
        std::fs::write(trail.file(), bytes).expect("written");
        // A cut may take the end of two chains, and neither has the first event of both.
        let elsewhere = (at..events.len()).find(|line| self == Self::Truncate && !ours.contains(line));
        let named = [Some(&events[at]), elsewhere.map(|line| &events[line])];
        (
            named.into_iter().flatten().map(id).collect(),
            format!("{self:?} of line {}, {other}, {cut_at:?}", at + 1),
        )
    }
}

/// Two different numbers, the lower one first.
fn two(below: usize) -> (usize, usize) {
    let mut random = dice();
    let (one, other) = (random.random_range(0..below), random.random_range(0..below - 1));
    let other = if other >= one { other + 1 } else { other };
    (one.min(other), one.max(other))
}

/// Removes events from the beginning of the store, and signs that it begins later, with a key of the attacker's. Answers what was
/// done.
pub(super) fn behead(trail: &Trail) -> String {
    let mut events: Vec<Value> = trail.rows.iter().map(|row| row.event.clone()).collect();
    let seq = |event: &Value| Some(Checkpoint::parse(Checkpoint::text(event)?)?.content.seq);
    let last = events.iter().rposition(|event| seq(event).is_some()).expect("a checkpoint");
    let at = dice().random_range(1..=last);
    let begins = events[at..].iter().find_map(seq).expect("one is left");
    let changed = rechain(&mut events, at, Forged::Beginning(begins));
    let here = trail.rows[at].position;
    trail.sql(&format!("DELETE FROM events WHERE position < {here};{}", written(trail, &events, &changed)));
    format!("beheaded before row {at}, begins with {begins}")
}

/// The statements that write forged events over those of the store.
fn written(trail: &Trail, events: &[Value], changed: &[usize]) -> String {
    let write = |at: &usize| {
        let (event, position) = (&events[*at], trail.rows[*at].position);
        match event["data"]["seal"].as_str() {
            Some(seal) => format!(
                "UPDATE events SET detail = json_set(detail, '$.seal', '{seal}') WHERE position = {position};"
            ),
            None => format!("UPDATE events SET reason = 'forged' WHERE position = {position};"),
        }
    };
    changed.iter().map(write).collect()
}

/// What is to look genuine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forged {
    /// The first event is another one.
    Event,
    /// The chain begins here.
    Beginning(u64),
}

/// Makes the checkpoints from an event on fit what is forged. Answers the numbers of what is different now.
fn rechain(events: &mut [Value], from: usize, forged: Forged) -> Vec<usize> {
    let own = SigningKey::from_seed(&zeroize::Zeroizing::new([9; 32]));
    let (mut hashes, mut previous, mut changed) = (HashMap::new(), None, Vec::new());
    for (at, event) in events.iter_mut().enumerate().skip(from) {
        let id = event["id"].as_str().expect("an id").parse::<uuid::Uuid>().expect("a UUID");
        match Checkpoint::text(event).and_then(Checkpoint::parse) {
            None if at == from && forged == Forged::Event => event["data"]["reason"] = json!("forged"),
            None => continue,
            Some(checkpoint) => {
                let mut content = checkpoint.content;
                content.previous = previous.or(content.previous);
                if let Forged::Beginning(begins) = forged {
                    content.begins = begins;
                }
                for leaf in &mut content.events {
                    leaf.hash = hashes.get(&leaf.id).copied().unwrap_or(leaf.hash);
                }
                event["data"].as_object_mut().expect("data").remove("seal");
                let seal = sign(&content, event, &own);
                previous = Some(hash_of(&seal));
                event["data"]["seal"] = json!(seal);
            }
        }
        hashes.insert(id, hash(event));
        changed.push(at);
    }
    changed
}
