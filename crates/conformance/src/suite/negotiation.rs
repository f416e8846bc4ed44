//! Hosts of other ages.

use patd_abi::status;
use patd_plugin_host::Kind;
use patd_plugin_host::probe::{Hasher, Host, Reply, Service, Shape};

use super::ALL;
use crate::case::{Case, Outcome, ensure, pass, pass_with};
use crate::subject::{Subject, status_name};

pub(crate) const CASES: &[Case] = &[
    Case::of(
        ALL,
        "negotiation.newer-host",
        "a host with a higher minor version and a longer table is taken",
        newer,
    ),
    Case::of(
        ALL,
        "negotiation.short-host",
        "a host table that is cut short is refused, not read past its end",
        short,
    ),
];

/// Makes an instance for this host and ends it.
fn create(subject: &Subject, host: &'static Host) -> Result<Reply, String> {
    let (factory, config) = (subject.factory()?, subject.config()?.to_string());
    if subject.kind == Kind::Hasher {
        let made = Hasher::create(factory, host, config.as_bytes());
        if let Some(hasher) = made.instance {
            hasher.destroy();
        }
        Ok(made.reply)
    } else {
        let made = Service::create(factory, host, config.as_bytes());
        if let Some(service) = made.instance {
            service.destroy();
        }
        Ok(made.reply)
    }
}

fn newer(subject: &Subject) -> Outcome {
    for (shape, which) in [(Shape::Exact, "of this age"), (Shape::Newer, "of a newer age")] {
        let reply = create(subject, Host::leak(shape))?;
        ensure(reply.is_ok(), || {
            format!(
                "with a host {which} create answers {}: {}",
                status_name(reply.status),
                reply.detail_text()
            )
        })?;
    }
    pass()
}

fn short(subject: &Subject) -> Outcome {
    // Behind the cut lies an unreadable page: reading on is a crash.
    let reply = create(subject, Host::leak(Shape::Cut(16)))?;
    ensure(!reply.is_ok() || subject.kind == Kind::Hasher, || {
        "create takes a host that cannot be answered: its table has 16 bytes".into()
    })?;
    ensure(reply.is_ok() || reply.status == status::INVALID, || {
        format!("create answers {} where INVALID is asked for", status_name(reply.status))
    })?;
    pass_with(if reply.is_ok() { "taken: it needs nothing of the host" } else { "refused" })
}
