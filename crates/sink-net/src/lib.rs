//! What sinks that deliver over a network share: where a destination is, and connections to it, plain and TLS.
//!
//! It must never connect on its own, never resume without checking the certificate, and never put more of a destination into
//! a failure than host and port: paths and credentials of a URL may be secret.
#![forbid(unsafe_code)]

mod address;
mod tls;

pub use address::{Address, is_loopback};
pub use tls::Tls;

use tokio::io::{AsyncRead, AsyncWrite};

/// A connection of any kind.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection of any kind, on the heap.
pub type Stream = Box<dyn Duplex>;
