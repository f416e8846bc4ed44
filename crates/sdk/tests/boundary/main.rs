//! A plug-in linked statically and called through its real tables, as a host calls it across `dlopen`. Miri, which cannot
//! `dlopen`, runs it too (`cargo xtask miri`).
#![cfg(test)]
#![expect(unsafe_code, reason = "the test is the host's side of the boundary")]

mod hasher;
mod host;
mod plugin;
mod service;
