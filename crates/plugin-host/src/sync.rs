//! What the completion table and the drain counter synchronise with. The models in `tests/loom` put their own in its place,
//! so only what both have may be named here.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use parking_lot::Mutex;
pub(crate) use tokio::sync::{Notify, oneshot};
