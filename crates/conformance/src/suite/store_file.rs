//! What a store promises of its schema and of backups.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use patd_abi::{flags, status};
use patd_proto::store::{Backup, Empty, SCHEMA, SchemaStatus, op};
use serde_json::Value;

use super::STORE;
use super::rows::{Store, change, id, insert_token, pair, token};
use super::running::{Running, empty, start_payload};
use crate::case::{Case, Outcome, Verdict, ensure, pass, pass_with};
use crate::subject::{Subject, status_name};

pub(crate) const CASES: &[Case] = &[
    Case::of(
        STORE,
        "store.migrate",
        "MIGRATE leaves nothing to do and every row, however often it comes",
        migrate,
    ),
    Case::of(
        STORE,
        "store.newer-schema",
        "what a newer version wrote is refused by the name of its migration, and left alone",
        newer_schema,
    ),
    Case::of(
        STORE,
        "store.backup",
        "a backup beside writers is a store with all that was answered before, and nothing by halves",
        backup,
    ),
    Case::of(
        STORE,
        "store.backup-path",
        "a backup is a new file for its owner only, and never written over what is there",
        backup_path,
    ),
];

fn migrate(subject: &Subject) -> Outcome {
    let running = Running::made(subject)?;
    let before = running.ask(op::MIGRATE, &empty())?;
    let by_itself = running.service.flags() & flags::EXCLUSIVE != 0 && before.status == status::INVALID;
    ensure(before.status == status::OK || by_itself, || {
        format!("MIGRATE before START is answered {}", status_name(before.status))
    })?;
    running.lifecycle(op::START, start_payload(subject.kind))?;
    let store = Store { running };
    store.done(&change(100, vec![insert_token(token(10))]))?;
    store.done(&pair(101))?;
    store.acknowledge("file", store.take("file", None, 1)?[0].position)?;
    let wanted: SchemaStatus = store.exchange(op::SCHEMA_STATUS, &Empty { schema: SCHEMA })?;
    ensure(!wanted.applied.is_empty(), || "a started store names no migration".into())?;
    for _ in 0..2 {
        let status: SchemaStatus = store.exchange(op::MIGRATE, &Empty { schema: SCHEMA })?;
        ensure(status == wanted, || format!("MIGRATE tells {status:?}, SCHEMA_STATUS {wanted:?}"))?;
    }
    ensure(wanted.pending.is_empty(), || format!("pending after MIGRATE: {}", wanted.pending.join(", ")))?;
    let kept = |store: &Store| {
        ensure(store.token(10)? == Some(token(10)), || "MIGRATE loses a row".into())?;
        ensure(store.has_pair(101)? == [true; 2], || "MIGRATE loses a row".into())?;
        ensure(store.events()? == [id(100), id(101)], || "MIGRATE loses an event".into())?;
        ensure(store.take("file", None, 10)?.len() == 1, || "MIGRATE loses a cursor".into())
    };
    kept(&store)?;
    store.stop()?;
    let store = Store::start(subject)?;
    kept(&store)?;
    store.done(&change(102, vec![insert_token(token(11))]))?;
    store.stop()?;
    pass_with(if by_itself { "it migrates itself at START" } else { "" })
}

fn newer_schema(subject: &Subject) -> Outcome {
    let Some(place) = subject.elsewhere("newer")? else {
        return Ok(Verdict::Skipped("its configuration names no place below {data_dir}".into()));
    };
    let store = Store::start_at(subject, &place)?;
    store.done(&pair(100))?;
    let schema: SchemaStatus = store.exchange(op::SCHEMA_STATUS, &Empty { schema: SCHEMA })?;
    store.stop()?;
    let newest = schema.applied.last().ok_or("a started store names no migration")?;
    // Of the same length, so that a database's file stays one, and after all others in any order.
    let unknown: String = newest.chars().take(newest.chars().count() - 1).chain(['~']).collect();
    let places = rename(&place.folder, newest, &unknown)?;
    if places == 0 {
        return Ok(Verdict::Skipped(
            "the names of its migrations are in no file that the kit can change".into(),
        ));
    }
    let running = Running::made_with(subject, &place.config)?;
    for (op, payload, name) in
        [(op::MIGRATE, empty(), "MIGRATE"), (op::START, start_payload(subject.kind), "START")]
    {
        let answer = running.ask(op, &payload)?;
        ensure(answer.status == status::INVALID, || {
            format!("{name} of what a newer version wrote is answered {}", status_name(answer.status))
        })?;
        let detail = String::from_utf8_lossy(&answer.detail);
        ensure(op == op::MIGRATE || detail.contains(&unknown), || {
            format!("{name} does not name the migration {unknown} that it does not know: {detail}")
        })?;
    }
    running.stop()?;
    let again = rename(&place.folder, &unknown, newest)?;
    ensure(again == places, || "it changed what a newer version wrote".into())?;
    let store = Store::start_at(subject, &place)?;
    ensure(store.has_pair(100)? == [true; 2], || "it lost what a newer version wrote".into())?;
    store.stop()?;
    pass()
}

/// Puts one name for another into every file below a folder; how often.
fn rename(folder: &Path, from: &str, to: &str) -> Result<usize, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut count = 0;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            count += rename(&entry.path(), from, to)?;
            continue;
        }
        let mut bytes = fs::read(entry.path()).map_err(failed)?;
        let mut at = 0;
        while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
            at += found;
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            count += 1;
        }
        fs::write(entry.path(), bytes).map_err(failed)?;
    }
    Ok(count)
}

fn request(path: &Path) -> Backup {
    Backup { schema: SCHEMA, path: path.display().to_string() }
}

fn backup(subject: &Subject) -> Outcome {
    const WRITERS: usize = 4;
    const BEFORE: usize = 40;
    let place = subject.elsewhere("copy")?;
    let Some((place, file)) = place.and_then(|place| place.file().map(|file| (place, file))) else {
        return Ok(Verdict::Skipped("its configuration names no one file below {data_dir}".into()));
    };
    let folder = file.parent().ok_or("its configuration names no file")?;
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let store = Store::start(subject)?;
    store.done(&pair(1))?;
    store.acknowledge("file", store.take("file", None, 1)?[0].position)?;
    let (next, over) = (AtomicU64::new(2), AtomicBool::new(false));
    let before = std::thread::scope(|scope| {
        let (store, next, over) = (&store, &next, &over);
        let (tell, answered) = mpsc::channel();
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let tell = tell.clone();
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let number = u128::from(next.fetch_add(1, Ordering::Relaxed));
                        store.done(&pair(number))?;
                        let _ = tell.send(number);
                    }
                    Ok::<_, String>(())
                })
            })
            .collect();
        drop(tell);
        let before: Vec<u128> = answered.iter().take(BEFORE).collect();
        let made = store.exchange::<Value>(op::BACKUP, &request(&file));
        over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| "the kit itself panicked".to_owned())??;
        }
        made.map(|_| before)
    })?;
    let copy = Store::start_at(subject, &place)?;
    let (all, kept) = (store.events()?, copy.events()?);
    ensure(before.iter().chain([&1]).all(|number| kept.contains(&id(*number))), || {
        format!("of {} changes that were answered before the backup it has {}", before.len() + 1, kept.len())
    })?;
    ensure(all.starts_with(&kept), || "the backup's changes are not the first of the store's".into())?;
    for event in &all {
        let (wanted, number) = ([kept.contains(event); 2], event.as_u128());
        let found = copy.has_pair(number)?;
        ensure(found == wanted, || format!("of change {number} the backup has only a part"))?;
    }
    ensure(copy.take("file", None, 1_000_000)?.len() == kept.len() - 1, || {
        "the backup lost how far a sink has come".into()
    })?;
    // It goes on as a store of its own, and knows what it has applied.
    copy.done(&pair(1))?;
    copy.done(&change(1 << 30, vec![insert_token(token(10))]))?;
    ensure(copy.events()?.len() == kept.len() + 1, || "the backup does not go on where it was taken".into())?;
    ensure(store.token(10)?.is_none(), || "what the backup is written shows in the store".into())?;
    copy.stop()?;
    store.stop()?;
    pass_with(format!("{} of {} changes", kept.len(), all.len()))
}

fn backup_path(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    store.done(&pair(1))?;
    let failed = |error: std::io::Error| error.to_string();
    let [theirs, link, nowhere, file, folder] =
        ["theirs", "link", "nowhere", "backup", "folder"].map(|name| subject.scratch.join(name));
    fs::write(&theirs, "somebody's").map_err(failed)?;
    symlink(&nowhere, &link).map_err(failed)?;
    store.refused(op::BACKUP, &request(&theirs), "a backup over a file")?;
    let kept = fs::read(&theirs).map_err(failed)?;
    ensure(kept == b"somebody's", || "a refused backup changes the file that was there".into())?;
    store.refused(op::BACKUP, &request(&link), "a backup over a symbolic link")?;
    ensure(!nowhere.exists(), || "a refused backup made a file".into())?;

    store.exchange::<Value>(op::BACKUP, &request(&file))?;
    let mode = fs::metadata(&file).map_err(failed)?.permissions().mode();
    ensure(mode & 0o077 == 0, || format!("others can read the backup, its mode is {:o}", mode & 0o777))?;
    let first = fs::read(&file).map_err(failed)?;
    ensure(!first.is_empty(), || "the backup is empty".into())?;
    store.done(&pair(2))?;
    store.refused(op::BACKUP, &request(&file), "a second backup into the same file")?;
    let kept = fs::read(&file).map_err(failed)?;
    ensure(kept == first, || "a refused backup changes the first".into())?;
    fs::create_dir(&folder).map_err(failed)?;
    store.refused(op::BACKUP, &request(&folder), "a backup over a folder")?;
    store.done(&pair(3))?;
    store.stop()?;
    pass()
}
