//! Getting messages to the daemon. Must never keep a connection on which a message was cut short: the next one would be read
//! as its rest.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::Poll;

use patd_sdk::{Failure, Taken};
use patd_sink_net::{Address, Stream, Tls};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{UdpSocket, UnixDatagram, UnixStream};

use crate::config::Place;

/// Looks at a connection whose peer talks, at most.
const MAX_LOOKS: u32 = 64;

/// An open way to the daemon.
enum Line {
    Udp(UdpSocket),
    Datagrams(UnixDatagram),
    /// Each message led by its length (RFC 6587, 3.4.1; RFC 5425).
    Counted(Stream),
    /// Each message ended by a line feed, as daemons read a Unix stream.
    Lines(Stream),
}

/// The way to the daemon, opened when it is needed.
pub(crate) struct Transport {
    place: Place,
    tls: Option<Tls>,
    line: Option<Line>,
}

impl Transport {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, tls: None, line: None }
    }

    /// Reads the certificates to trust.
    pub(crate) async fn start(&mut self) -> Result<(), Failure> {
        if let Place::Tls(_, ca_file) = &self.place {
            let ca_file = ca_file.clone();
            self.tls = Some(patd_sdk::spawn_blocking(move || Tls::new(ca_file.as_deref())).await??);
        }
        Ok(())
    }

    /// Says goodbye and closes.
    pub(crate) async fn close(&mut self) {
        if let Some(Line::Counted(mut stream) | Line::Lines(mut stream)) = self.line.take() {
            // TLS ends with a message of its own; a peer that is gone needs none.
            let _ = stream.shutdown().await;
        }
    }

    /// Opens the way unless it is open still.
    pub(crate) async fn ready(&mut self) -> Result<(), Failure> {
        if let Some(Line::Counted(stream) | Line::Lines(stream)) = &mut self.line
            && is_closed(stream).await
        {
            self.line = None;
        }
        if self.line.is_none() {
            self.line = Some(open(&self.place, self.tls.as_ref()).await?);
        }
        Ok(())
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, message: &str) -> Result<Taken, Failure> {
        self.ready().await?;
        // Taken out, so that a message that is given up halfway leaves no connection with its rest to come.
        let Some(mut line) = self.line.take() else {
            return Err(Failure::internal("the connection is gone as soon as it was made"));
        };
        let sent = line.send(message).await;
        let closed = match &mut line {
            Line::Counted(stream) | Line::Lines(stream) => is_closed(stream).await,
            Line::Udp(_) | Line::Datagrams(_) => false,
        };
        match sent {
            Ok(()) if closed => Err(self.unavailable(&io::Error::from(ErrorKind::ConnectionReset))),
            Ok(()) => {
                self.line = Some(line);
                Ok(Taken::Accepted)
            }
            Err(error) if error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) => {
                self.line = Some(line);
                tracing::error!(
                    bytes = message.len(),
                    "the system takes no datagram of this size; set max_size lower"
                );
                Ok(Taken::Rejected)
            }
            Err(error) => Err(self.unavailable(&error)),
        }
    }

    fn unavailable(&self, error: &io::Error) -> Failure {
        match &self.place {
            Place::Udp(address) | Place::Tcp(address) | Place::Tls(address, _) => {
                Failure::unavailable(format!("{address}: {error}"))
            }
            Place::Unix(_) => Failure::unavailable(format!("the socket of the syslog daemon: {error}")),
        }
    }
}

impl Line {
    async fn send(&mut self, message: &str) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(message.as_bytes()).await.map(drop),
            Self::Datagrams(socket) => socket.send(message.as_bytes()).await.map(drop),
            Self::Counted(stream) => write(stream, &format!("{} {message}", message.len())).await,
            Self::Lines(stream) => write(stream, &format!("{message}\n")).await,
        }
    }
}

async fn write(stream: &mut Stream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

async fn open(place: &Place, tls: Option<&Tls>) -> Result<Line, Failure> {
    match (place, tls) {
        (Place::Udp(address), _) => Ok(Line::Udp(udp(address).await?)),
        (Place::Tcp(address), _) => Ok(Line::Counted(Box::new(address.connect().await?))),
        (Place::Tls(address, _), Some(tls)) => {
            Ok(Line::Counted(tls.wrap(address, address.connect().await?).await?))
        }
        (Place::Tls(..), None) => Err(Failure::internal("TLS is used before it was set up")),
        (Place::Unix(path), _) => {
            let failed =
                |error: io::Error| Failure::unavailable(format!("the socket of the syslog daemon: {error}"));
            let socket = UnixDatagram::unbound().map_err(failed)?;
            match socket.connect(path) {
                Ok(()) => Ok(Line::Datagrams(socket)),
                // The daemon listens for a stream there.
                Err(error) if error.raw_os_error() == Some(Errno::PROTOTYPE.raw_os_error()) => {
                    Ok(Line::Lines(Box::new(UnixStream::connect(path).await.map_err(failed)?)))
                }
                Err(error) => Err(failed(error)),
            }
        }
    }
}

/// A socket that is connected, so that the system tells when nobody listens there.
async fn udp(address: &Address) -> Result<UdpSocket, Failure> {
    let failed = |error: io::Error| Failure::unavailable(format!("{address}: {error}"));
    let found = tokio::net::lookup_host((address.host(), address.port())).await.map_err(failed)?;
    let mut last = io::Error::from(ErrorKind::NotFound);
    for target in found {
        let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let opened = async {
            let socket = UdpSocket::bind(any).await?;
            socket.connect(target).await.map(|()| socket)
        };
        match opened.await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// Whether the peer has closed the connection. A daemon sends nothing; what it sends all the same is dropped.
async fn is_closed(stream: &mut Stream) -> bool {
    for _ in 0..MAX_LOOKS {
        // The system is asked: the runtime learns of a peer's end only when it looks for events next, and a message that was
        // written until then would pass for sent.
        match recv(stream.socket(), &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return true,
            Ok(_) if read_some(stream).await => return true,
            Ok(_) => tokio::task::yield_now().await,
            Err(Errno::AGAIN) => return false,
            Err(Errno::INTR) => {}
            Err(_) => return true,
        }
    }
    // It does not stop talking.
    false
}

/// Drops what has come, as far as the runtime knows of it; whether that was the end.
async fn read_some(stream: &mut Stream) -> bool {
    let mut bytes = [0; 256];
    poll_fn(|context| {
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(buffer.filled().is_empty()),
            Poll::Ready(Err(_)) => Poll::Ready(true),
            Poll::Pending => Poll::Ready(false),
        }
    })
    .await
}
