//! The HTTP side of patd: the native API, the Tableau surface, the web pages and the management listener.
//!
//! Translates requests into calls of [`patd_service::service::Service`] and its answers into HTTP. Decides no rule,
//! opens no store, and never logs a query string, an unknown header or a body.
#![forbid(unsafe_code)]

pub mod body;
pub mod client;
pub mod credential;
pub mod envelope;
mod header_timer;
pub mod leak_signature;
pub mod listen;
pub mod management;
mod native;
mod pages;
pub mod problem;
pub mod routes;
pub mod server;
mod stall;
pub mod state;
pub mod tableau;
mod verify;
