//! What sinks that deliver over a network share: where a destination is, and connections to it, plain and TLS.
//!
//! It must never connect on its own, never resume without checking the certificate, and never put more of a destination into
//! a failure than host and port: paths and credentials of a URL may be secret.
#![forbid(unsafe_code)]

mod address;
mod tls;

pub use address::{Address, is_loopback};
pub use tls::Tls;

use std::os::fd::{AsFd as _, BorrowedFd};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A connection of any kind.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    /// The socket below.
    fn socket(&self) -> BorrowedFd<'_>;
}

impl Duplex for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Duplex for UnixStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl<T: Duplex> Duplex for TlsStream<T> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.get_ref().0.socket()
    }
}

/// A connection of any kind, on the heap.
pub type Stream = Box<dyn Duplex>;
