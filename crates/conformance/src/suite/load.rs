//! Opening the library and making instances that do nothing.

use std::time::{Duration, Instant};

use patd_plugin_host::Kind;
use patd_plugin_host::probe::{self, Hasher, Host, Library, Service, Shape};
use serde_json::Value;

use super::ALL;
use crate::case::{Case, Outcome, Verdict, ensure, pass, pass_with};
use crate::subject::{Subject, status_name};
use crate::system::{Captured, Snapshot, resident};

pub(crate) const CASES: &[Case] = &[
    Case::once("load.opens", "the dynamic loader takes it, quickly", opens),
    Case::once("load.entry", "magic, size, version and id are as the ABI asks", entry),
    Case::once("load.factories", "it gives its own factories, whole, and no other", factories),
    Case::of(ALL, "load.describe", "it describes itself without an instance and with one", describe),
    Case::of(
        ALL,
        "load.untouched",
        "loading and making an instance change nothing of the process",
        untouched,
    ),
    Case::of(ALL, "load.instances", "instances come and go without growth or panic", instances),
    Case::of(ALL, "load.beside", "a second copy works beside the first", beside),
];

/// Longer than this is worth a look.
const LOAD: Duration = Duration::from_millis(100);

fn opens(subject: &Subject) -> Outcome {
    #[expect(clippy::disallowed_methods, reason = "a measured duration")]
    let begin = Instant::now();
    subject.library()?;
    let took = begin.elapsed();
    let text = format!("{} ms", took.as_millis());
    if took > LOAD { Ok(Verdict::Warning(format!("took {text}"))) } else { pass_with(text) }
}

fn entry(subject: &Subject) -> Outcome {
    let entry = subject.library()?.entry().ok_or_else(|| format!("no symbol {}", patd_abi::ENTRY_SYMBOL))?;
    ensure(entry.magic == patd_abi::PATD_PLUGIN_MAGIC, || {
        format!("magic is {:#018x}, expected {:#018x}", entry.magic, patd_abi::PATD_PLUGIN_MAGIC)
    })?;
    let least = size_of::<patd_abi::Plugin>();
    let rest = entry.rest.ok_or_else(|| format!("struct_size is {}, at least {least}", entry.struct_size))?;
    ensure(rest.abi_major == patd_abi::ABI_MAJOR, || {
        format!("ABI major is {}, expected {}", rest.abi_major, patd_abi::ABI_MAJOR)
    })?;
    let id = std::str::from_utf8(&rest.id).map_err(|_| "its id is not UTF-8")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    ensure((3..=64).contains(&id.len()) && id.bytes().all(plain), || {
        format!("its id {id:?} is not 3 to 64 of a-z 0-9 . -")
    })?;
    let version = String::from_utf8_lossy(&rest.version);
    semver::Version::parse(&version).map_err(|error| format!("version {version:?}: {error}"))?;
    if !rest.build_info.is_empty() {
        serde_json::from_slice::<Value>(&rest.build_info)
            .map_err(|error| format!("build_info is no JSON: {error}"))?;
    }
    pass_with(format!("{id} {version}, ABI {}.{}", rest.abi_major, rest.abi_minor))
}

fn factories(subject: &Subject) -> Outcome {
    let library = subject.library()?;
    let mut offered = Vec::new();
    for kind in ALL {
        let id = probe::factory_id(*kind);
        for wrong in [format!("{id}0"), format!("{id}\0"), id[..id.len() - 1].to_owned(), id.to_uppercase()] {
            ensure(library.factory_named(wrong.as_bytes()).is_none(), || {
                format!("get_factory gives a table for {wrong:?}")
            })?;
        }
        let Some(factory) = library.factory(*kind) else { continue };
        let facts = factory.facts(*kind);
        let least = if *kind == Kind::Hasher {
            size_of::<patd_abi::Hasher>()
        } else {
            size_of::<patd_abi::Service>()
        };
        ensure(facts.struct_size as usize >= least, || {
            format!("the table {id} has {} bytes, at least {least}", facts.struct_size)
        })?;
        ensure(facts.missing.is_empty(), || format!("the table {id} lacks {}", facts.missing.join(", ")))?;
        let unknown = facts.flags & patd_abi::flags::REQUIRED_MASK;
        ensure(unknown == 0, || format!("the table {id} asks for the unknown flags {unknown:#018x}"))?;
        offered.push(kind.name());
    }
    for unknown in ["", "patd.hasher", "patd.unknown/1", "\u{fffd}"] {
        ensure(library.factory_named(unknown.as_bytes()).is_none(), || {
            format!("get_factory gives a table for {unknown:?}")
        })?;
    }
    ensure(!offered.is_empty(), || "it offers no kind that patd knows".into())?;
    pass_with(offered.join(", "))
}

fn describe(subject: &Subject) -> Outcome {
    let check = |description: &Value| {
        let kind = subject.kind.name();
        ensure(description["kind"] == kind, || format!("it describes itself as {}", description["kind"]))?;
        ensure(description["schema"] == 1, || {
            format!("it describes itself in schema {}", description["schema"])
        })?;
        let read = match subject.kind {
            Kind::Hasher => {
                serde_json::from_value::<patd_proto::describe::HasherDescription>(description.clone())
                    .map(|read| !read.schemes.is_empty())
            }
            Kind::Store | Kind::Audit => {
                serde_json::from_value::<patd_proto::describe::ServiceDescription>(description.clone())
                    .map(|read| read.max_in_flight > 0)
            }
        };
        let sane = read.map_err(|error| format!("its description does not read: {error}"))?;
        ensure(sane, || "it describes no scheme, or takes no request at once".into())?;
        ensure(description["config_schema"].is_object(), || "it has no config_schema".into())
    };
    check(&subject.description()?)?;
    let reply = match subject.kind {
        Kind::Hasher => {
            let (hasher, _) = subject.hasher()?;
            let reply = hasher.describe();
            hasher.destroy();
            reply
        }
        Kind::Store | Kind::Audit => {
            let service = subject.service()?;
            let reply = service.describe();
            service.destroy();
            reply
        }
    };
    ensure(reply.is_ok(), || format!("describe of an instance answers {}", status_name(reply.status)))?;
    let described = serde_json::from_slice(&reply.output);
    check(&described.map_err(|error| format!("the description of an instance is no JSON: {error}"))?)?;
    pass()
}

/// Makes an instance and ends it; the host that recorded it.
fn live_and_die(subject: &Subject) -> Result<&'static Host, String> {
    if subject.kind == Kind::Hasher {
        let (hasher, host) = subject.hasher()?;
        hasher.destroy();
        Ok(host)
    } else {
        let service = subject.service()?;
        let host = service.host();
        service.destroy();
        Ok(host)
    }
}

fn untouched(subject: &Subject) -> Outcome {
    let mut printed = Captured::begin(&subject.scratch).map_err(|error| error.to_string())?;
    let before = Snapshot::take();
    live_and_die(subject)?;
    let mut found = before.differences();
    let text = printed.text();
    if !text.is_empty() {
        found.push(format!("it printed on standard output: {:?}", text.chars().take(60).collect::<String>()));
    }
    drop(printed);
    ensure(found.is_empty(), || found.join("; "))?;
    pass()
}

fn instances(subject: &Subject) -> Outcome {
    const WARM: usize = 10;
    const MORE: usize = 100;
    let mut panics = 0;
    let mut live = || -> Result<(), String> {
        panics += panic_lines(live_and_die(subject)?);
        Ok(())
    };
    for _ in 0..WARM {
        live()?;
    }
    let before = resident();
    for _ in 0..MORE {
        live()?;
    }
    let grown = resident().saturating_sub(before) >> 20;
    ensure(panics == 0, || format!("{panics} panics were logged while instances came and went"))?;
    ensure(grown < 32, || format!("{MORE} instances left {grown} MiB"))?;
    pass_with(format!("{MORE} instances, {grown} MiB"))
}

/// Log lines that tell of a panic.
pub(crate) fn panic_lines(host: &Host) -> usize {
    host.lines().iter().filter(|line| line.message.windows(8).any(|window| window == b"panicked")).count()
}

fn beside(subject: &Subject) -> Outcome {
    let other = subject.scratch.join("beside.so");
    std::fs::copy(&subject.copy, &other).map_err(|error| format!("no second copy: {error}"))?;
    let (host, config) = (Host::leak(Shape::Exact), subject.config()?.to_string());
    let second = Library::open(&other).map_err(|error| format!("a second copy does not load: {error}"))?;
    let factory = second.factory(subject.kind).ok_or("a second copy offers nothing")?;
    let refused = |reply: probe::Reply| {
        format!("create in a second copy answers {}: {}", status_name(reply.status), reply.detail_text())
    };
    if subject.kind == Kind::Hasher {
        let (first, _) = subject.hasher()?;
        let made = Hasher::create(factory, host, config.as_bytes());
        made.instance.ok_or_else(|| refused(made.reply))?.destroy();
        first.destroy();
    } else {
        let first = subject.service()?;
        let made = Service::create(factory, host, config.as_bytes());
        made.instance.ok_or_else(|| refused(made.reply))?.destroy();
        first.destroy();
    }
    pass()
}
