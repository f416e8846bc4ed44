//! The seal of the audit trail, checked in the stores and in files. Reads only, one event at a time.

use std::collections::HashMap;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

use patd_service::seal::check::{Bad, Checker, Copy, Head, Outcome, Stores};
use patd_service::seal::checkpoint::{self, Chain, Checkpoint, TYPE};
use patd_service::seal::keys::Keys;
use serde_json::{Value, json};

use super::audit_files::{each_file, old_go};
use crate::failure::Failure;

/// What is told of one copy of the trail.
pub(super) fn told(outcome: &Outcome) -> Value {
    let chain = |head: &Head| json!({"chain": head.chain.to_string(), "checkpoints": head.seq});
    json!({
        "checked": outcome.checked, "unsealed": outcome.unsealed, "duplicates": outcome.duplicates,
        "filtered": outcome.filtered, "chains": outcome.heads.iter().map(chain).collect::<Vec<_>>(),
    })
}

/// What is told of the first bad event.
pub(super) fn told_of(bad: &Bad, place: &str) -> Value {
    let stretch = bad.stretch.map(|(chain, seq)| json!({"chain": chain.to_string(), "checkpoint": seq}));
    json!({
        "id": bad.id.map(|id| id.to_string()), "position": bad.position, "reason": bad.fault.as_str(), "in": place,
        "stretch": stretch,
    })
}

/// By what a file is checked.
#[derive(Clone, Copy)]
pub(super) struct FileCheck<'a> {
    pub(super) keys: &'a Keys,
    /// Its sink takes some types only.
    pub(super) filtered: bool,
    /// Files that its sink keeps; older ones are removed.
    pub(super) max_files: Option<u64>,
    /// Only the events of this site count.
    pub(super) site: Option<&'a str>,
    /// How far the chains must reach.
    pub(super) heads: &'a [Head],
    pub(super) stores: Stores<'a>,
}

impl<'a> FileCheck<'a> {
    /// Of a file of which nothing else is known.
    pub(super) fn alone(keys: &'a Keys) -> Self {
        Self { keys, filtered: false, max_files: None, site: None, heads: &[], stores: Stores::Unknown }
    }

    /// Checks a file with its rotated ones, oldest first.
    pub(super) fn run(self, path: &Path) -> Result<Outcome, Failure> {
        let Self { keys, filtered, max_files, site, heads, stores } = self;
        // It may begin anywhere: where, is read first.
        let mut begins: HashMap<Chain, u64> = HashMap::new();
        let rotated = each_line(path, |_, line| {
            // Most lines carry none.
            let text =
                line.and_then(|line| std::str::from_utf8(line).ok()).filter(|line| line.contains(TYPE));
            let event = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
            if let Some(read) = event.and_then(|event| Checkpoint::genuine(&event, keys)) {
                let first = begins.entry(read.content.chain).or_insert(read.content.seq);
                *first = (*first).min(read.content.seq);
            }
        })?;
        let shortened = old_go(&rotated, max_files);
        let source = site.map(|site| format!("/sites/{site}"));
        let mut checker = Checker::new(keys, Copy::File { filtered, shortened }, begins).beside(stores);
        each_line(path, |number, line| {
            match line.and_then(|line| serde_json::from_slice::<Value>(line).ok()) {
                Some(event) if source.is_none() || event["source"].as_str() == source.as_deref() => {
                    checker.event(number, &event);
                }
                Some(_) => {}
                None => checker.unreadable(number),
            }
        })?;
        Ok(checker.finish(heads))
    }
}

/// The genuine checkpoint of a number, from a file.
pub(super) fn find_in_file(path: &Path, keys: &Keys, (chain, seq): (Chain, u64)) -> Option<Checkpoint> {
    let id = checkpoint::id(keys.anchor(), chain, seq).to_string();
    let mut found = None;
    let read = each_line(path, |_, line| {
        let text = line.and_then(|line| std::str::from_utf8(line).ok()).filter(|line| line.contains(&id));
        if let Some(event) = text.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            found = found.take().or_else(|| is(&event, keys, (chain, seq)));
        }
    });
    read.ok().and(found)
}

/// The checkpoint in an event, if it is the genuine one of this number.
pub(super) fn is(event: &Value, keys: &Keys, stretch: (Chain, u64)) -> Option<Checkpoint> {
    Checkpoint::genuine(event, keys).filter(|read| (read.content.chain, read.content.seq) == stretch)
}

/// Each line with its number, through the rotated files; `None` for a last one without an end. Answers the rotated files.
fn each_line(path: &Path, mut take: impl FnMut(u64, Option<&[u8]>)) -> Result<Vec<PathBuf>, Failure> {
    let (mut number, mut text) = (0, Vec::new());
    let read = each_file(path, |mut from| {
        while from.read_until(b'\n', &mut text)? > 0 {
            number += 1;
            take(number, Some(&*text).filter(|text| text.ends_with(b"\n")));
            text.clear();
        }
        Ok(())
    });
    read.map_err(|e| Failure::io("read the audit file", path, e))
}
