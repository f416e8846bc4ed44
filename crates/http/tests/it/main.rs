//! The server over a real socket, with stores in memory: what goes over the wire, above all from clients that mean
//! no good. What the daemon does with real plug-ins is tested from outside it.

mod api;
mod hostile;
mod logs;
mod memory;
mod server;
mod verify;
mod world;
