//! The accept loop on hyper: HTTP/1.1 over TCP and Unix sockets, with limits and a graceful stop.
//!
//! Our own loop instead of `axum::serve` for the sake of the hot path: `verify` is answered before the router, no
//! layer lies around it, and small answers leave in one plain write. Never lets one connection's fault stop the loop.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::client::Peer;
use crate::header_timer::HeaderTimer;
use crate::listen::Listener;
use crate::native::event_stream::Draining;
use crate::stall::Stallable;
use crate::state::{Http, Limits};
use crate::verify::{self, Verify};

/// Requests in flight finish, idle connections close.
const DRAINING: u8 = 1;
/// Whatever is left is cut off.
const ABORTING: u8 = 2;

/// How far the stop is: a number that is cheap to read, and tokens that wake connections when it changes.
#[derive(Default)]
struct Phase {
    now: AtomicU8,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Phase {
    fn enter(&self, phase: u8, wake: &CancellationToken) {
        // In this order: whoever is woken sees the new phase.
        self.now.store(phase, Ordering::Release);
        wake.cancel();
    }
}

/// One server: a router behind any number of listeners.
pub struct Server {
    router: Router,
    /// Where `verify` is answered; `None` on the management listener.
    verify: Option<Verify>,
    limits: Limits,
    permits: Arc<Semaphore>,
    connections: TaskTracker,
    phase: Phase,
}

impl Server {
    /// The public server: `verify` and everything in [`crate::routes`].
    #[must_use]
    pub fn public(http: Arc<Http>) -> Self {
        let limits = http.limits.clone();
        Self::new(crate::routes::router(Arc::clone(&http)), Some(Verify::new(http)), limits)
    }

    /// A server of this router alone.
    #[must_use]
    pub fn plain(router: Router, limits: Limits) -> Self {
        Self::new(router, None, limits)
    }

    fn new(router: Router, verify: Option<Verify>, limits: Limits) -> Self {
        Self {
            router,
            verify,
            permits: Arc::new(Semaphore::new(limits.max_connections)),
            limits,
            connections: TaskTracker::new(),
            phase: Phase::default(),
        }
    }

    /// Serves until `stop`, then lets requests in flight finish for at most `drain_time`.
    pub async fn serve(self, listeners: Vec<Listener>, stop: CancellationToken) {
        let server = Arc::new(self);
        let loops = listeners.into_iter().map(|listener| {
            let (server, stop) = (Arc::clone(&server), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = server.accept(&listener) => {}
                    () = stop.cancelled() => {}
                }
            })
        });
        for accepting in loops.collect::<Vec<_>>() {
            if let Err(error) = accepting.await {
                tracing::error!(%error, "an accept loop failed");
            }
        }
        server.phase.enter(DRAINING, &server.phase.drain);
        server.connections.close();
        if tokio::time::timeout(server.limits.drain_time, server.connections.wait()).await.is_err() {
            tracing::warn!(left = server.connections.len(), "connections were cut off at the stop");
            server.phase.enter(ABORTING, &server.phase.abort);
            server.connections.wait().await;
        }
    }

    async fn accept(self: &Arc<Self>, listener: &Listener) {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let accepted = match listener {
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY could not be set");
                    }
                    self.spawn(stream, Peer::Tcp(peer.ip()), permit);
                }),
                Listener::Unix(listener, _) => listener.accept().await.map(|(stream, _)| {
                    self.spawn(stream, Peer::Unix, permit);
                }),
            };
            if let Err(error) = accepted
                && !is_about_one_connection(&error)
            {
                // Out of file descriptors, most likely; accepting again at once would only spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    fn spawn<S>(self: &Arc<Self>, stream: S, peer: Peer, permit: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let server = Arc::clone(self);
        self.connections.spawn(async move {
            server.connection(stream, peer).await;
            drop(permit);
        });
    }

    async fn connection<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(|request| self.answer(request, peer));
        let stream = Stallable::new(stream, self.limits.request_time);
        let connection = http1::Builder::new()
            .timer(HeaderTimer::new(self.limits.header_time))
            .header_read_timeout(self.limits.header_time)
            .max_header_size(self.limits.max_header_bytes)
            .writev(false)
            .keep_alive(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let (mut drain, mut abort) = (pin!(self.phase.drain.cancelled()), pin!(self.phase.abort.cancelled()));
        let mut seen = None;
        let ended = poll_fn(|cx| {
            if seen.is_none() {
                // Once, so that they wake this task. A look at each wake would take locks that all connections
                // share; the phase is one load.
                let _ = (drain.as_mut().poll(cx), abort.as_mut().poll(cx));
            }
            let phase = self.phase.now.load(Ordering::Acquire);
            if seen.replace(phase) != Some(phase) {
                match phase {
                    ABORTING => return Poll::Ready(Ok(())),
                    DRAINING => connection.as_mut().graceful_shutdown(),
                    _ => {}
                }
            }
            connection.as_mut().poll(cx)
        });
        if let Err(error) = ended.await {
            // A client that breaks off, breaks the protocol or is too slow: its own affair.
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn answer(
        &self,
        mut request: hyper::Request<Incoming>,
        peer: Peer,
    ) -> Result<hyper::Response<Body>, Infallible> {
        if let Some(verify) = &self.verify
            && let Some(site) = verify::site_of(&request)
        {
            return Ok(verify.answer(site, request.headers()).await);
        }
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(Draining(self.phase.drain.clone()));
        self.router.clone().call(request.map(Body::new)).await
    }
}

/// Whether an error of `accept` is about the connection that just failed, not about us.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}
