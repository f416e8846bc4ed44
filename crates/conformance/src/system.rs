//! What `/proc/self` tells of the process: threads, files, signals, environment. Must never change any of it, but for standard
//! output while [`Captured`] lives.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a plug-in must leave alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    facts: BTreeMap<&'static str, String>,
    environment: BTreeMap<std::ffi::OsString, std::ffi::OsString>,
    threads: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

impl Snapshot {
    /// Looks now.
    pub(crate) fn take() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mut facts = BTreeMap::new();
        for (field, what) in [
            ("SigCgt:", "signal handlers"),
            ("SigIgn:", "ignored signals"),
            ("SigBlk:", "blocked signals"),
            ("Umask:", "umask"),
        ] {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let mask = line.unwrap_or_default().trim();
            facts.insert(what, without_libc(mask));
        }
        let cwd = std::env::current_dir().map(|dir| dir.display().to_string());
        facts.insert("working directory", cwd.unwrap_or_default());
        Self { facts, environment: std::env::vars_os().collect(), threads: threads(), files: files() }
    }

    /// What differs later, in words; threads and files may have ended, but none may be new. Threads get a moment to end.
    pub(crate) fn differences(&self) -> Vec<String> {
        let mut found = self.threads_left();
        let later = Self::take();
        found.extend(self.changes(&later));
        found
            .extend(added(&self.files, &later.files).map(|(_, name)| format!("a file is left open: {name}")));
        found
    }

    /// Threads that are new and do not end in a moment.
    pub(crate) fn threads_left(&self) -> Vec<String> {
        let mut later = Self::take();
        #[expect(clippy::disallowed_methods, reason = "a measured deadline")]
        let patience = Instant::now();
        while added(&self.threads, &later.threads).next().is_some()
            && patience.elapsed() < Duration::from_millis(500)
        {
            pause(Duration::from_millis(10));
            later = Self::take();
        }
        added(&self.threads, &later.threads).map(|(_, name)| format!("a thread is left: {name}")).collect()
    }

    /// What differs now while it runs; threads and files may come and go.
    pub(crate) fn changes_while_running(&self) -> Vec<String> {
        self.changes(&Self::take())
    }

    fn changes(&self, later: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (what, before) in &self.facts {
            let after = later.facts.get(what).cloned().unwrap_or_default();
            if after != *before {
                found.push(format!("the {what} changed from {before} to {after}"));
            }
        }
        for (name, value) in &later.environment {
            if self.environment.get(name) != Some(value) {
                found.push(format!("the environment variable {} was set", name.display()));
            }
        }
        for name in self.environment.keys().filter(|name| !later.environment.contains_key(*name)) {
            found.push(format!("the environment variable {} was removed", name.display()));
        }
        found
    }

    /// How many threads.
    pub(crate) fn thread_count(&self) -> usize {
        self.threads.len()
    }

    /// How many open files.
    pub(crate) fn file_count(&self) -> usize {
        self.files.len()
    }
}

/// Waits without a condition, for measuring that nothing happens.
#[expect(clippy::disallowed_methods, reason = "to see that nothing happens there is nothing to wait for")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A signal mask without 32 and 33, which the C library takes for itself with the first thread; anything else as it is.
fn without_libc(mask: &str) -> String {
    match u64::from_str_radix(mask, 16) {
        Ok(mask_bits) if mask.len() == 16 => format!("{:016x}", mask_bits & !(0b11 << 31)),
        _ => mask.to_owned(),
    }
}

fn added<'a>(
    before: &'a BTreeMap<String, String>,
    after: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a String, &'a String)> {
    after.iter().filter(|(key, name)| before.get(*key) != Some(name))
}

fn threads() -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return BTreeMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            Some((entry.file_name().display().to_string(), name.trim().to_owned()))
        })
        .collect()
}

fn files() -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return BTreeMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let target = std::fs::read_link(entry.path()).ok()?.display().to_string();
            // The listing itself.
            let own = target.starts_with("/proc/") && target.ends_with("/fd");
            (!own).then(|| (entry.file_name().display().to_string(), target))
        })
        .collect()
}

/// Resident memory, bytes.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Standard output, led into a file until it is dropped.
pub(crate) struct Captured {
    kept: std::os::fd::OwnedFd,
    file: File,
}

impl Captured {
    /// Begins; the file lies in `scratch`.
    pub(crate) fn begin(scratch: &Path) -> std::io::Result<Self> {
        let path = scratch.join("stdout");
        let file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
        let kept = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        rustix::stdio::dup2_stdout(&file)?;
        Ok(Self { kept, file })
    }

    /// What was printed so far.
    pub(crate) fn text(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_end(&mut bytes));
        if read.is_err() {
            return String::new();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        let _ = rustix::stdio::dup2_stdout(&self.kept);
    }
}
