//! The cases, a module per suite. A case may look at the plug-in through [`crate::subject::Subject`] only, and must not rely
//! on another case having run.

pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod file;
pub(crate) mod hasher;
pub(crate) mod load;
pub(crate) mod negotiation;
pub(crate) mod rows;
pub(crate) mod running;
pub(crate) mod service;
pub(crate) mod service_end;
pub(crate) mod store;
pub(crate) mod store_copy;
pub(crate) mod store_digests;
pub(crate) mod store_file;
pub(crate) mod store_many;
pub(crate) mod store_outbox;

use patd_plugin_host::Kind;

use crate::case::{Outcome, pass_with};
use crate::child::Identity;
use crate::subject::Subject;

/// The hidden case that says what the plug-in is.
pub(crate) const IDENTIFY: &str = "identify";
/// The hidden case that another case kills.
pub(crate) const VICTIM: &str = "victim";

pub(crate) const ALL: &[Kind] = &[Kind::Hasher, Kind::Store, Kind::Audit];
pub(crate) const HASHER: &[Kind] = &[Kind::Hasher];
pub(crate) const SERVICES: &[Kind] = &[Kind::Store, Kind::Audit];
pub(crate) const STORE: &[Kind] = &[Kind::Store];
pub(crate) const AUDIT: &[Kind] = &[Kind::Audit];

/// Id, version and kinds, as far as they can be read.
pub(crate) fn identify(subject: &Subject) -> Outcome {
    let library = subject.library()?;
    let rest = library.entry().and_then(|entry| entry.rest);
    let text = |bytes: Option<&Vec<u8>>| {
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    };
    let kinds = ALL.iter().filter(|kind| library.factory(**kind).is_some());
    let identity = Identity {
        id: text(rest.as_ref().map(|rest| &rest.id)),
        version: text(rest.as_ref().map(|rest| &rest.version)),
        kinds: kinds.map(|kind| kind.name().to_owned()).collect(),
    };
    pass_with(serde_json::to_string(&identity).unwrap_or_default())
}

/// Carries out what is to be killed.
pub(crate) fn victim(subject: &Subject) {
    store_many::victim(subject);
}
