//! The store without the plug-in boundary, against real files. (The boundary has its own tests in the host.)
#![cfg(test)]

mod changes;
mod copy;
mod digests;
mod file;
mod groups;
mod migration;
mod model;
mod outbox;
mod queries;
mod scratch;
