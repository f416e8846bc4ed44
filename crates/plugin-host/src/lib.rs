//! Loads plug-ins, verifies them and adapts them to the ports of patd-service. Nothing else in patd knows `libloading`.
//!
//! It must never run bytes that it has not hashed, never unload a library, and never take anything but a clean OK for
//! success: every other answer of a plug-in is an error here. In order: [`Images::load`] checks and opens a file once
//! ([`PluginSpec`]); [`HasherHandle::create`] and [`ServiceHandle::create`] make instances of it, as many as the
//! configuration names; a [`Slot`] keeps the place of one through recovery and replacement; [`adapt`] dresses slots as the
//! service's ports.
//!
//! A plug-in is trusted code with all of the daemon's rights. These checks protect against the wrong file and against a
//! less privileged writer, not against a malicious author.
#![expect(unsafe_code, reason = "this crate is the boundary: it calls C functions of the plug-in")]

pub mod adapt;
mod callbacks;
mod calls;
mod copy;
mod error;
mod hasher;
mod image;
mod images;
mod instance;
pub mod memory;
mod output;
pub mod probe;
mod selftest;
mod service;
pub mod settings;
mod slot;
mod spec;
mod sync;
pub mod trial;
mod verify;
mod waiters;
mod whole;

#[doc(hidden)]
pub use adapt::replies;
pub use error::{CallError, LoadError, LoadErrorKind};
pub use hasher::HasherHandle;
pub use image::{Image, Kind};
pub use images::{Images, MAX_GENERATIONS};
pub use service::ServiceHandle;
pub use settings::Violation;
pub use slot::{
    HasherSlot, InstancePlan, Lease, Prepared, ServiceSlot, Slot, SlotStatus, SlotTimes, Switched, Unit,
};
pub use spec::{PluginSpec, plugin_file};
