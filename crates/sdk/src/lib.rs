//! The safe side of the plug-in ABI: an author implements [`Hasher`], [`AsyncService`] or [`Service`] and writes one
//! [`export!`] line.
//!
//! This crate must never let a panic or a Rust type cross the boundary, and never print: what a plug-in has to say goes
//! to the host through `tracing`. Every exported function runs inside a guard that answers PANIC; each accepted request
//! is answered exactly once, because [`Completion`] answers PANIC when it is dropped unfinished.
//!
//! A plug-in is a `cdylib`; two of them linked as rlibs into one binary collide on the exported symbol.
#![expect(unsafe_code, reason = "this crate is the boundary: it turns C pointers into borrowed Rust values")]

#[cfg(panic = "abort")]
compile_error!("a plug-in must unwind: set panic = \"unwind\" in its build profile");

mod batch;
mod context;
#[doc(hidden)]
pub mod danger;
mod export;
mod failure;
mod giving_up;
mod guard;
mod hasher;
mod runtime;
mod service;
mod trace;

pub use batch::{Event, OneByOne, Taken, deliver};
pub use context::{Context, HostHandle};
pub use failure::Failure;
pub use giving_up::time_left;
pub use hasher::{Hasher, decimal};
pub use runtime::{AsyncService, Managed, spawn_blocking};
pub use service::{Completion, Request, Service};

pub use patd_abi as abi;
pub use patd_abi::{flags, op};
pub use patd_proto::describe::{HasherDescription, KnownAnswer, ServiceDescription};

#[doc(hidden)]
pub mod __private {
    pub use crate::export::{factory, plugin};
    pub use crate::hasher::table as hasher_table;
    pub use crate::service::table as service_table;
}
