//! The kit runs on every plug-in that patd ships: what is in `plugins/` and builds a library is examined, nothing is listed
//! by hand. Plug-ins that are not built by cargo are examined in the plug-in folder of `cargo xtask test`.

#![expect(clippy::print_stderr, reason = "libtest shows it with the failure")]

mod common;

use std::path::PathBuf;
use std::sync::Mutex;

use common::{Scratch, cargo_plugins, check};

/// Fails the kit on purpose; `sins.rs` says how.
const FAULTY: &str = "faulty";

/// Libraries in the folder that `cargo xtask test` fills, beyond those of cargo.
fn further(known: &[String]) -> Vec<(String, PathBuf)> {
    let Some(folder) = std::env::var_os("PATD_TEST_PLUGIN_DIR").map(PathBuf::from) else { return Vec::new() };
    let entries = std::fs::read_dir(&folder).expect("the plug-in folder");
    entries
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = file.strip_prefix("lib")?.strip_suffix(".so")?.to_owned();
            let new = name != FAULTY && !known.contains(&name);
            new.then(|| (name, entry.path()))
        })
        .collect()
}

#[test]
fn every_shipped_plug_in_keeps_what_the_abi_promises() {
    let scratch = Scratch::new();
    let known = cargo_plugins();
    let mut files: Vec<(String, PathBuf)> = known
        .iter()
        .filter(|name| *name != FAULTY)
        .map(|name| (name.clone(), scratch.install(name)))
        .collect();
    for (name, file) in further(&known) {
        let installed = scratch.install_file(&file, &name);
        files.push((name, installed));
    }
    let bad = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (name, file) in &files {
            let bad = &bad;
            scope.spawn(move || {
                let report = check(file, &["--only-failed"], "", None);
                eprintln!("{name}: {:?}", report.summary);
                assert!(report.summary.passed > 20, "{name}: hardly any case ran: {report:#?}");
                if !report.is_good() {
                    bad.lock().expect("unpoisoned").push(report);
                }
            });
        }
    });
    let bad = bad.into_inner().expect("unpoisoned");
    assert!(bad.is_empty(), "{bad:#?}");
}
