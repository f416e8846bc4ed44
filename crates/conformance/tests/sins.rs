//! The kit is tested with a plug-in that sins: each sin must be caught by the case that is named for it here. A sin that is
//! missing here, a sin that is not caught, and a case that catches nothing fail the test.

#![expect(clippy::print_stderr, reason = "libtest shows it with the failure")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Scratch, check};
use patd_conformance::{Outcome, cases};

/// How a sin is made.
#[derive(Clone, Copy)]
enum How {
    /// By the plug-in `faulty`, told by the environment.
    Sin(&'static str),
    /// By changing bytes of its file.
    Patch(&'static str, fn(&mut Vec<u8>)),
    /// By changing the mode of its file.
    Mode(&'static str, u32),
}

use How::{Mode, Patch, Sin};
use Outcome::{Crashed, Failed};

/// The sin, the kind that commits it (none in particular for the file's own), the case that catches it, and how.
const SINS: &[(How, &str, &str, Outcome)] = &[
    (Mode("writable by all", 0o777), "", "file.owner-and-mode", Failed),
    (Patch("no entry symbol", common::patch::no_symbol), "", "file.one-export", Failed),
    (Patch("a search path", common::patch::search_path), "", "file.no-search-path", Failed),
    (Patch("no relro", common::patch::no_relro), "", "file.hardened", Failed),
    (Patch("a glibc of the future", common::patch::glibc), "", "file.glibc", Failed),
    (Patch("initial-exec TLS", common::patch::static_tls), "", "file.tls", Failed),
    (Patch("cut short", common::patch::cut), "", "load.opens", Failed),
    (Patch("bad magic", common::patch::magic), "", "load.entry", Failed),
    (Patch("short struct", common::patch::short), "", "load.entry", Failed),
    (Patch("wrong major", common::patch::major), "", "load.entry", Failed),
    (Patch("empty id", common::patch::id), "", "load.entry", Failed),
    (Patch("no version", common::patch::version), "", "load.entry", Failed),
    (Sin("any_factory"), "", "load.factories", Failed),
    (Sin("short_table"), "", "load.factories", Failed),
    (Sin("null_function"), "", "load.factories", Failed),
    (Sin("unknown_flag"), "", "load.factories", Failed),
    (Sin("describes_garbage"), "hasher", "load.describe", Failed),
    (Sin("describes_garbage"), "audit", "load.describe", Failed),
    (Sin("panic_in_describe"), "audit", "load.describe", Failed),
    (Sin("describes_other"), "hasher", "load.describe", Failed),
    (Sin("prints_stdout"), "hasher", "load.untouched", Failed),
    (Sin("sets_env"), "hasher", "load.untouched", Failed),
    (Sin("changes_cwd"), "hasher", "load.untouched", Failed),
    (Sin("changes_umask"), "hasher", "load.untouched", Failed),
    (Sin("handles_signal"), "hasher", "load.untouched", Failed),
    (Sin("leaks_thread"), "hasher", "load.untouched", Failed),
    (Sin("leaks_file"), "hasher", "load.untouched", Failed),
    (Sin("leaks_memory"), "hasher", "load.instances", Failed),
    (Sin("panic_in_destroy"), "hasher", "load.instances", Failed),
    (Sin("panic_in_destroy"), "audit", "load.instances", Failed),
    (Sin("refuses_second_image"), "hasher", "load.beside", Failed),
    (Sin("refuses_newer_host"), "audit", "negotiation.newer-host", Failed),
    (Sin("takes_short_host"), "audit", "negotiation.short-host", Failed),
    (Sin("describes_no_schema"), "hasher", "config.schema", Failed),
    (Sin("describes_remote_schema"), "audit", "config.schema", Failed),
    (Sin("describes_other_config"), "store", "config.example", Failed),
    (Sin("refuses_example"), "hasher", "config.example", Failed),
    (Sin("panic_in_create"), "hasher", "config.example", Failed),
    (Sin("takes_unknown_key"), "audit", "config.unknown-key", Failed),
    (Sin("ignores_config"), "hasher", "config.wrong-type", Failed),
    (Sin("ignores_config"), "audit", "config.hostile", Failed),
    (Sin("echoes_config"), "hasher", "config.secrets", Failed),
    (Sin("logs_config"), "audit", "config.secrets", Failed),
    (Sin("wrong_answer"), "hasher", "hasher.known-answers", Failed),
    (Sin("aborts"), "hasher", "hasher.round-trip", Crashed),
    (Sin("exits"), "hasher", "hasher.round-trip", Crashed),
    (Sin("overflows_stack"), "hasher", "hasher.round-trip", Crashed),
    (Sin("panic_in_derive"), "hasher", "hasher.round-trip", Failed),
    (Sin("panic_in_new_params"), "hasher", "hasher.round-trip", Failed),
    (Sin("panic_in_needs_rehash"), "hasher", "hasher.round-trip", Failed),
    (Sin("empty_digest"), "hasher", "hasher.round-trip", Failed),
    (Sin("flood_digest"), "hasher", "hasher.round-trip", Failed),
    (Sin("not_repeatable"), "hasher", "hasher.round-trip", Failed),
    (Sin("no_rehash"), "hasher", "hasher.round-trip", Failed),
    (Sin("always_rehash"), "hasher", "hasher.round-trip", Failed),
    (Sin("other_scheme"), "hasher", "hasher.round-trip", Failed),
    (Sin("detail_with_digest"), "hasher", "hasher.round-trip", Failed),
    (Sin("ignore_secret"), "hasher", "hasher.wrong-secrets", Failed),
    (Sin("constant_digest"), "hasher", "hasher.wrong-secrets", Failed),
    (Sin("truncate_secret"), "hasher", "hasher.wrong-secrets", Failed),
    (Sin("ignores_case"), "hasher", "hasher.wrong-secrets", Failed),
    (Sin("panic_on_empty"), "hasher", "hasher.odd-secrets", Failed),
    (Sin("truncate_72"), "hasher", "hasher.odd-secrets", Failed),
    (Sin("stops_at_zero"), "hasher", "hasher.odd-secrets", Failed),
    (Sin("ignores_salt"), "hasher", "hasher.salts", Failed),
    (Sin("panic_on_foreign"), "hasher", "hasher.foreign-params", Failed),
    (Sin("takes_foreign_params"), "hasher", "hasher.foreign-params", Failed),
    (Sin("computes_huge"), "hasher", "hasher.hostile-params", Failed),
    (Sin("race"), "hasher", "hasher.threads", Failed),
    (Sin("digest_with_refusal"), "hasher", "hasher.refusals", Failed),
    (Sin("echoes_secret"), "hasher", "hasher.secrecy", Failed),
    (Sin("logs_secret"), "hasher", "hasher.secrecy", Failed),
    (Sin("hangs"), "hasher", "hasher.cost", Failed),
    (Sin("slow"), "hasher", "hasher.cost", Failed),
    (Sin("no_start"), "audit", "service.life", Failed),
    (Sin("unhealthy"), "audit", "service.life", Failed),
    (Sin("panic_in_start"), "audit", "service.life", Failed),
    (Sin("panic_in_stop"), "audit", "service.life", Failed),
    (Sin("never_stops"), "audit", "service.life", Failed),
    (Sin("panic_in_call"), "audit", "service.answers", Failed),
    (Sin("panic_in_submit"), "audit", "service.answers", Failed),
    (Sin("garbage"), "audit", "service.answers", Failed),
    (Sin("unknown_status"), "audit", "service.answers", Failed),
    (Sin("flood"), "audit", "service.answers", Failed),
    (Sin("ok_with_error"), "audit", "service.answers", Failed),
    (Sin("error_with_payload"), "audit", "service.answers", Failed),
    (Sin("silent"), "audit", "service.answers", Failed),
    (Sin("aborts"), "audit", "service.answers", Crashed),
    (Sin("exits"), "audit", "service.answers", Crashed),
    (Sin("serves_unstarted"), "audit", "service.before-start", Failed),
    (Sin("takes_nonsense"), "audit", "service.nonsense", Failed),
    (Sin("serves_unknown_op"), "audit", "service.nonsense", Failed),
    (Sin("never_completes"), "audit", "service.one-answer", Failed),
    (Sin("completes_twice"), "audit", "service.one-answer", Failed),
    (Sin("completes_foreign"), "audit", "service.one-answer", Failed),
    (Sin("blocks_in_submit"), "audit", "service.submit", Failed),
    (Sin("late"), "audit", "service.time", Failed),
    (Sin("panic_in_cancel"), "audit", "service.cancel", Failed),
    (Sin("completes_on_cancel"), "audit", "service.cancel", Failed),
    (Sin("loses_in_crowd"), "audit", "service.crowd", Failed),
    (Sin("stops_at_once"), "audit", "service.stop-in-flight", Failed),
    (Sin("serves_after_stop"), "audit", "service.after-stop", Failed),
    (Sin("works_after_stop"), "audit", "service.after-stop", Failed),
    (Sin("prints_stdout"), "audit", "service.untouched", Failed),
    (Sin("sets_env"), "audit", "service.untouched", Failed),
    (Sin("changes_cwd"), "audit", "service.untouched", Failed),
    (Sin("changes_umask"), "audit", "service.untouched", Failed),
    (Sin("handles_signal"), "audit", "service.untouched", Failed),
    (Sin("leaks_thread"), "audit", "service.nothing-left", Failed),
    (Sin("leaks_file"), "audit", "service.nothing-left", Failed),
    (Sin("leaks_memory"), "audit", "service.restarts", Failed),
    (Sin("pending_for_ever"), "store", "store.schema", Failed),
    (Sin("drops_field"), "store", "store.rows", Failed),
    (Sin("ignores_versions"), "store", "store.stale", Failed),
    (Sin("hides_current"), "store", "store.stale", Failed),
    (Sin("ignores_expectations"), "store", "store.expectations", Failed),
    (Sin("ignores_counts"), "store", "store.counts", Failed),
    (Sin("not_unique"), "store", "store.unique", Failed),
    (Sin("replays_twice"), "store", "store.replay", Failed),
    (Sin("rehashes_blindly"), "store", "store.rehash", Failed),
    (Sin("half_applies"), "store", "store.atomic", Failed),
    (Sin("skips_rows"), "store", "store.pages", Failed),
    (Sin("mixes_sites"), "store", "store.sites", Failed),
    (Sin("ignores_filters"), "store", "store.events", Failed),
    (Sin("loses_events"), "store", "store.outbox", Failed),
    (Sin("unordered_outbox"), "store", "store.outbox", Failed),
    (Sin("forgets_cursor"), "store", "store.outbox", Failed),
    (Sin("one_cursor"), "store", "store.cursors", Failed),
    (Sin("loses_dead_letters"), "store", "store.dead-letters", Failed),
    (Sin("miscounts"), "store", "store.backlog", Failed),
    (Sin("removes_too_much"), "store", "store.removal", Failed),
    (Sin("leases_twice"), "store", "store.leases", Failed),
    (Sin("migrate_forgets"), "store", "store.migrate", Failed),
    (Sin("takes_newer_schema"), "store", "store.newer-schema", Failed),
    (Sin("backup_empty"), "store", "store.backup", Failed),
    (Sin("backup_torn"), "store", "store.backup", Failed),
    (Sin("backup_overwrites"), "store", "store.backup-path", Failed),
    (Sin("backup_for_all"), "store", "store.backup-path", Failed),
    (Sin("export_loses_a_row"), "store", "store.export", Failed),
    (Sin("export_unordered"), "store", "store.export", Failed),
    (Sin("import_renumbers"), "store", "store.import", Failed),
    (Sin("import_into_full"), "store", "store.import-full", Failed),
    (Sin("import_keeps_part"), "store", "store.import-undone", Failed),
    (Sin("digests_wrong"), "store", "store.digests", Failed),
    (Sin("digests_told"), "store", "store.digests", Failed),
    (Sin("lost_update"), "store", "store.race", Failed),
    (Sin("torn_reads"), "store", "store.snapshot", Failed),
    (Sin("loses_changes"), "store", "store.model", Failed),
    (Sin("forgets"), "store", "store.crash", Failed),
    (Sin("accepts_nothing"), "audit", "audit.accepts", Failed),
    (Sin("accepts_forged"), "audit", "audit.accounts", Failed),
    (Sin("refuses_duplicates"), "audit", "audit.duplicates", Failed),
    (Sin("refuses_large"), "audit", "audit.large", Failed),
    (Sin("takes_nameless"), "audit", "audit.without-id", Failed),
    (Sin("flush_fails"), "audit", "audit.flush", Failed),
];

/// Sins that no case can see from outside a daemon, and where they are tested instead.
const ELSEWHERE: &[(&str, &str)] = &[("panic_on_boom", "crates/plugin-host/tests/it/hashers.rs")];

impl How {
    fn name(self) -> &'static str {
        match self {
            Sin(name) | Patch(name, _) | Mode(name, _) => name,
        }
    }
}

#[test]
fn every_sin_is_caught_by_its_case_and_every_case_catches_one() {
    let scratch = Scratch::new();
    let faulty = scratch.install("faulty");
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    // Most of the time is waiting for what never comes.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((how, kind, case, wanted)) = SINS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = sin(&scratch, &faulty, *how, kind, case);
                    if found.0 != Some(*wanted) {
                        let (name, wanted) = (how.name(), wanted.name());
                        let text = format!("{name} ({kind}): {case} should have {wanted}, but {found:?}");
                        wrong.lock().expect("unpoisoned").push(text);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("unpoisoned");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How the case ends for this sin, and its detail.
fn sin(scratch: &Scratch, faulty: &Path, how: How, kind: &str, case: &str) -> (Option<Outcome>, String) {
    let (file, environment) = match how {
        Sin(name) => (faulty.to_owned(), Some(name)),
        Patch(name, patch) => (patched(scratch, faulty, name, patch), None),
        Mode(name, mode) => {
            let file = patched(scratch, faulty, name, |_| ());
            common::set_mode(&file, mode);
            (file, None)
        }
    };
    let report = check(
        &file,
        &["--include", &format!("^{}$", case.replace('.', "\\.")), "--patience", "1000"],
        kind,
        environment,
    );
    // A plug-in of several kinds names the kind with the case.
    let found = report.cases.iter().find(|done| done.outcome.is_bad());
    let found = found.or(report.cases.first());
    (found.map(|done| done.outcome), found.map(|done| done.detail.clone()).unwrap_or_default())
}

fn patched(scratch: &Scratch, faulty: &Path, name: &str, patch: fn(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = std::fs::read(faulty).expect("reads");
    patch(&mut bytes);
    let file = scratch.path().join(format!("{}.so", name.replace(' ', "-")));
    std::fs::write(&file, bytes).expect("writes");
    common::set_mode(&file, 0o755);
    file
}

#[test]
fn the_table_names_every_sin_and_every_case() {
    let scratch = Scratch::new();
    let known: BTreeSet<String> = common::sins(&scratch.install("faulty")).into_iter().collect();
    let mut named: BTreeSet<String> = SINS
        .iter()
        .filter(|(how, ..)| matches!(how, Sin(_)))
        .map(|(how, ..)| how.name().to_owned())
        .collect();
    named.extend(ELSEWHERE.iter().map(|(name, _)| (*name).to_owned()));
    assert_eq!(named, known, "the sins of the table and those of the plug-in");
    let caught: BTreeSet<&str> = SINS.iter().map(|(_, _, case, _)| *case).collect();
    let all: BTreeSet<&str> = cases().map(|case| case.name).collect();
    assert_eq!(caught, all, "the cases of the table and those of the kit");
}

#[test]
fn without_a_sin_nothing_is_caught() {
    let scratch = Scratch::new();
    let report = check(&scratch.install("faulty"), &["--only-failed"], "", None);
    assert!(report.is_good(), "{report:#?}");
    eprintln!("{:?}", report.summary);
}
