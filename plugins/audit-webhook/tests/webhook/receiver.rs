//! A receiver: keeps what it gets and answers as it is told, 204 when it is told nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// What to do with the next request.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// Answer.
    Status(u16),
    /// Answer with a header.
    With(u16, &'static str, String),
    /// Never answer.
    Nothing,
    /// Answer 204 and close the connection without saying so.
    Close,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }
}

#[derive(Default)]
struct State {
    got: Mutex<Vec<Got>>,
    script: Mutex<VecDeque<Say>>,
    connections: AtomicUsize,
    open: AtomicUsize,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _runtime: Runtime,
}

impl Receiver {
    pub(crate) fn plain() -> Self {
        Self::start(None)
    }

    pub(crate) fn start(tls: Option<TlsAcceptor>) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        runtime.spawn(accept(listener, tls, Arc::clone(&state)));
        Self { address, state, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/patd?a=b", self.address)
    }

    pub(crate) fn say(&self, script: impl IntoIterator<Item = Say>) {
        self.state.script.lock().expect("sound").extend(script);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.state.got.lock().expect("sound").clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.got().iter().map(|got| got.id().to_owned()).collect()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            state.connections.fetch_add(1, Ordering::SeqCst);
            state.open.fetch_add(1, Ordering::SeqCst);
            match tls {
                None => serve(TokioIo::new(stream), &state).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(TokioIo::new(stream), &state).await;
                    }
                }
            }
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn serve<T>(io: TokioIo<T>, state: &Arc<State>)
where
    TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let (closing, closed) = tokio::sync::oneshot::channel();
    let closing = Arc::new(Mutex::new(Some(closing)));
    let service = service_fn(|request| answer(request, Arc::clone(state), Arc::clone(&closing)));
    let connection = http1::Builder::new().serve_connection(io, service);
    tokio::pin!(connection);
    tokio::select! {
        _ended = &mut connection => {}
        _told = closed => {
            // The answer goes out first.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(200), connection).await;
        }
    }
}

type Closing = Arc<Mutex<Option<tokio::sync::oneshot::Sender<()>>>>;

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
    closing: Closing,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (method, target) = (head.method.to_string(), head.uri.to_string());
    state.got.lock().expect("sound").push(Got { method, target, headers: head.headers, body });
    let say = state.script.lock().expect("sound").pop_front().unwrap_or(Say::Status(204));
    let response = Response::builder();
    let response = match say {
        Say::Status(status) => response.status(status),
        Say::With(status, name, value) => response.status(status).header(name, value),
        Say::Nothing => std::future::pending().await,
        Say::Close => {
            let closing = closing.lock().expect("sound").take();
            closing.map(|closing| closing.send(()));
            response.status(204)
        }
    };
    Ok(response.body(Empty::new()).expect("a response"))
}
