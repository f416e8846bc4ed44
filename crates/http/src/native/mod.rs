//! The native API: thin handlers, one file per subject. Each translates and calls one use-case.
//!
//! Decides nothing; in particular who may do what is the service's affair, except that no handler runs for a
//! session of another site.

pub(crate) mod event_stream;
pub(crate) mod events;
pub(crate) mod introspect;
pub(crate) mod invitations;
pub(crate) mod leaks;
pub(crate) mod me;
pub(crate) mod meta;
pub(crate) mod openapi;
pub(crate) mod params;
pub(crate) mod revocations;
pub(crate) mod sessions;
pub(crate) mod tokens;
pub(crate) mod users;
pub(crate) mod wire;
