//! The connection below the SMTP client. Must never hold back what is written.
//!
//! lettre's own connections leave Nagle's algorithm on: the full stop that ends a mail is a small write of its own, and
//! would wait until the server's kernel acknowledges the text before it, 40 ms later.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use patd_sdk::Failure;
use patd_sink_net::{Address, Stream, Tls};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection, plain or within TLS, that sends at once.
pub(crate) struct Socket {
    stream: Stream,
    peer: SocketAddr,
}

impl Socket {
    /// Connects, and encrypts at once if `tls` is given.
    ///
    /// # Errors
    /// UNAVAILABLE, naming host and port.
    pub(crate) async fn connect(server: &Address, tls: Option<&Tls>) -> Result<Self, Failure> {
        let plain = server.connect().await?;
        let peer = plain.peer_addr().map_err(|error| Failure::unavailable(format!("{server}: {error}")))?;
        let stream = match tls {
            Some(tls) => tls.wrap(server, plain).await?,
            None => Box::new(plain),
        };
        Ok(Self { stream, peer })
    }
}

impl AsyncTokioStream for Socket {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("peer", &self.peer).finish_non_exhaustive()
    }
}
