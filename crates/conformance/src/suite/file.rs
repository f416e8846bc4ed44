//! The file before it is loaded.

use crate::case::{Case, Outcome, Verdict, ensure, pass, pass_with};
use crate::elf::{self, Facts};
use crate::subject::Subject;

pub(crate) const CASES: &[Case] = &[
    Case::once("file.owner-and-mode", "the daemon's user and root alone can write the file", owner_and_mode),
    Case::once("file.one-export", "exactly the entry object is exported", one_export),
    Case::once("file.no-search-path", "it adds no search path for libraries", no_search_path),
    Case::once("file.hardened", "relocated data is read-only and all symbols are bound at load", hardened),
    Case::once("file.glibc", "it needs no newer glibc than this system has", glibc),
    Case::once("file.tls", "it needs no thread-local memory of the initial set", tls),
];

fn facts(subject: &Subject) -> Result<Facts, String> {
    let bytes = std::fs::read(&subject.copy).map_err(|error| format!("the copy does not read: {error}"))?;
    elf::read(&bytes)
}

fn owner_and_mode(subject: &Subject) -> Outcome {
    match patd_plugin_host::probe::safe_file(&subject.file)? {
        Ok(()) => pass(),
        Err(place) => Ok(Verdict::Warning(format!("in this place the daemon would refuse it: {place}"))),
    }
}

fn one_export(subject: &Subject) -> Outcome {
    let facts = facts(subject)?;
    let size = facts.entry_size.ok_or_else(|| {
        format!("it does not export {}: no plug-in of patd, or one of another major", patd_abi::ENTRY_SYMBOL)
    })?;
    ensure(size == 0 || size >= size_of::<patd_abi::Plugin>() as u64, || {
        format!("{} has {size} bytes, less than the ABI's", patd_abi::ENTRY_SYMBOL)
    })?;
    let others: Vec<&str> = facts
        .exports
        .iter()
        .map(String::as_str)
        .filter(|name| *name != patd_abi::ENTRY_SYMBOL && !matches!(*name, "_init" | "_fini"))
        .collect();
    match others.as_slice() {
        [] => pass(),
        [first, ..] => Ok(Verdict::Warning(format!(
            "{} more symbols are exported, {first} among them; link with a version script",
            others.len()
        ))),
    }
}

fn no_search_path(subject: &Subject) -> Outcome {
    let paths = facts(subject)?.search_paths;
    ensure(paths.is_empty(), || format!("it adds the search path {}", paths.join(":")))?;
    pass()
}

fn hardened(subject: &Subject) -> Outcome {
    let facts = facts(subject)?;
    ensure(facts.relro, || "it has no read-only relocations: link with -z relro".into())?;
    ensure(facts.bind_now, || "symbols are bound lazily: link with -z now".into())?;
    pass()
}

fn glibc(subject: &Subject) -> Outcome {
    let Some(newest) = facts(subject)?.glibc.pop() else { return pass_with("needs no glibc") };
    let here = std::fs::read_to_string("/proc/self/maps").ok().and_then(|maps| here(&maps));
    if let Some(here) = &here
        && elf::number(&newest) > elf::number(here)
    {
        return Err(format!("it needs glibc {newest}, this system has {here}: build it on an older system"));
    }
    pass_with(format!("needs glibc {newest}"))
}

/// The version of the C library in this process, by the versions that it defines.
fn here(maps: &str) -> Option<String> {
    let libc = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| {
        path.rsplit('/').next().is_some_and(|name| name.starts_with("libc.so") || name.starts_with("libc-2"))
    })?;
    let bytes = std::fs::read(libc).ok()?;
    let text = bytes.windows(6).enumerate().filter(|(_, window)| *window == b"GLIBC_").map(|(at, _)| {
        let rest = &bytes[at + 6..];
        let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(0);
        String::from_utf8_lossy(&rest[..end]).into_owned()
    });
    text.filter(|version| version.starts_with("2.")).max_by_key(|version| elf::number(version))
}

fn tls(subject: &Subject) -> Outcome {
    ensure(!facts(subject)?.static_tls, || {
        "it uses the initial set of thread-local memory, which a loaded library may find full: use the system allocator, or build without initial-exec".into()
    })?;
    pass()
}
