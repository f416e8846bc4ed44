//! The kit runs on every plug-in that patd ships: what is in `plugins/` and builds a library is examined, nothing is listed
//! by hand. What cargo does not build has a `build.sh`.

#![expect(clippy::print_stderr, reason = "libtest shows it with the failure")]

mod common;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use common::{Scratch, cargo_plugins, check, peers, root};

/// Fails the kit on purpose; `sins.rs` says how.
const FAULTY: &str = "faulty";

/// Plug-ins that a `build.sh OUTPUT` of their own builds; each is built here.
fn scripted(scratch: &Scratch) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(root().join("plugins")).expect("plugins");
    entries
        .flatten()
        .filter(|entry| entry.path().join("build.sh").is_file() && !entry.path().join("Cargo.toml").is_file())
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a plain name");
            let file = scratch.path().join(format!("lib{name}.so"));
            let built = Command::new("sh").arg(entry.path().join("build.sh")).arg(&file).status();
            assert!(built.is_ok_and(|status| status.success()), "{name} builds");
            common::set_mode(&file, 0o755);
            (name, file)
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
    files.extend(scripted(&scratch));
    let bad = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (name, file) in &files {
            let (bad, config) = (&bad, scratch.path().join(format!("{name}.json")));
            scope.spawn(move || {
                let mut arguments = vec!["--only-failed"];
                if let Some(with_a_peer) = peers::config(name) {
                    std::fs::write(&config, with_a_peer.to_string()).expect("written");
                    arguments.extend(["--config", config.to_str().expect("a plain path")]);
                }
                let report = check(file, &arguments, "", None);
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
