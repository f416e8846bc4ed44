//! The accept loop on hyper: HTTP/1.1 over TCP and Unix sockets, with limits and a graceful stop.
//!
//! Our own loop instead of `axum::serve` for the sake of the hot path: `verify` is answered before the router, no
//! layer lies around it, and small answers leave in one plain write. Never lets one connection's fault stop the loop.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::client::Peer;
use crate::listen::Listener;
use crate::state::{Http, Limits};
use crate::verify;

/// One server: a router behind any number of listeners.
pub struct Server {
    router: Router,
    /// Where `verify` is answered; `None` on the management listener.
    verify: Option<Arc<Http>>,
    limits: Limits,
    permits: Arc<Semaphore>,
    connections: TaskTracker,
    /// Ends what the graceful stop left.
    abort: CancellationToken,
}

impl Server {
    /// The public server: `verify` and everything in [`crate::routes`].
    #[must_use]
    pub fn public(http: Arc<Http>) -> Self {
        let limits = http.limits.clone();
        Self::new(crate::routes::router(Arc::clone(&http)), Some(http), limits)
    }

    /// A server of this router alone.
    #[must_use]
    pub fn plain(router: Router, limits: Limits) -> Self {
        Self::new(router, None, limits)
    }

    fn new(router: Router, verify: Option<Arc<Http>>, limits: Limits) -> Self {
        Self {
            router,
            verify,
            permits: Arc::new(Semaphore::new(limits.max_connections)),
            limits,
            connections: TaskTracker::new(),
            abort: CancellationToken::new(),
        }
    }

    /// Serves until `stop`, then lets requests in flight finish for at most `drain_time`.
    pub async fn serve(self, listeners: Vec<Listener>, stop: CancellationToken) {
        let server = Arc::new(self);
        let loops = listeners.into_iter().map(|listener| {
            let (server, stop) = (Arc::clone(&server), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = server.accept(&listener, &stop) => {}
                    () = stop.cancelled() => {}
                }
            })
        });
        for accepting in loops.collect::<Vec<_>>() {
            if let Err(error) = accepting.await {
                tracing::error!(%error, "an accept loop failed");
            }
        }
        server.connections.close();
        if tokio::time::timeout(server.limits.drain_time, server.connections.wait()).await.is_err() {
            tracing::warn!(left = server.connections.len(), "connections were cut off at the stop");
            server.abort.cancel();
            server.connections.wait().await;
        }
    }

    async fn accept(self: &Arc<Self>, listener: &Listener, stop: &CancellationToken) {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let accepted = match listener {
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY could not be set");
                    }
                    self.spawn(stream, Peer::Tcp(peer.ip()), permit, stop.clone());
                }),
                Listener::Unix(listener, _) => listener.accept().await.map(|(stream, _)| {
                    self.spawn(stream, Peer::Unix, permit, stop.clone());
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

    fn spawn<S>(
        self: &Arc<Self>,
        stream: S,
        peer: Peer,
        permit: tokio::sync::OwnedSemaphorePermit,
        stop: CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let server = Arc::clone(self);
        self.connections.spawn(async move {
            let _permit = permit;
            let abort = server.abort.clone();
            tokio::select! {
                biased;
                () = server.connection(stream, peer, &stop) => {}
                () = abort.cancelled() => {}
            }
        });
    }

    async fn connection<S>(&self, stream: S, peer: Peer, stop: &CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(|request| self.answer(request, peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_time)
            .max_header_size(self.limits.max_header_bytes)
            .writev(false)
            .keep_alive(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // A client that breaks off, breaks the protocol or is too slow: its own affair.
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn answer(
        &self,
        mut request: hyper::Request<Incoming>,
        peer: Peer,
    ) -> Result<hyper::Response<Body>, Infallible> {
        if let Some(http) = &self.verify
            && let Some(site) = verify::site_of(&request)
        {
            return Ok(verify::answer(http, site, request.headers()).await);
        }
        request.extensions_mut().insert(peer);
        self.router.clone().call(request.map(Body::new)).await
    }
}

/// Whether an error of `accept` is about the connection that just failed, not about us.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}
